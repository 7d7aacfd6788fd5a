//! Forget the snapshots of an instance that is gone: their data goes from the store.

use tenon_protocol::Fault;
use tenon_protocol::record::JobRecord;

use super::create_snapshot::storage;
use crate::offering::Offering;

/// Removes all data of the job's instance from the store. The records went first.
///
/// # Errors
///
/// `Service unavailable` when the store fails.
pub(crate) fn forget_snapshots(offering: &Offering, job: &JobRecord) -> Result<(), Fault> {
    let store = offering.snapshots.as_ref().ok_or_else(|| Fault::no_extension("snapshot"))?;
    store.forget(offering.service(), &job.instance).map_err(storage)?;
    tracing::info!(instance = %job.instance, "snapshots forgotten with their instance");
    Ok(())
}
