//! Tables of the ledger: what a transaction can read and write.

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenon_protocol::{BindingId, InstanceId, ServiceName};

use super::{BindingEntry, InstanceEntry, LedgerError, QuarantineEntry};

/// `S/<instance>` to a JSON [`InstanceEntry`].
const INSTANCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("instances");
/// `S/<instance>/<binding>` to a JSON [`BindingEntry`].
const BINDINGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("bindings");
/// `S/<instance>` to a JSON [`QuarantineEntry`].
const QUARANTINE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("quarantine");
/// `<plugin>/<key>` to revision and value.
const STATE: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("state");
/// `S/<instance>` to a JSON [`super::QuotaEntry`].
const QUOTAS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("quotas");
/// `S/<instance>` to a JSON [`super::JobEntry`].
const JOBS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("jobs");
/// The node's own facts: epoch, key, digests of compiled components.
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");

/// The counter from which every revision of every guest's state is taken.
const REVISION: &str = "state-revision";

/// A staged change of a guest's state; `value` `None` deletes.
#[derive(Debug, Clone)]
pub(crate) struct StateWrite {
    pub(crate) key: String,
    pub(crate) value: Option<Vec<u8>>,
    /// The revision that must be there at commit; 0 is "no entry", `None` is "whatever".
    pub(crate) expect: Option<u64>,
}

/// What one call staged for its plugin.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateWrites {
    pub(crate) plugin: String,
    pub(crate) writes: Vec<StateWrite>,
}

pub(super) fn create_tables(database: &Database) -> Result<(), LedgerError> {
    let transaction = database.begin_write()?;
    drop(Book::new(&transaction)?);
    transaction.commit()?;
    Ok(())
}

/// A write transaction's view.
pub(crate) struct Book<'t> {
    instances: Table<'t, &'static str, &'static [u8]>,
    bindings: Table<'t, &'static str, &'static [u8]>,
    quarantine: Table<'t, &'static str, &'static [u8]>,
    state: Table<'t, &'static str, (u64, &'static [u8])>,
    facts: Table<'t, &'static str, &'static [u8]>,
    pub(super) quotas: Table<'t, &'static str, &'static [u8]>,
    pub(super) jobs: Table<'t, &'static str, &'static [u8]>,
}

