//! List the snapshots of an instance, as their nodes recorded them.

use std::sync::Arc;

use tenon_protocol::message::SnapshotList;

use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// The snapshots of instance `id`, oldest first.
///
/// # Errors
///
/// [`OperationError`].
pub(crate) async fn list_snapshots(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
) -> Result<SnapshotList, OperationError> {
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    let records = ops.jobs.snapshots(&offering.service, &instance.id).await?;
    Ok(SnapshotList { snapshots: records.iter().map(|one| one.record.view()).collect() })
}
