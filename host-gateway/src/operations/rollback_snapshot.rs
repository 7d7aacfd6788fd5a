//! Roll back to a snapshot: a job is written down and queued; the instance's node does it.

use std::sync::Arc;

use tenon_protocol::SnapshotId;
use tenon_protocol::job::JobView;
use tenon_protocol::record::JobKind;

use super::create_snapshot::order_job;
use super::{OperationError, Operations, shown};
use crate::config::{Extension, OfferingConfig};

/// Orders that instance `id` gets the data of snapshot `snapshot` again.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] while another job works on the instance.
pub(crate) async fn rollback_snapshot(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    snapshot: &str,
) -> Result<JobView, OperationError> {
    ops.check_up()?;
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    let missing = || OperationError::NotFound(format!("snapshot {}", shown(snapshot)));
    let snapshot = SnapshotId::new(snapshot).map_err(|_not_an_id| missing())?;
    let found = ops.jobs.snapshot(&offering.service, &instance.id, &snapshot).await?;
    let snapshot = found.ok_or_else(missing)?.id;
    order_job(ops, &instance, JobKind::RollbackSnapshot { snapshot }).await
}
