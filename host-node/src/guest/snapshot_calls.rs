//! The calls of `snapshots`, whose bytes come from files of the host and go into them.

use std::sync::Arc;

use cap_std::fs::Dir;
use tenon_protocol::chain;
use wasmtime::Store;
use wasmtime::component::Resource;

use super::calls::{Cx, GuestCall, Outcome};
use super::failure::GuestFailure;
use super::generation::Exports;
use super::store::CallState;
use super::wit::InstanceRef;
use crate::capability::blob::{Finished, Sink, Source};

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

/// `snapshots.restore` from a file of the snapshot store. What it replaces is replaced once for the
/// operation, however often the call is made.
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
        let operation = store.data().call.operation.clone();
        let source = match Source::open(&self.dir, &self.file) {
            Ok(source) => store.data_mut().table.push(source.of_operation(operation))?,
            Err(error) => return Ok(Err(GuestFailure::Host(chain(&error).to_string()))),
        };
        let lent = Resource::new_borrow(source.rep());
        let result = guest.call_restore(store, cx, &self.instance, lent, &self.format).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}
