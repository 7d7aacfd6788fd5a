//! The calls that a node makes, one value each, so that an ended one can be repeated.

use std::future::Future;
use std::sync::Arc;

use cap_std::fs::Dir;
use tenon_protocol::chain;
use wasmtime::Store;
use wasmtime::component::Resource;

use super::failure::GuestFailure;
use super::generation::Exports;
use super::store::CallState;
use super::wit::{
    Binding, BindingRef, Credential, FoundBinding, HealthReport, InstanceRef, InventoryPage,
    Offering,
};
use crate::capability::blob::{Finished, Sink, Source};
use crate::capability::context::Call;

/// Extensions of the contract: key, and a JSON text as the value.
pub(crate) type Attrs = Vec<(String, String)>;

/// Handle to the call, lent to the guest.
pub(crate) type Cx = Resource<Call>;

/// What became of a call that reached the guest.
pub(crate) type Outcome<T> = wasmtime::Result<Result<T, GuestFailure>>;

/// One call of one export.
pub(crate) trait GuestCall: Clone + Send + 'static {
    /// What the guest answers.
    type Output: Send + 'static;
    /// For the log.
    const NAME: &'static str;

    /// Makes the call in a fresh sandbox.
    ///
    /// The outer error is the sandbox's (a trap), the inner one the guest's own.
    fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> impl Future<Output = Outcome<Self::Output>> + Send;
}

/// `lifecycle.describe`.
#[derive(Clone)]
pub(crate) struct Describe;

impl GuestCall for Describe {
    type Output = Offering;
    const NAME: &'static str = "describe";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        _cx: Cx,
    ) -> Outcome<Offering> {
        let guest = exports.lifecycle(store)?;
        Ok(guest.call_describe(store).await?.map_err(GuestFailure::Refused))
    }
}

/// `lifecycle.provision`.
#[derive(Clone)]
pub(crate) struct Provision {
    pub(crate) instance: InstanceRef,
    pub(crate) parameters: Attrs,
    pub(crate) reuse: Option<Credential>,
}

impl GuestCall for Provision {
    type Output = Credential;
    const NAME: &'static str = "provision";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> Outcome<Credential> {
        let guest = exports.lifecycle(store)?;
        let Self { instance, parameters, reuse } = self;
        let result =
            guest.call_provision(store, cx, &instance, &parameters, reuse.as_ref()).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `lifecycle.unprovision`.
#[derive(Clone)]
pub(crate) struct Unprovision {
    pub(crate) instance: InstanceRef,
    pub(crate) bindings: Vec<Binding>,
}

impl GuestCall for Unprovision {
    type Output = ();
    const NAME: &'static str = "unprovision";

