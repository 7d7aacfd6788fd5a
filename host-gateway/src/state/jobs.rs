//! Jobs: records that gateways and nodes share, and the work queue beside them.
//!
//! The record is the truth, the queue only points to it: the record is written first, and a
//! reconciler queues again what a crash left without a pointer.

use std::time::Duration;

use async_nats::jetstream::context::Context;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tenon_protocol::chain;
use tenon_protocol::record::{JobRecord, key};
use tenon_protocol::{InstanceId, JobId, NodeId, ServiceName, SnapshotId, subject};

use super::StateError;
use super::bucket::{Bucket, Entry, Keep, Put, TIMEOUT, refused, server_code};

/// `JetStream`'s code for "the subject has its one message".
const SUBJECT_FULL: u64 = 10_077;
/// Nodes on which a job of one id is looked for; more are not seen.
const MAX_HOMES: usize = 16;
/// The key whose revisions number snapshots.
const SNAPSHOT_NUMBERS: &str = "seq.snapshot";

/// Where a job is after it was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    /// Its node will take it.
    Waiting,
    /// Another job of the instance waits or runs.
    Busy,
}

/// What became of the record of a new job.
#[derive(Debug)]
pub(crate) enum Created {
    /// It is written.
    New(StoredJob),
    /// The same request was made before.
    Before(JobRecord),
}

/// A job as it was read.
#[derive(Debug, Clone)]
pub(crate) struct StoredJob {
    pub(crate) record: JobRecord,
    revision: u64,
}

/// Jobs and snapshots.
#[derive(Clone)]
pub(crate) struct Jobs {
    pub(super) bucket: Bucket,
    queue: Stream<()>,
    context: Context,
    pub(super) keep: Duration,
}

/// What is queued.
#[derive(Serialize, Deserialize)]
struct Pointer {
    job: JobId,
}

impl Jobs {
    /// The store over `bucket` and `queue`. Finished jobs are kept for `keep`.
    pub(super) fn new(bucket: Bucket, queue: Stream<()>, context: Context, keep: Duration) -> Self {
        Self { bucket, queue, context, keep }
    }

    /// The bucket, for whoever walks through all records.
    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// A number that no other snapshot has, higher than all before it.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store does not give one.
    pub(crate) async fn new_snapshot_id(&self) -> Result<SnapshotId, StateError> {
        Ok(SnapshotId::from(self.bucket.draw_number(SNAPSHOT_NUMBERS).await?))
    }

    /// Writes the record of a new job, unless there is one of its id.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn create(&self, record: JobRecord) -> Result<Created, StateError> {
        let key = key_of(&record);
        match self.bucket.create(&key, encode(&record)?, Keep::Forever).await? {
            Put::Written(revision) => Ok(Created::New(StoredJob { record, revision })),
            Put::Lost => match self.bucket.get(&key).await? {
                Some(entry) => Ok(Created::Before(decode_job(&entry)?.record)),
                None => Err(StateError::Refused(format!("job {key} was here a moment ago"))),
            },
        }
    }

    /// Takes back the record of a job that was not queued.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to be gone.
    pub(crate) async fn withdraw(&self, job: &StoredJob) -> Result<Put, StateError> {
        self.bucket.remove(&key_of(&job.record), job.revision).await
    }

    /// Replaces the record of a job by `record`, unless somebody else did.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn replace(
        &self,
        old: &StoredJob,
        record: &JobRecord,
    ) -> Result<Put, StateError> {
        let keep = if record.status.is_final() { Keep::For(self.keep) } else { Keep::Forever };
        self.bucket.put(&key_of(record), encode(record)?, old.revision, keep).await
    }

    /// Points the job's node to it.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been queued.
    pub(crate) async fn enqueue(&self, record: &JobRecord) -> Result<Queued, StateError> {
        let subject = subject::job(&record.service, &record.node, &record.instance);
        let pointer = Pointer { job: record.id.clone() };
        let pointer = serde_json::to_vec(&pointer)
            .map_err(|source| StateError::Damaged { key: subject.clone(), source })?;
        let message =
            PublishMessage::build().payload(pointer.into()).message_id(record.id.as_str());
        let sent = async { self.context.send_publish(subject, message).await?.await };
        match tokio::time::timeout(TIMEOUT, sent).await {
            Ok(Ok(_ack)) => Ok(Queued::Waiting),
            Ok(Err(error)) if server_code(&error) == Some(SUBJECT_FULL) => Ok(Queued::Busy),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_elapsed) => Err(StateError::TimedOut),
        }
    }

    /// Which job the queue points to for an instance on `node`; `None` when none.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn queued(
        &self,
        service: &ServiceName,
        node: &NodeId,
        instance: &InstanceId,
    ) -> Result<Option<JobId>, StateError> {
        let subject = subject::job(service, node, instance);
        let read = self.queue.direct_get_last_for_subject(&subject);
        match tokio::time::timeout(TIMEOUT, read).await {
            Ok(Ok(message)) => {
                let pointer: Pointer = serde_json::from_slice(&message.payload)
                    .map_err(|source| StateError::Damaged { key: subject, source })?;
                Ok(Some(pointer.job))
            }
            Ok(Err(error)) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Ok(Err(error)) => Err(StateError::Refused(chain(&error).to_string())),
            Err(_elapsed) => Err(StateError::TimedOut),
        }
    }

    /// The job `id` of an offering, on whichever node it is; `None` when there is none. Should
    /// there be one on several nodes, it is the one that changed last.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn find(
        &self,
        service: &ServiceName,
        id: &JobId,
    ) -> Result<Option<JobRecord>, StateError> {
        let page = self.bucket.page(&format!("job.{service}.*.{id}"), 1, MAX_HOMES).await?;
        page.entries.last().map(decode).transpose()
    }
}

/// Reads the job in `entry`.
///
/// # Errors
///
/// [`StateError`] when it has another form.
pub(crate) fn decode_job(entry: &Entry) -> Result<StoredJob, StateError> {
    Ok(StoredJob { record: decode(entry)?, revision: entry.revision })
}

fn key_of(record: &JobRecord) -> String {
    key::job(&record.service, &record.node, &record.id)
}

fn encode(record: &JobRecord) -> Result<Bytes, StateError> {
    let value = serde_json::to_vec(record)
        .map_err(|source| StateError::Damaged { key: key_of(record), source })?;
    Ok(value.into())
}

pub(super) fn decode<T: DeserializeOwned>(entry: &Entry) -> Result<T, StateError> {
    serde_json::from_slice(&entry.value)
        .map_err(|source| StateError::Damaged { key: entry.key.clone(), source })
}
