//! What the last job of an instance did and would show if it were done again. The others have no
//! entry: their work has the same end however often it is done.
//!
//! One entry for an instance is enough, as the queue holds one job of it.

use serde::{Deserialize, Serialize};
use tenon_protocol::record::SnapshotRecord;
use tenon_protocol::{InstanceId, JobId, ServiceName};

use super::LedgerError;
use super::book::{Book, View, get, instance_key, put};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    /// The data of the instance was replaced. What was written since is the tenant's.
    RolledBack,
    /// The data of a snapshot is in the store, with the record that is to be written of it.
    Kept(Box<SnapshotRecord>),
}

/// The job that did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobEntry {
    pub(crate) instance: InstanceId,
    pub(crate) job: JobId,
    pub(crate) deed: Deed,
}

impl Book<'_> {
    /// Writes an entry, in the place of the instance's last one.
    pub(crate) fn put_job(
        &mut self,
        service: &ServiceName,
        entry: &JobEntry,
    ) -> Result<(), LedgerError> {
        put(&mut self.jobs, &instance_key(service, &entry.instance), entry)
    }

    /// The instance is forgotten.
    pub(super) fn forget_job(
        &mut self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> Result<(), LedgerError> {
        self.jobs.remove(instance_key(service, instance).as_str())?;
        Ok(())
    }
}

impl View {
    /// What `job` did to `instance`; `None` when it is to be done, or was another one.
    pub(crate) fn deed(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        job: &JobId,
    ) -> Result<Option<Deed>, LedgerError> {
        let last = get::<JobEntry>(&self.jobs, &instance_key(service, instance))?;
        Ok(last.filter(|last| last.job == *job).map(|last| last.deed))
    }
}
