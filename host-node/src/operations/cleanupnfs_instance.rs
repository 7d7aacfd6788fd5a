//! Clean up: a move is over, and the data between the nodes goes.

use tenon_protocol::{Fault, Generation};

use super::Task;
use super::moving::{blocking, export_of};
use crate::exports::Manifest;
use crate::offering::Offering;

/// Removes what the move of `task` left in the shared store. Succeeds when it is gone.
///
/// # Errors
///
/// `Service unavailable` when the store fails.
pub(crate) async fn cleanupnfs_instance(offering: &Offering, task: &Task) -> Result<(), Fault> {
    let _alone = offering.locks.exclusive(&task.order.instance).await;
    let export = export_of(offering, &task.order.instance).await?;
    offering.crash.point("cleanupnfs.begun");
    let upto = task.recorded.then_some(task.order.generation);
    blocking(move || {
        // What cannot be read is of no use to anybody.
        let manifest = export.manifest().ok().flatten();
        if manifest.is_some_and(|manifest| is_of_a_later_move(&manifest, upto)) {
            return Ok(());
        }
        export.remove()
    })
    .await
}

/// Whether another move, which `upto` knows nothing of, needs the data.
fn is_of_a_later_move(manifest: &Manifest, upto: Option<Generation>) -> bool {
    upto.is_some_and(|upto| manifest.generation > upto)
}
