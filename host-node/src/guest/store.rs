//! What a sandbox holds on the host's side: the data of one store.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenon_protocol::Secret;
use wasmtime::component::ResourceTable;

use super::memory::MemoryLimit;
use crate::capability::blob::BlobView;
use crate::capability::context::{CallContext, ContextView};
use crate::capability::files::{FilesContext, FilesView};
use crate::capability::log::{LogContext, LogView};
use crate::capability::mysql::{MysqlContext, MysqlView};
use crate::capability::secrets::SecretsView;
use crate::capability::state::{StateSession, StateView};
use crate::config::Capability;
use crate::ledger::Ledger;

/// Most handles to host objects that one call may hold.
const MAX_HANDLES: usize = 1024;

/// What the operator granted one offering; built once, shared by all its calls.
pub(crate) struct Grants {
    /// Name of the plugin.
    pub(crate) plugin: String,
    /// Interfaces beyond context and log.
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) settings: Arc<BTreeMap<String, String>>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) mysql: Option<MysqlContext>,
    pub(crate) files: Option<FilesContext>,
    pub(crate) ledger: Ledger,
}

/// Data of one store, for one call.
pub(crate) struct CallState {
    pub(crate) table: ResourceTable,
    pub(super) memory: MemoryLimit,
    pub(crate) call: CallContext,
    pub(crate) log: LogContext,
    pub(crate) state: StateSession,
    grants: Arc<Grants>,
    access: Access,
}

/// Whether capabilities answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// As granted.
    Granted,
    /// Each says "not granted": the guest is only asked to describe itself.
    Denied,
}

impl CallState {
    pub(super) fn new(
        grants: &Arc<Grants>,
        call: CallContext,
        access: Access,
        memory_bytes: usize,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            table,
            memory: MemoryLimit::new(memory_bytes),
            log: LogContext::new(&grants.plugin, &call),
            state: StateSession::new(&grants.ledger, &grants.plugin, access == Access::Granted),
            call,
            grants: Arc::clone(grants),
            access,
        }
    }

    /// The view of the `context` interface.
    pub(super) fn context(&mut self) -> ContextView<'_> {
        ContextView { context: &self.call, table: &mut self.table }
    }

    /// The view of the `log` interface.
    pub(super) fn log(&mut self) -> LogView<'_> {
        LogView(&mut self.log)
    }

    /// The view of the `blob` interface: sinks and sources are in the table.
    pub(super) fn blob(&mut self) -> BlobView<'_> {
        BlobView { table: &mut self.table }
    }

    /// The view of the `state` capability.
    pub(super) fn state(&mut self) -> StateView<'_> {
        StateView(&mut self.state)
    }

    /// The view of the `mysql` capability.
    pub(super) fn mysql(&mut self) -> MysqlView<'_> {
        let context = self.grants.mysql.as_ref().filter(|_| self.access == Access::Granted);
        MysqlView { context, table: &mut self.table }
    }

    /// The view of the `files` capability.
    pub(super) fn files(&mut self) -> FilesView<'_> {
        let context = self.grants.files.as_ref().filter(|_| self.access == Access::Granted);
        FilesView { context, table: &mut self.table }
    }

    /// The view of the `secrets` capability.
    pub(super) fn secrets(&mut self) -> SecretsView<'_> {
        let secrets = Some(&self.grants.secrets).filter(|_| self.access == Access::Granted);
        SecretsView { secrets }
    }
}
