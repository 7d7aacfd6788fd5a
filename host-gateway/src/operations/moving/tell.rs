//! The platform is told the credentials of an instance that moved.

use futures_util::StreamExt;
use tenon_protocol::InstanceId;
use tenon_protocol::message::Handle;
use tenon_protocol::record::Phase;

use super::handles;
use crate::cloud_controller::{CloudController, CloudControllerError};
use crate::config::OfferingConfig;
use crate::operations::{OperationError, Operations};

/// Handles that are sent at once.
const AT_ONCE: usize = 8;

/// Tells the cloud controller the handles of an instance and its bindings, as the records have
/// them; nothing when there is none.
///
/// # Errors
///
/// [`OperationError`] at the first that it did not take: all are told again.
pub(in crate::operations) async fn tell(
    ops: &Operations,
    offering: &OfferingConfig,
    id: &InstanceId,
) -> Result<(), OperationError> {
    let Some(cloud_controller) = &ops.cloud_controller else {
        return Ok(());
    };
    let found = ops.records.instance(id).await?;
    let Some(found) = found.filter(|found| found.record.life.phase == Phase::Ready) else {
        return Ok(());
    };
    let all = handles(ops, &found.record).await?;
    let all: Vec<Handle> = std::iter::once(all.instance).chain(all.bindings).collect();
    let mut told = futures_util::stream::iter(all)
        .map(|handle| tell_one(cloud_controller, offering, handle))
        .buffer_unordered(AT_ONCE);
    while let Some(result) = told.next().await {
        result?;
    }
    Ok(())
}

async fn tell_one(
    cloud_controller: &CloudController,
    offering: &OfferingConfig,
    handle: Handle,
) -> Result<(), CloudControllerError> {
    match cloud_controller.update_handle(offering, &handle).await {
        Err(error) if error.is_unknown() => {
            // What the platform never learnt it cannot use wrongly.
            tracing::warn!(service_id = handle.service_id, "the platform has no such handle");
            Ok(())
        }
        told => told,
    }
}
