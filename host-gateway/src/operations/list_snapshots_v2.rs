//! List the snapshots of an instance, in the second version of the API: with their states.

use std::sync::Arc;

use tenon_protocol::job::JobStatus;
use tenon_protocol::message::{SnapshotListV2, SnapshotState, SnapshotV2};
use tenon_protocol::record::SnapshotOrder;

use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// The snapshots of instance `id`, those that are there first.
///
/// # Errors
///
/// [`OperationError`].
pub(crate) async fn list_snapshots_v2(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
) -> Result<SnapshotListV2, OperationError> {
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    // First: what becomes ready in between is in the second list.
    let orders = ops.jobs.orders(&offering.service, &instance.id).await?;
    let mut without_data = Vec::new();
    for order in orders {
        let job = ops.jobs.find(&offering.service, &order.job).await?;
        without_data.extend(pending(order, job.map(|job| job.status)));
    }
    let ready = ops.jobs.snapshots(&offering.service, &instance.id).await?;
    let mut snapshots: Vec<SnapshotV2> = ready.iter().map(|one| one.record.view_v2()).collect();
    without_data.retain(|order| !snapshots.iter().any(|one| one.snapshot_id == order.snapshot_id));
    snapshots.extend(without_data);
    Ok(SnapshotListV2 { snapshots })
}

/// What an order is that has no data; `None` when it had some, which was deleted.
fn pending(order: SnapshotOrder, job: Option<JobStatus>) -> Option<SnapshotV2> {
    let state = match job? {
        JobStatus::Queued | JobStatus::Working => SnapshotState::Empty,
        JobStatus::Failed | JobStatus::Killed => SnapshotState::Failed,
        JobStatus::Completed => return None,
    };
    let SnapshotOrder { id, name, .. } = order;
    Some(SnapshotV2 { snapshot_id: id, name, state, size: 0, created_time: None })
}

#[cfg(test)]
mod tests {
    use tenon_protocol::{JobId, SnapshotId};

    use super::*;

    #[test]
    fn a_snapshot_without_data_is_what_its_job_is() {
        let order = || SnapshotOrder {
            v: 1,
            id: SnapshotId::from(2),
            name: "nightly".to_owned(),
            job: JobId::random(),
        };
        let state = |job| pending(order(), job).map(|snapshot| snapshot.state);
        assert_eq!(state(Some(JobStatus::Queued)), Some(SnapshotState::Empty));
        assert_eq!(state(Some(JobStatus::Working)), Some(SnapshotState::Empty));
        assert_eq!(state(Some(JobStatus::Failed)), Some(SnapshotState::Failed));
        assert_eq!(state(Some(JobStatus::Killed)), Some(SnapshotState::Failed));
        assert_eq!(state(Some(JobStatus::Completed)), None);
        assert_eq!(state(None), None);
    }
}