impl<'t> Book<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction) -> Result<Self, LedgerError> {
        Ok(Self {
            instances: transaction.open_table(INSTANCES)?,
            bindings: transaction.open_table(BINDINGS)?,
            quarantine: transaction.open_table(QUARANTINE)?,
            state: transaction.open_table(STATE)?,
            facts: transaction.open_table(FACTS)?,
            quotas: transaction.open_table(QUOTAS)?,
            jobs: transaction.open_table(JOBS)?,
        })
    }

    /// The entry of an instance.
    pub(crate) fn instance(
        &self,
        service: &ServiceName,
        id: &InstanceId,
    ) -> Result<Option<InstanceEntry>, LedgerError> {
        get(&self.instances, &instance_key(service, id))
    }

    /// Writes the entry of an instance.
    pub(crate) fn put_instance(
        &mut self,
        service: &ServiceName,
        entry: &InstanceEntry,
    ) -> Result<(), LedgerError> {
        put(&mut self.instances, &instance_key(service, &entry.id), entry)
    }

    /// Forgets an instance, its fence and its last job included.
    pub(crate) fn forget_instance(
        &mut self,
        service: &ServiceName,
        id: &InstanceId,
    ) -> Result<(), LedgerError> {
        self.instances.remove(instance_key(service, id).as_str())?;
        self.forget_job(service, id)
    }

    /// Writes the entry of a binding.
    pub(crate) fn put_binding(
        &mut self,
        service: &ServiceName,
        entry: &BindingEntry,
    ) -> Result<(), LedgerError> {
        put(&mut self.bindings, &binding_key(service, &entry.instance, &entry.id), entry)
    }

    /// Forgets all bindings of an instance: without it they cannot come back.
    pub(crate) fn forget_bindings(
        &mut self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> Result<(), LedgerError> {
        let prefix = format!("{service}/{instance}/");
        self.bindings.retain_in(prefix.as_str()..end_of(&prefix).as_str(), |_, _| false)?;
        Ok(())
    }

    /// Puts an instance into quarantine.
    pub(crate) fn put_quarantine(
        &mut self,
        service: &ServiceName,
        entry: &QuarantineEntry,
    ) -> Result<(), LedgerError> {
        put(&mut self.quarantine, &instance_key(service, &entry.instance), entry)
    }

    /// Lets an instance out of quarantine, if it is there.
    pub(crate) fn end_quarantine(
        &mut self,
        service: &ServiceName,
        id: &InstanceId,
    ) -> Result<(), LedgerError> {
        self.quarantine.remove(instance_key(service, id).as_str())?;
        Ok(())
    }

    /// Applies what a call staged; `false`, with nothing applied, when a revision does not match.
    pub(crate) fn apply_state(&mut self, staged: &StateWrites) -> Result<bool, LedgerError> {
        for write in &staged.writes {
            let key = state_key(&staged.plugin, &write.key);
            let found = self.state.get(key.as_str())?.map_or(0, |entry| entry.value().0);
            if write.expect.is_some_and(|expect| expect != found) {
                return Ok(false);
            }
        }
        let mut bytes = self.number(&bytes_key(&staged.plugin))?;
        for write in &staged.writes {
            let key = state_key(&staged.plugin, &write.key);
            bytes = bytes.saturating_sub(self.remove_state(&key)?);
            if let Some(value) = &write.value {
                let revision = self.number(REVISION)?.saturating_add(1);
                self.put_fact(REVISION, &revision.to_be_bytes())?;
                self.state.insert(key.as_str(), (revision, value.as_slice()))?;
                bytes += (key.len() + value.len()) as u64;
            }
        }
        self.put_fact(&bytes_key(&staged.plugin), &bytes.to_be_bytes())?;
        Ok(true)
    }

    /// Writes one of the node's own facts.
    pub(crate) fn put_fact(&mut self, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        self.facts.insert(key, value)?;
        Ok(())
    }

    /// One of the node's own facts.
    pub(crate) fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.facts.get(key)?.map(|value| value.value().to_vec()))
    }

    /// Removes an entry of state; the bytes that it took.
    fn remove_state(&mut self, key: &str) -> Result<u64, LedgerError> {
        let old = self.state.remove(key)?;
        Ok(old.map_or(0, |old| (key.len() + old.value().1.len()) as u64))
    }

    fn number(&self, key: &str) -> Result<u64, LedgerError> {
        Ok(self.facts.get(key)?.map_or(0, |value| to_number(value.value())))
    }
}

/// A read transaction's view.
pub(crate) struct View {
    instances: ReadOnlyTable<&'static str, &'static [u8]>,
    bindings: ReadOnlyTable<&'static str, &'static [u8]>,
    quarantine: ReadOnlyTable<&'static str, &'static [u8]>,
    state: ReadOnlyTable<&'static str, (u64, &'static [u8])>,
    facts: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(super) quotas: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(super) jobs: ReadOnlyTable<&'static str, &'static [u8]>,
}

impl View {
    pub(super) fn new(transaction: &ReadTransaction) -> Result<Self, LedgerError> {
        Ok(Self {
            instances: transaction.open_table(INSTANCES)?,
            bindings: transaction.open_table(BINDINGS)?,
            quarantine: transaction.open_table(QUARANTINE)?,
            state: transaction.open_table(STATE)?,
            facts: transaction.open_table(FACTS)?,
            quotas: transaction.open_table(QUOTAS)?,
            jobs: transaction.open_table(JOBS)?,
        })
    }

    /// The entry of an instance.
    pub(crate) fn instance(
        &self,
        service: &ServiceName,
        id: &InstanceId,
    ) -> Result<Option<InstanceEntry>, LedgerError> {
        get(&self.instances, &instance_key(service, id))
    }