    async fn run(self, store: &mut Store<CallState>, exports: &Exports<'_>, cx: Cx) -> Outcome<()> {
        let guest = exports.lifecycle(store)?;
        let result = guest.call_unprovision(store, cx, &self.instance, &self.bindings).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `lifecycle.bind`.
#[derive(Clone)]
pub(crate) struct Bind {
    pub(crate) binding: BindingRef,
    pub(crate) parameters: Attrs,
    pub(crate) reuse: Option<Credential>,
}

impl GuestCall for Bind {
    type Output = Credential;
    const NAME: &'static str = "bind";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> Outcome<Credential> {
        let guest = exports.lifecycle(store)?;
        let Self { binding, parameters, reuse } = self;
        let result = guest.call_bind(store, cx, &binding, &parameters, reuse.as_ref()).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `lifecycle.unbind`.
#[derive(Clone)]
pub(crate) struct Unbind {
    pub(crate) binding: Binding,
}

impl GuestCall for Unbind {
    type Output = ();
    const NAME: &'static str = "unbind";

    async fn run(self, store: &mut Store<CallState>, exports: &Exports<'_>, cx: Cx) -> Outcome<()> {
        let guest = exports.lifecycle(store)?;
        let result = guest.call_unbind(store, cx, &self.binding).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `lifecycle.inventory`: one page.
#[derive(Clone)]
pub(crate) struct Inventory {
    pub(crate) page: Option<String>,
}

impl GuestCall for Inventory {
    type Output = InventoryPage;
    const NAME: &'static str = "inventory";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> Outcome<InventoryPage> {
        let guest = exports.lifecycle(store)?;
        let result = guest.call_inventory(store, cx, self.page.as_deref()).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `lifecycle.purge`.
#[derive(Clone)]
pub(crate) struct Purge {
    pub(crate) instances: Vec<InstanceRef>,
    pub(crate) bindings: Vec<FoundBinding>,
}

impl GuestCall for Purge {
    type Output = u32;
    const NAME: &'static str = "purge";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> Outcome<u32> {
        let guest = exports.lifecycle(store)?;
        let result = guest.call_purge(store, cx, &self.instances, &self.bindings).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `lifecycle.health`.
#[derive(Clone)]
pub(crate) struct Health;

impl GuestCall for Health {
    type Output = HealthReport;
    const NAME: &'static str = "health";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> Outcome<HealthReport> {
        let guest = exports.lifecycle(store)?;
        Ok(guest.call_health(store, cx, None).await?.map_err(GuestFailure::Refused))
    }
}

/// `snapshots.formats`: what the guest can restore.
#[derive(Clone)]
pub(crate) struct Formats;

impl GuestCall for Formats {
    type Output = Vec<String>;
    const NAME: &'static str = "formats";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        _cx: Cx,
    ) -> Outcome<Vec<String>> {
        let Some(guest) = exports.snapshots(store)? else {
            return Ok(Err(GuestFailure::NotOffered("snapshot")));
        };
        Ok(Ok(guest.call_formats(store).await?))
    }
}

/// `snapshots.snapshot` into a file of the snapshot store.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) instance: InstanceRef,
    pub(crate) dir: Arc<Dir>,
    pub(crate) file: String,
    pub(crate) max_bytes: u64,
}

/// A snapshot whose bytes are on disk.
pub(crate) struct Taken {
    pub(crate) format: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl GuestCall for Snapshot {
    type Output = Taken;
    const NAME: &'static str = "snapshot";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> Outcome<Taken> {
        let Some(guest) = exports.snapshots(store)? else {
            return Ok(Err(GuestFailure::NotOffered("snapshot")));
        };
        let Some(format) = guest.call_formats(&mut *store).await?.into_iter().next() else {
            return Ok(Err(GuestFailure::Broken("the guest names no snapshot format".to_owned())));
        };
        let sink = match Sink::create(&self.dir, &self.file, self.max_bytes) {
            Ok(sink) => store.data_mut().table.push(sink)?,
            Err(error) => return Ok(Err(GuestFailure::Host(chain(&error).to_string()))),
        };
        let lent = Resource::new_borrow(sink.rep());
        let result = guest.call_snapshot(&mut *store, cx, &self.instance, lent).await?;
        if let Err(error) = result {
            return Ok(Err(GuestFailure::Refused(error)));
        }
        let sink = store.data_mut().table.delete(sink)?;
        let finished = tokio::task::spawn_blocking(move || sink.finish()).await;
        match finished {
            Ok(Ok(Finished { size, sha256 })) => Ok(Ok(Taken { format, size, sha256 })),
            Ok(Err(error)) => Ok(Err(GuestFailure::Host(chain(&error).to_string()))),
            Err(error) => Ok(Err(GuestFailure::Host(chain(&error).to_string()))),
        }
    }
}

/// `snapshots.restore` from a file of the snapshot store.
#[derive(Clone)]
pub(crate) struct Restore {
    pub(crate) instance: InstanceRef,
    pub(crate) dir: Arc<Dir>,
    pub(crate) file: String,
    pub(crate) format: String,
}

impl GuestCall for Restore {
    type Output = ();
    const NAME: &'static str = "restore";

    async fn run(self, store: &mut Store<CallState>, exports: &Exports<'_>, cx: Cx) -> Outcome<()> {
        let Some(guest) = exports.snapshots(store)? else {
            return Ok(Err(GuestFailure::NotOffered("snapshot")));
        };
        let source = match Source::open(&self.dir, &self.file) {
            Ok(source) => store.data_mut().table.push(source)?,
            Err(error) => return Ok(Err(GuestFailure::Host(chain(&error).to_string()))),
        };
        let lent = Resource::new_borrow(source.rep());
        let result = guest.call_restore(store, cx, &self.instance, lent, &self.format).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `maintenance.tasks`: what the guest wants to be called for; empty when it wants nothing.
#[derive(Clone)]
pub(crate) struct Tasks;

impl GuestCall for Tasks {
    type Output = Vec<(String, u32)>;
    const NAME: &'static str = "tasks";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        _cx: Cx,
    ) -> Outcome<Self::Output> {
        let Some(guest) = exports.maintenance(store)? else {
            return Ok(Ok(Vec::new()));
        };
        let tasks = guest.call_tasks(store).await?;
        Ok(Ok(tasks.into_iter().map(|task| (task.name, task.every_seconds)).collect()))
    }
}

/// `maintenance.run`.
#[derive(Clone)]
pub(crate) struct Maintain {
    pub(crate) task: String,
}

impl GuestCall for Maintain {
    type Output = ();
    const NAME: &'static str = "maintain";

    async fn run(self, store: &mut Store<CallState>, exports: &Exports<'_>, cx: Cx) -> Outcome<()> {
        let Some(guest) = exports.maintenance(store)? else {
            return Ok(Err(GuestFailure::NotOffered("maintenance")));
        };
        Ok(guest.call_run(store, cx, &self.task).await?.map_err(GuestFailure::Refused))
    }
}
