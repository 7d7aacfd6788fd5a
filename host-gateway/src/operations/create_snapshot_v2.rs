//! Create a snapshot, in the second version of the API: it has a name and a state, and no job that
//! anybody asks for.
//!
//! The original wrote down an empty snapshot and never filled it. Here it is taken; the answer is
//! the original's.

use std::sync::Arc;

use tenon_protocol::message::{SnapshotState, SnapshotV2};
use tenon_protocol::record::{JobKind, RECORD_VERSION, SnapshotOrder};

use super::order_job::{order_job, quota};
use super::rename_snapshot::check_name;
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// Orders a snapshot of instance `id` by the name `name`.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] while another job works on the instance.
pub(crate) async fn create_snapshot_v2(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    name: String,
    request_id: Option<&str>,
) -> Result<SnapshotV2, OperationError> {
    ops.check_up()?;
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    check_name(&name)?;
    let drawn = ops.jobs.new_snapshot_id().await?;
    let quota = quota(offering, &instance);
    let kind = JobKind::CreateSnapshot { snapshot: drawn.clone(), name: Some(name.clone()), quota };
    let job = order_job(ops, &instance, kind, request_id).await?;
    let snapshot_id = match job.kind {
        JobKind::CreateSnapshot { snapshot, .. } => snapshot,
        JobKind::RollbackSnapshot { .. }
        | JobKind::DeleteSnapshot { .. }
        | JobKind::CreateSerializedUrl { .. }
        | JobKind::ImportFromUrl { .. }
        | JobKind::ForgetSnapshots => drawn,
    };
    let order =
        SnapshotOrder { v: RECORD_VERSION, id: snapshot_id, name: name.clone(), job: job.id };
    ops.jobs.note_order(&offering.service, &instance.id, &order).await?;
    let state = SnapshotState::Empty;
    Ok(SnapshotV2 { snapshot_id: order.id, name, state, size: 0, created_time: None })
}