    /// At most `limit` instances after `after`, in the order of their ids.
    pub(crate) fn instances(
        &self,
        service: &ServiceName,
        after: Option<&InstanceId>,
        limit: usize,
    ) -> Result<Vec<InstanceEntry>, LedgerError> {
        let prefix = format!("{service}/");
        let start = after.map_or_else(|| prefix.clone(), |id| format!("{prefix}{id}\0"));
        range(&self.instances, &start, &end_of(&prefix), limit)
    }

    /// The entry of a binding.
    pub(crate) fn binding(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        id: &BindingId,
    ) -> Result<Option<BindingEntry>, LedgerError> {
        get(&self.bindings, &binding_key(service, instance, id))
    }

    /// All bindings of an instance.
    pub(crate) fn bindings(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> Result<Vec<BindingEntry>, LedgerError> {
        let prefix = format!("{service}/{instance}/");
        range(&self.bindings, &prefix, &end_of(&prefix), usize::MAX)
    }

    /// All that is in quarantine.
    pub(crate) fn quarantine(
        &self,
        service: &ServiceName,
    ) -> Result<Vec<QuarantineEntry>, LedgerError> {
        let prefix = format!("{service}/");
        range(&self.quarantine, &prefix, &end_of(&prefix), usize::MAX)
    }

    /// One entry of a guest's state: revision and value.
    pub(crate) fn state(
        &self,
        plugin: &str,
        key: &str,
    ) -> Result<Option<(u64, Vec<u8>)>, LedgerError> {
        let entry = self.state.get(state_key(plugin, key).as_str())?;
        Ok(entry.map(|entry| (entry.value().0, entry.value().1.to_vec())))
    }

    /// Keys of a guest's state that start with `prefix`, after `after`, in order.
    pub(crate) fn state_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let first = state_key(plugin, prefix);
        let start =
            after.map_or_else(|| first.clone(), |key| format!("{}\0", state_key(plugin, key)));
        let start = start.max(first.clone());
        let skip = plugin.len() + 1;
        let mut keys = Vec::new();
        for entry in self.state.range(start.as_str()..end_of(&first).as_str())?.take(limit) {
            keys.extend(entry?.0.value().get(skip..).map(str::to_owned));
        }
        Ok(keys)
    }

    /// Bytes of a guest's state, keys and values.
    pub(crate) fn state_bytes(&self, plugin: &str) -> Result<u64, LedgerError> {
        let bytes = self.facts.get(bytes_key(plugin).as_str())?;
        Ok(bytes.map_or(0, |value| to_number(value.value())))
    }

    /// One of the node's own facts.
    pub(crate) fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.facts.get(key)?.map(|value| value.value().to_vec()))
    }
}

pub(super) fn instance_key(service: &ServiceName, id: &InstanceId) -> String {
    format!("{service}/{id}")
}

fn binding_key(service: &ServiceName, instance: &InstanceId, id: &BindingId) -> String {
    format!("{service}/{instance}/{id}")
}

fn state_key(plugin: &str, key: &str) -> String {
    format!("{plugin}/{key}")
}

fn bytes_key(plugin: &str) -> String {
    format!("state-bytes/{plugin}")
}

fn to_number(bytes: &[u8]) -> u64 {
    <[u8; 8]>::try_from(bytes).map_or(0, u64::from_be_bytes)
}

/// The first key after all that start with `prefix`: no key holds U+10FFFF.
pub(super) fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

pub(super) fn get<E: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<E>, LedgerError> {
    let Some(value) = table.get(key)? else { return Ok(None) };
    serde_json::from_slice(value.value()).map(Some).map_err(LedgerError::Entry)
}

pub(super) fn put<E: Serialize>(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    key: &str,
    entry: &E,
) -> Result<(), LedgerError> {
    let value = serde_json::to_vec(entry).map_err(LedgerError::Entry)?;
    table.insert(key, value.as_slice())?;
    Ok(())
}

pub(super) fn range<E: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    start: &str,
    end: &str,
    limit: usize,
) -> Result<Vec<E>, LedgerError> {
    let mut entries = Vec::new();
    for entry in table.range(start..end)?.take(limit) {
        let (_, value) = entry?;
        entries.push(serde_json::from_slice(value.value()).map_err(LedgerError::Entry)?);
    }
    Ok(entries)
}
