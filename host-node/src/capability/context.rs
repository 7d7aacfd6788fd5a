//! `tenon:host/context`: who calls, how long it may take. Always linked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use tenon_protocol::OperationId;
use tenon_protocol::clock::Millis;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::guest::bindings::tenon::host::context::{Host, HostCall, add_to_linker as link};
use crate::guest::bindings::tenon::service::types;

/// Longest note of a progress report that is kept.
const MAX_NOTE: usize = 200;

/// The guest's handle to its call. All facts are in [`CallContext`].
#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub struct Call;

/// How far a job is, for whoever watches it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) percent: u8,
    pub(crate) note: String,
}

/// Facts of one call.
#[derive(Clone)]
pub(crate) struct CallContext {
    pub(crate) operation: OperationId,
    /// For the log: what is done, and to what.
    pub(crate) name: &'static str,
    pub(crate) subject: String,
    pub(crate) deadline: Millis,
    pub(crate) traceparent: String,
    pub(crate) settings: Arc<BTreeMap<String, String>>,
    pub(crate) progress: Arc<Mutex<Progress>>,
}

/// What the interface sees of a store.
pub(crate) struct ContextView<'a> {
    pub(crate) context: &'a CallContext,
    pub(crate) table: &'a mut ResourceTable,
}

impl Host for ContextView<'_> {}

/// The vocabulary of services is an interface of types only; a component imports it all the same.
impl types::Host for ContextView<'_> {}

impl HostCall for ContextView<'_> {
    async fn operation_id(&mut self, _call: Resource<Call>) -> wasmtime::Result<String> {
        Ok(self.context.operation.to_string())
    }

    async fn remaining_ms(&mut self, _call: Resource<Call>) -> wasmtime::Result<u64> {
        let left = self.context.deadline.remaining(Millis::now());
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    async fn traceparent(&mut self, _call: Resource<Call>) -> wasmtime::Result<String> {
        Ok(self.context.traceparent.clone())
    }

    async fn progress(
        &mut self,
        _call: Resource<Call>,
        percent: u8,
        note: String,
    ) -> wasmtime::Result<()> {
        let note = note.chars().take(MAX_NOTE).collect();
        if let Ok(mut progress) = self.context.progress.lock() {
            *progress = Progress { percent: percent.min(100), note };
        }
        Ok(())
    }

    async fn setting(
        &mut self,
        _call: Resource<Call>,
        key: String,
    ) -> wasmtime::Result<Option<String>> {
        Ok(self.context.settings.get(&key).cloned())
    }

    async fn drop(&mut self, call: Resource<Call>) -> wasmtime::Result<()> {
        self.table.delete(call)?;
        Ok(())
    }
}

/// Marks the view for the linker.
pub(crate) struct HasContext;

impl HasData for HasContext {
    type Data<'a> = ContextView<'a>;
}

/// Links the interface.
///
/// # Errors
///
/// wasmtime's error when it is linked already.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: for<'a> fn(&'a mut T) -> ContextView<'a>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<T, HasContext>(linker, view)?;
    link::<T, HasContext>(linker, view)
}
