//! Delete a snapshot: a job is written down and queued; the instance's node does it.

use std::sync::Arc;

use tenon_protocol::job::JobView;
use tenon_protocol::record::JobKind;

use super::order_job::{Wanted, order_job, ordered_before, own_snapshot, snapshot_id};
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
    let words = ["delete_snapshot", snapshot.as_str()];
    let kind = JobKind::DeleteSnapshot { snapshot: snapshot.clone() };
    let wanted = Wanted { kind, words: &words, request_id };
    match own_snapshot(ops, &instance, snapshot.as_str()).await {
        Ok(_there) => Ok(order_job(ops, &instance, wanted).await?.view()),
        // It is gone: by this request, perhaps, which is made again.
        Err(not_there) => match ordered_before(ops, &instance, &wanted).await? {
            Some(before) => Ok(before.view()),
            None => Err(not_there),
        },
    }
}
