//! Delete a snapshot: a job is written down and queued; the instance's node does it.

use std::sync::Arc;

use tenon_protocol::job::JobView;
use tenon_protocol::record::JobKind;

use super::order_job::{order_job, ordered_before, own_snapshot, snapshot_id};
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// Orders that a snapshot of an instance goes.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] while another job works on the instance.
pub(crate) async fn delete_snapshot(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    (id, snapshot): (&str, &str),
    request_id: Option<&str>,
) -> Result<JobView, OperationError> {
    ops.check_up()?;
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    let snapshot = snapshot_id(snapshot)?;
    let kind = JobKind::DeleteSnapshot { snapshot: snapshot.clone() };
    let job = match own_snapshot(ops, &instance, snapshot.as_str()).await {
        Ok(_there) => order_job(ops, &instance, kind, request_id).await?,
        // It is gone: by this request, perhaps, which is made again.
        Err(not_there) => ordered_before(ops, &instance, (&kind, request_id), not_there).await?,
    };
    Ok(job.view())
}
