//! Get one snapshot of an instance, as its node recorded it.

use std::sync::Arc;

use tenon_protocol::message::SnapshotView;

use super::order_job::{no_snapshot, snapshot_id};
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// Snapshot `snapshot` of instance `id`.
///
/// # Errors
///
/// [`OperationError`].
pub(crate) async fn get_snapshot(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    snapshot: &str,
) -> Result<SnapshotView, OperationError> {
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    let number = snapshot_id(snapshot)?;
    let found = ops.jobs.snapshot(&offering.service, &instance.id, &number).await?;
    Ok(found.ok_or_else(|| no_snapshot(snapshot))?.record.view())
}
