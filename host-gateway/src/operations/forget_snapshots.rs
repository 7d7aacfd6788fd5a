//! Forget the snapshots of an instance that is going: their records, and by a job their data. What
//! a move left beside them goes with them.
//!
//! Only an instance's end does this, never a node's: the same snapshots are another node's when
//! their instance has moved.

use tenon_protocol::record::{InstanceRecord, JobKind};
use tenon_protocol::{Generation, JobId};

use super::order_job::new_job;
use super::{OperationError, Operations};
use crate::config::{OfferingConfig, Peers};

/// Removes the records of the snapshots of `instance`, and orders that its node removes the data.
///
/// # Errors
///
/// [`OperationError`] when it is to be tried again.
pub(super) async fn forget_snapshots(
    ops: &Operations,
    offering: &OfferingConfig,
    instance: &InstanceRecord,
) -> Result<(), OperationError> {
    match offering.peers {
        Peers::Original => return Ok(()),
        Peers::Native => {}
    }
    let (service, node, id) = (&instance.service, &instance.life.node, &instance.id);
    let listed = ops.jobs.snapshots(service, id);
    let queued = ops.jobs.queued(service, node, id);
    let (listed, queued) = tokio::try_join!(listed, queued)?;
    // A job that is under way may still make one.
    if listed.is_empty() && queued.is_none() && !may_have_moved(instance) {
        return Ok(());
    }
    let generation = instance.life.generation.get().to_string();
    let job = JobId::derived(&["forget_snapshots", service.as_str(), id.as_str(), &generation]);
    let job = new_job(instance, JobKind::ForgetSnapshots, job);
    ops.jobs.create(job.clone()).await?;
    for snapshot in listed {
        ops.jobs.remove_snapshot(&snapshot).await?;
    }
    // Behind a job that is under way it is queued by the reconciler.
    ops.jobs.enqueue(&job).await?;
    Ok(())
}

/// Whether the instance was more than ordered and given back: each move is a generation, and one
/// that was interrupted, or called off, may have left its data in the store.
fn may_have_moved(instance: &InstanceRecord) -> bool {
    instance.life.generation > Generation::FIRST.next()
}
