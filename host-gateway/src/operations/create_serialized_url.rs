//! Create a serialized URL: the instance's node makes the package that the URL will lead to.

use std::sync::Arc;

use tenon_protocol::job::JobView;
use tenon_protocol::record::JobKind;

use super::order_job::{order_job, own_snapshot};
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// Orders that a snapshot of an instance can be downloaded.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] while another job works on the instance.
pub(crate) async fn create_serialized_url(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    (id, snapshot): (&str, &str),
    request_id: Option<&str>,
) -> Result<JobView, OperationError> {
    ops.check_up()?;
    let instance = ops.extended_instance(offering, id, Extension::Serialization).await?;
    let snapshot = own_snapshot(ops, &instance, snapshot).await?.id;
    let kind = JobKind::CreateSerializedUrl { snapshot, provider: offering.provider.clone() };
    Ok(order_job(ops, &instance, kind, request_id).await?.view())
}
