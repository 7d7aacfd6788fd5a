//! Create snapshot: a job is written down and queued; the instance's node does it.

use std::sync::Arc;

use tenon_protocol::job::JobView;
use tenon_protocol::record::JobKind;

use super::order_job::{order_job, quota};
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// Orders a snapshot of instance `id`.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] while another job works on the instance.
pub(crate) async fn create_snapshot(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    request_id: Option<&str>,
) -> Result<JobView, OperationError> {
    ops.check_up()?;
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    let snapshot = ops.jobs.new_snapshot_id().await?;
    let quota = quota(offering, &instance);
    let kind = JobKind::CreateSnapshot { snapshot, name: None, quota };
    Ok(order_job(ops, &instance, kind, request_id).await?.view())
}
