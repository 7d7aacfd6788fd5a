//! Delete snapshot: its data goes from the store.

use tenon_protocol::record::JobRecord;
use tenon_protocol::{Fault, SnapshotId};

use super::create_snapshot::storage;
use crate::offering::Offering;

/// Removes the data of snapshot `id`. Its record went first, so that no listing shows half of it.
///
/// # Errors
///
/// `Service unavailable` when the store fails.
pub(crate) fn delete_snapshot(
    offering: &Offering,
    job: &JobRecord,
    id: &SnapshotId,
) -> Result<(), Fault> {
    let store = offering.snapshots.as_ref().ok_or_else(|| Fault::no_extension("snapshot"))?;
    let dir = store.instance(offering.service(), &job.instance).map_err(storage)?;
    dir.remove(id).map_err(storage)
}
