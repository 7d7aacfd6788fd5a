//! Instances that are over their quota, or were until a moment ago. The others have no entry.

use serde::{Deserialize, Serialize};
use tenon_protocol::clock::Millis;
use tenon_protocol::{InstanceId, ServiceName};

use super::LedgerError;
use super::book::{Book, View, end_of, get, instance_key, put, range};

/// What an instance over its quota may still do.
///
/// ```text
/// (no entry) ──at the limit──▶ Blocking ──enforced──▶ Blocked
///     ▲                          ▲  │                    │
///     │               at the limit  well below it        │
///     │                          │  ▼                    │
///     └────────enforced───────── Allowing ◀──well below it┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QuotaPhase {
    /// The guest is called to block writes, until it succeeds.
    Blocking,
    /// Writes are blocked.
    Blocked,
    /// The guest is called to allow writes, until it succeeds.
    Allowing,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuotaEntry {
    pub(crate) id: InstanceId,
    pub(crate) phase: QuotaPhase,
    /// When the phase was set, and what was measured then.
    pub(crate) changed: Millis,
    pub(crate) bytes_used: u64,
    pub(crate) bytes_limit: u64,
}

impl Book<'_> {
    /// Writes an entry.
    pub(crate) fn put_quota(
        &mut self,
        service: &ServiceName,
        entry: &QuotaEntry,
    ) -> Result<(), LedgerError> {
        put(&mut self.quotas, &instance_key(service, &entry.id), entry)
    }

    /// What was to be is: `phase` is what follows on the entry's.
    pub(crate) fn settle_quota(
        &mut self,
        service: &ServiceName,
        id: &InstanceId,
        phase: QuotaPhase,
    ) -> Result<(), LedgerError> {
        let key = instance_key(service, id);
        match get::<QuotaEntry>(&self.quotas, &key)? {
            Some(entry) => put(&mut self.quotas, &key, &QuotaEntry { phase, ..entry }),
            None => Ok(()),
        }
    }

    /// The instance is within its quota, or gone.
    pub(crate) fn forget_quota(
        &mut self,
        service: &ServiceName,
        id: &InstanceId,
    ) -> Result<(), LedgerError> {
        self.quotas.remove(instance_key(service, id).as_str())?;
        Ok(())
    }
}

impl View {
    /// The entry of an instance.
    pub(crate) fn quota(
        &self,
        service: &ServiceName,
        id: &InstanceId,
    ) -> Result<Option<QuotaEntry>, LedgerError> {
        get(&self.quotas, &instance_key(service, id))
    }

    /// All entries.
    pub(crate) fn quotas(&self, service: &ServiceName) -> Result<Vec<QuotaEntry>, LedgerError> {
        let prefix = format!("{service}/");
        range(&self.quotas, &prefix, &end_of(&prefix), usize::MAX)
    }
}
