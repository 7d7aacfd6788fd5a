//! Orders a job: it is written down first, and its instance's node is pointed to it after that.

use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::job::JobStatus;
use tenon_protocol::record::{InstanceRecord, JobKind, JobRecord, RECORD_VERSION, SnapshotRecord};
use tenon_protocol::{JobId, Secret, SnapshotId};

use super::{OperationError, Operations, shown};
use crate::config::{Extension, OfferingConfig};
use crate::sender::Sender;
use crate::state::{Created, Homed, Queued};

/// A node ends a job in its record first, and takes it from the queue after that.
const MOMENT: Duration = Duration::from_millis(50);
const MOMENTS: u32 = 20;

/// Writes down a job of `kind` about `instance`, and points its node to it. The same request as one
/// before gets that one's job, also after the instance moved.
pub(super) async fn order_job(
    ops: &Operations,
    instance: &InstanceRecord,
    kind: JobKind,
    request_id: Option<&str>,
) -> Result<JobRecord, OperationError> {
    if ops.nodes.takes_snapshots(&instance.service, &instance.life.node) == Some(false) {
        return Err(OperationError::NoExtension(Extension::Snapshot));
    }
    let id = request_id.map(|request| job_id(instance, request, &kind));
    // On whichever node its instance was then: the record's key names that one.
    if let Some(id) = &id
        && let Some(before) = ops.jobs.find(&instance.service, id).await?
    {
        return Ok(before);
    }
    let record = new_job(instance, kind, id.unwrap_or_else(JobId::random));
    ops.crash.point("snapshot.before-record");
    let stored = match ops.jobs.create(record).await? {
        Created::New(stored) => stored,
        Created::Before(record) => return Ok(record),
    };
    ops.crash.point("snapshot.record-written");
    // If the answer is lost, the reconciler looks whether it is queued.
    if enqueue(ops, &stored.record).await? == Queued::Waiting {
        ops.crash.point("snapshot.queued");
        return Ok(stored.record);
    }
    ops.jobs.withdraw(&stored).await?;
    Err(OperationError::Busy(instance.id.clone()))
}

/// The job of `kind` that the same request ordered before. When there is none, `error`.
///
/// What the request names may be gone since, or closed, and yet it was done.
pub(super) async fn ordered_before(
    ops: &Operations,
    instance: &InstanceRecord,
    (kind, request_id): (&JobKind, Option<&str>),
    error: OperationError,
) -> Result<JobRecord, OperationError> {
    let Some(request) = request_id else { return Err(error) };
    let before = ops.jobs.find(&instance.service, &job_id(instance, request, kind)).await?;
    before.ok_or(error)
}

/// A job of `kind` about `instance`, on the node where it is.
pub(super) fn new_job(instance: &InstanceRecord, kind: JobKind, id: JobId) -> JobRecord {
    JobRecord {
        v: RECORD_VERSION,
        id,
        service: instance.service.clone(),
        node: instance.life.node.clone(),
        instance: instance.id.clone(),
        generation: instance.life.generation,
        kind,
        status: JobStatus::Queued,
        attempts: 0,
        progress: 0,
        created: Millis::now(),
        completed: None,
        result: None,
        request: Sender::current().request,
    }
}

/// The same for a request that is made again: it consists of the operation and what it names.
fn job_id(instance: &InstanceRecord, request_id: &str, kind: &JobKind) -> JobId {
    let mut parts = vec![instance.service.as_str(), instance.id.as_str(), request_id];
    match kind {
        JobKind::CreateSnapshot { name: None, .. } => parts.push("create_snapshot"),
        JobKind::CreateSnapshot { name: Some(name), .. } => {
            parts.extend(["create_snapshot_v2", name]);
        }
        JobKind::RollbackSnapshot { snapshot } => {
            parts.extend(["rollback_snapshot", snapshot.as_str()]);
        }
        JobKind::DeleteSnapshot { snapshot } => {
            parts.extend(["delete_snapshot", snapshot.as_str()]);
        }
        JobKind::CreateSerializedUrl { snapshot, .. } => {
            parts.extend(["create_serialized_url", snapshot.as_str()]);
        }
        JobKind::ImportFromUrl { url, .. } => {
            parts.push("import_from_url");
            parts.extend(url.as_ref().map(Secret::reveal));
        }
        JobKind::ForgetSnapshots => parts.push("forget_snapshots"),
    }
    JobId::derived(&parts)
}

/// Queues `record`. A job that has just ended keeps its place in the queue for a moment longer.
async fn enqueue(ops: &Operations, record: &JobRecord) -> Result<Queued, OperationError> {
    let mut rounds = 0..MOMENTS;
    loop {
        if ops.jobs.enqueue(record).await? == Queued::Waiting {
            return Ok(Queued::Waiting);
        }
        let queued = ops.jobs.queued(&record.service, &record.node, &record.instance);
        let ended = match queued.await? {
            Some(other) => {
                let other = ops.jobs.find(&record.service, &other).await?;
                other.is_none_or(|other| other.status.is_final())
            }
            None => true,
        };
        if !ended || rounds.next().is_none() {
            return Ok(Queued::Busy);
        }
        tokio::time::sleep(MOMENT).await;
    }
}

/// The snapshot that `text` names, given to the node on which `instance` is.
pub(super) async fn own_snapshot(
    ops: &Operations,
    instance: &InstanceRecord,
    text: &str,
) -> Result<SnapshotRecord, OperationError> {
    let id = snapshot_id(text)?;
    let node = &instance.life.node;
    match ops.jobs.home(&instance.service, &instance.id, &id, node).await? {
        Homed::Here(record) => Ok(*record),
        Homed::Nowhere => Err(no_snapshot(text)),
        Homed::Contended => Err(OperationError::Busy(instance.id.clone())),
    }
}

/// What `text` names.
pub(super) fn snapshot_id(text: &str) -> Result<SnapshotId, OperationError> {
    SnapshotId::new(text).map_err(|_not_an_id| no_snapshot(text))
}

/// `snapshot X not found`.
pub(super) fn no_snapshot(text: &str) -> OperationError {
    OperationError::NotFound(format!("snapshot {}", shown(text)))
}

/// Most snapshots that `instance` may have; `None` is no limit.
pub(super) fn quota(offering: &OfferingConfig, instance: &InstanceRecord) -> Option<usize> {
    let plan = offering.plans.iter().find(|plan| plan.name == instance.plan);
    plan.and_then(|plan| plan.snapshot_quota)
}
