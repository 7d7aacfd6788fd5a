//! One loaded version of a plugin: linked once, instantiated for each call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::bindings::exports::tenon::service::{
    lifecycle, maintenance, metering, migration, snapshots, suspension,
};
use super::store::CallState;

/// A version of a plugin that can be called.
pub(crate) struct Generation {
    /// Hex SHA-256 of the component.
    pub(crate) sha256: String,
    pre: InstancePre<CallState>,
    lifecycle: lifecycle::GuestIndices,
    snapshots: Option<snapshots::GuestIndices>,
    maintenance: Option<maintenance::GuestIndices>,
    suspension: Option<suspension::GuestIndices>,
    metering: Option<metering::GuestIndices>,
    migration: Option<migration::GuestIndices>,
    in_flight: AtomicUsize,
    idle: Notify,
    /// Ends calls that did not finish in time.
    pub(super) cancel: CancellationToken,
}

impl Generation {
    /// Looks up what the component exports.
    ///
    /// # Errors
    ///
    /// wasmtime's error, which names the export of `lifecycle` that is missing or of another type.
    pub(super) fn new(sha256: String, pre: InstancePre<CallState>) -> wasmtime::Result<Self> {
        Ok(Self {
            sha256,
            lifecycle: lifecycle::GuestIndices::new(&pre)?,
            // Optional: found by looking. One of another type counts as not exported.
            snapshots: snapshots::GuestIndices::new(&pre).ok(),
            maintenance: maintenance::GuestIndices::new(&pre).ok(),
            suspension: suspension::GuestIndices::new(&pre).ok(),
            metering: metering::GuestIndices::new(&pre).ok(),
            migration: migration::GuestIndices::new(&pre).ok(),
            pre,
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            cancel: CancellationToken::new(),
        })
    }

    /// Whether it can take and restore snapshots.
    pub(crate) const fn offers_snapshots(&self) -> bool {
        self.snapshots.is_some()
    }

    /// Whether it can measure instances.
    pub(crate) const fn offers_metering(&self) -> bool {
        self.metering.is_some()
    }

    /// A fresh sandbox. Guest code may already run here: the store's bounds must be armed.
    pub(super) async fn instantiate(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Exports<'_>> {
        let instance = self.pre.instantiate_async(store).await?;
        Ok(Exports { generation: self, instance })
    }

    /// The exports of an instance of this generation.
    pub(super) const fn exports(&self, instance: Instance) -> Exports<'_> {
        Exports { generation: self, instance }
    }

    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn leave(&self) {
        if self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.idle.notify_waiters();
        }
    }

    /// Calls that run now.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Waits until no call runs; after `patience`, ends those that still do.
    ///
    /// Returns how many were ended. Their callers repeat them on the next generation.
    pub(super) async fn drain(&self, patience: Duration) -> usize {
        let wait = async {
            loop {
                let idle = self.idle.notified();
                if self.in_flight() == 0 {
                    break;
                }
                idle.await;
            }
        };
        if tokio::time::timeout(patience, wait).await.is_ok() {
            return 0;
        }
        let left = self.in_flight();
        self.cancel.cancel();
        left
    }
}

/// One sandbox's exports.
pub(crate) struct Exports<'g> {
    generation: &'g Generation,
    instance: Instance,
}

impl Exports<'_> {
    pub(super) const fn instance(&self) -> Instance {
        self.instance
    }

    pub(super) fn lifecycle(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<lifecycle::Guest> {
        self.generation.lifecycle.load(store, &self.instance)
    }

    /// `None` when the component does not export it.
    pub(super) fn snapshots(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Option<snapshots::Guest>> {
        let indices = self.generation.snapshots.as_ref();
        indices.map(|indices| indices.load(store, &self.instance)).transpose()
    }

    /// `None` when the component does not export it.
    pub(super) fn metering(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Option<metering::Guest>> {
        let indices = self.generation.metering.as_ref();
        indices.map(|indices| indices.load(store, &self.instance)).transpose()
    }

    /// `None` when the component does not export it.
    pub(super) fn maintenance(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Option<maintenance::Guest>> {
        let indices = self.generation.maintenance.as_ref();
        indices.map(|indices| indices.load(store, &self.instance)).transpose()
    }

    /// `None` when the component does not export it.
    pub(super) fn suspension(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Option<suspension::Guest>> {
        let indices = self.generation.suspension.as_ref();
        indices.map(|indices| indices.load(store, &self.instance)).transpose()
    }

    /// `None` when the component does not export it.
    pub(super) fn migration(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Option<migration::Guest>> {
        let indices = self.generation.migration.as_ref();
        indices.map(|indices| indices.load(store, &self.instance)).transpose()
    }
}
