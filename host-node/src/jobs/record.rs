//! Job and snapshot records in the bucket that gateways and nodes share.

use async_nats::jetstream::{self, kv};
use serde::de::DeserializeOwned;
use tenon_protocol::record::{JobRecord, SnapshotRecord, key};
use tenon_protocol::{JobId, NodeId, ServiceName, SnapshotId};

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
        Ok(Self(bucket.map_err(|error| JobError::Bucket(error.to_string()))?))
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
        let record = &held.record;
        let key = key::job(&record.service, &record.node, &record.id);
        let value = serde_json::to_vec(record)?;
        let updated = self.0.update(key, value.into(), held.revision).await;
        held.revision = updated.map_err(|error| match error.kind() {
            kv::UpdateErrorKind::WrongLastRevision => JobError::Lost,
            kv::UpdateErrorKind::InvalidKey
            | kv::UpdateErrorKind::TimedOut
            | kv::UpdateErrorKind::Other => JobError::Bucket(error.to_string()),
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
        put.map_err(|error| JobError::Bucket(error.to_string()))?;
        Ok(())
    }

    pub(super) async fn delete_snapshot(
        &self,
        job: &JobRecord,
        id: &SnapshotId,
    ) -> Result<(), JobError> {
        let key = key::snapshot(&job.service, &job.node, &job.instance, id);
        self.0.delete(key).await.map_err(|error| JobError::Bucket(error.to_string()))
    }

    async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, u64)>, JobError> {
        let found = self.0.entry(key).await;
        let found = found.map_err(|error| JobError::Bucket(error.to_string()))?;
        let put = found.filter(|entry| entry.operation == kv::Operation::Put);
        let Some(entry) = put else { return Ok(None) };
        Ok(Some((serde_json::from_slice(&entry.value)?, entry.revision)))
    }
}
