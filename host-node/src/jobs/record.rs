//! Job and snapshot records in the bucket that gateways and nodes share.

use std::time::Duration;

use async_nats::jetstream::{self, kv};
use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenon_protocol::chain;
use tenon_protocol::record::{JobRecord, Package, SnapshotRecord, key};
use tenon_protocol::{JobId, NodeId, ServiceName, SnapshotId};

/// Times that a record is read anew because a gateway changed it.
const ROUNDS: usize = 8;
/// Longer than anybody goes on with what was read.
const MARKER_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The bucket is not there, or does not answer.
    #[error("the bucket of jobs does not answer: {0}")]
    Bucket(String),
    /// Somebody else changed the record: this worker lost the job.
    #[error("somebody else works on the job")]
    Lost,
    /// What is stored is no record.
    #[error("a record cannot be understood")]
    Form(#[from] serde_json::Error),
    /// The work could not be done now.
    #[error("the service is away for now")]
    Passing,
}

/// A job's record, and the revision that this worker holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) record: JobRecord,
    pub(super) revision: u64,
}

/// The bucket.
#[derive(Clone)]
pub(super) struct Records(kv::Store);

impl Records {
    pub(super) async fn open(jetstream: &jetstream::Context) -> Result<Self, JobError> {
        let bucket = jetstream.get_key_value(key::JOBS_BUCKET).await;
        Ok(Self(bucket.map_err(|error| JobError::Bucket(chain(&error).to_string()))?))
    }

    pub(super) async fn job(
        &self,
        service: &ServiceName,
        node: &NodeId,
        id: &JobId,
    ) -> Result<Option<Held>, JobError> {
        let found = self.get::<JobRecord>(&key::job(service, node, id)).await?;
        Ok(found.map(|(record, revision)| Held { record, revision }))
    }

    /// Replaces the record that this worker holds.
    pub(super) async fn update(&self, held: &mut Held) -> Result<(), JobError> {
        match self.replace(held).await {
            // Perhaps it was this worker: an answer may be lost, and what was asked for be done.
            Err(JobError::Lost) => {
                self.find_own(held).await?;
                self.replace(held).await
            }
            replaced => replaced,
        }
    }

    /// Looks for the job's record as this worker wrote it last.
    async fn find_own(&self, held: &mut Held) -> Result<(), JobError> {
        let record = &held.record;
        let found = self.job(&record.service, &record.node, &record.id).await?;
        let own = found.filter(|found| is_own(&found.record, record));
        held.revision = own.ok_or(JobError::Lost)?.revision;
        Ok(())
    }

    async fn replace(&self, held: &mut Held) -> Result<(), JobError> {
        let record = &held.record;
        let key = key::job(&record.service, &record.node, &record.id);
        let value = serde_json::to_vec(record)?;
        let updated = self.0.update(key, value.into(), held.revision).await;
        held.revision = updated.map_err(|error| match error.kind() {
            kv::UpdateErrorKind::WrongLastRevision => JobError::Lost,
            kv::UpdateErrorKind::InvalidKey
            | kv::UpdateErrorKind::TimedOut
            | kv::UpdateErrorKind::Other => JobError::Bucket(chain(&error).to_string()),
        })?;
        Ok(())
    }

    pub(super) async fn snapshot(
        &self,
        job: &JobRecord,
        id: &SnapshotId,
    ) -> Result<Option<SnapshotRecord>, JobError> {
        let key = key::snapshot(&job.service, &job.node, &job.instance, id);
        Ok(self.get(&key).await?.map(|(record, _)| record))
    }

    pub(super) async fn put_snapshot(&self, record: &SnapshotRecord) -> Result<(), JobError> {
        let key = key::snapshot(&record.service, &record.node, &record.instance, &record.id);
        let put = self.0.put(key, serde_json::to_vec(record)?.into()).await;
        put.map_err(|error| JobError::Bucket(chain(&error).to_string()))?;
        Ok(())
    }

    /// Writes down that a snapshot can be downloaded. What else a gateway changes meanwhile stays.
    pub(super) async fn put_package(
        &self,
        job: &JobRecord,
        id: &SnapshotId,
        package: &Package,
    ) -> Result<(), JobError> {
        let key = key::snapshot(&job.service, &job.node, &job.instance, id);
        for _round in 0..ROUNDS {
            let Some((mut record, revision)) = self.get::<SnapshotRecord>(&key).await? else {
                return Err(JobError::Lost);
            };
            record.package = Some(package.clone());
            let updated = self.0.update(&key, serde_json::to_vec(&record)?.into(), revision).await;
            match updated {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => {}
                Err(error) => return Err(JobError::Bucket(chain(&error).to_string())),
            }
        }
        Err(JobError::Bucket(format!("{key} keeps changing")))
    }

