//! Roll back to a snapshot: a job is written down and queued; the instance's node does it.

use std::sync::Arc;

use tenon_protocol::job::JobView;
use tenon_protocol::record::JobKind;

use super::order_job::{order_job, own_snapshot};
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// Orders that an instance gets the data of one of its snapshots again.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] while another job works on the instance.
pub(crate) async fn rollback_snapshot(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    (id, snapshot): (&str, &str),
    request_id: Option<&str>,
) -> Result<JobView, OperationError> {
    ops.check_up()?;
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    let snapshot = own_snapshot(ops, &instance, snapshot).await?.id;
    let kind = JobKind::RollbackSnapshot { snapshot };
    Ok(order_job(ops, &instance, kind, request_id).await?.view())
}
