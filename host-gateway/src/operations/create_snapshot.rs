//! Create snapshot: a job is written down and queued; the instance's node does it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tenon_protocol::clock::Millis;
use tenon_protocol::job::{JobStatus, JobView};
use tenon_protocol::record::{InstanceRecord, JobKind, JobRecord, RECORD_VERSION};
use tenon_protocol::{Fault, JobId};

use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};
use crate::state::Queued;

/// A node ends a job in its record first, and takes it from the queue after that.
const MOMENT: Duration = Duration::from_millis(50);
const MOMENTS: u32 = 20;

/// Orders a snapshot of instance `id`.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] while another job works on the instance.
pub(crate) async fn create_snapshot(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
) -> Result<JobView, OperationError> {
    ops.check_up()?;
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    let plan = offering.plans.iter().find(|plan| plan.name == instance.plan);
    let quota = plan.and_then(|plan| plan.snapshot_quota);
    let snapshot = ops.jobs.new_snapshot_id().await?;
    order_job(ops, &instance, JobKind::CreateSnapshot { snapshot, name: None, quota }).await
}

/// Writes down a job about `instance`, and points its node to it.
pub(super) async fn order_job(
    ops: &Operations,
    instance: &InstanceRecord,
    kind: JobKind,
) -> Result<JobView, OperationError> {
    let record = JobRecord {
        v: RECORD_VERSION,
        id: JobId::random(),
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
    };
    ops.crash.point("snapshot.before-record");
    let stored = ops.jobs.create(record).await?;
    ops.crash.point("snapshot.record-written");
    // If the answer is lost, the reconciler looks whether it is queued.
    if enqueue(ops, &stored.record).await? == Queued::Waiting {
        ops.crash.point("snapshot.queued");
        return Ok(stored.record.view());
    }
    let mut failed = stored.record.clone();
    failed.status = JobStatus::Failed;
    failed.completed = Some(Millis::now());
    let busy = Fault::busy().msg;
    failed.result = Some(json!({ "code": busy.code, "description": busy.description }));
    ops.jobs.replace(&stored, &failed).await?;
    Err(OperationError::Busy(instance.id.clone()))
}

/// Queues `record`. A job that has just ended keeps its place in the queue for a moment longer.
async fn enqueue(ops: &Operations, record: &JobRecord) -> Result<Queued, OperationError> {
    let mut rounds = 0..MOMENTS;
    loop {
        if ops.jobs.enqueue(record).await? == Queued::Waiting {
            return Ok(Queued::Waiting);
        }
        let ended = match ops.jobs.queued(record).await? {
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