    pub(super) async fn delete_snapshot(
        &self,
        job: &JobRecord,
        id: &SnapshotId,
    ) -> Result<(), JobError> {
        let key = key::snapshot(&job.service, &job.node, &job.instance, id);
        self.purge(&key).await
    }

    /// Removes all snapshots of the job's instance that this node looks after.
    pub(super) async fn delete_snapshots(&self, job: &JobRecord) -> Result<(), JobError> {
        let own = format!("snap.{}.{}.", job.service, job.node);
        for key in self.keys(&key::snapshots_of(&job.service, &job.instance)).await? {
            if key.starts_with(&own) {
                self.purge(&key).await?;
            }
        }
        Ok(())
    }

    /// How many snapshots the job's instance has.
    pub(super) async fn count_snapshots(&self, job: &JobRecord) -> Result<usize, JobError> {
        self.count(&key::snapshots_of(&job.service, &job.instance)).await
    }

    /// How many records there are under keys like `pattern`.
    async fn count(&self, pattern: &str) -> Result<usize, JobError> {
        let mut count = 0;
        for key in self.keys(pattern).await? {
            // What was removed leaves a marker for a while.
            count += usize::from(self.get::<Value>(&key).await?.is_some());
        }
        Ok(count)
    }

    /// Whether there is a record of the instance's snapshot `id`, whichever node looks after it.
    pub(super) async fn is_listed(
        &self,
        job: &JobRecord,
        id: &SnapshotId,
    ) -> Result<bool, JobError> {
        let anywhere = key::snapshot_anywhere(&job.service, &job.instance, id);
        Ok(self.count(&anywhere).await? > 0)
    }

    /// Keys like `pattern` that are there, or were a while ago.
    async fn keys(&self, pattern: &str) -> Result<Vec<String>, JobError> {
        let prefix = format!("$KV.{}.", key::JOBS_BUCKET);
        let filter = format!("{prefix}{pattern}");
        let bucket =
            |error: &(dyn std::error::Error + 'static)| JobError::Bucket(chain(error).to_string());
        let subjects = self.0.stream.info_with_subjects(filter).await;
        let subjects = subjects.map_err(|error| bucket(&error))?;
        let subjects: Vec<(String, usize)> =
            subjects.try_collect().await.map_err(|error| bucket(&error))?;
        let keys = subjects
            .into_iter()
            .filter_map(|(subject, _count)| subject.strip_prefix(&prefix).map(str::to_owned));
        Ok(keys.collect())
    }

    /// What says that it was there goes by itself.
    async fn purge(&self, key: &str) -> Result<(), JobError> {
        let purged = self.0.purge_with_ttl(key, MARKER_LIFE).await;
        purged.map_err(|error| JobError::Bucket(chain(&error).to_string()))
    }

    async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, u64)>, JobError> {
        let found = self.0.entry(key).await;
        let found = found.map_err(|error| JobError::Bucket(chain(&error).to_string()))?;
        let put = found.filter(|entry| entry.operation == kv::Operation::Put);
        let Some(entry) = put else { return Ok(None) };
        Ok(Some((serde_json::from_slice(&entry.value)?, entry.revision)))
    }
}

/// Whether `found` was written by the worker of `held`: nobody else begins the same attempt, and
/// who ends the job from outside ends it for good.
fn is_own(found: &JobRecord, held: &JobRecord) -> bool {
    found.attempts == held.attempts && !found.status.is_final()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenon_protocol::clock::Millis;
    use tenon_protocol::job::JobStatus;
    use tenon_protocol::record::JobKind;
    use tenon_protocol::{Generation, InstanceId};

    fn record(attempts: u32, status: JobStatus) -> JobRecord {
        JobRecord {
            v: 1,
            id: JobId::derived(&["j"]),
            service: ServiceName::new("S").unwrap(),
            node: NodeId::new("n1").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            generation: Generation::FIRST,
            request: None,
            kind: JobKind::ForgetSnapshots,
            status,
            attempts,
            progress: 0,
            created: Millis::default(),
            completed: None,
            result: None,
        }
    }

    #[test]
    fn a_job_is_lost_to_another_attempt_and_to_its_end() {
        use JobStatus::{Completed, Failed, Killed, Queued, Working};
        let held = record(2, Working);
        assert!(is_own(&record(2, Working), &held));
        for (attempts, status) in
            [(3, Working), (1, Working), (0, Queued), (2, Failed), (2, Completed), (2, Killed)]
        {
            assert!(!is_own(&record(attempts, status), &held), "{attempts} {status:?}");
        }
    }
}
