//! Update a handle: a tool changed an instance's or binding's credentials on a node, and says so.
//!
//! Whoever may publish on the bus may say it (P15): it is taken only where an operator has switched
//! it on, and never for what no record has.

use std::sync::Arc;

use tenon_protocol::message::Handle;
use tenon_protocol::{BindingId, NodeId};
use tracing::Span;

use super::{OperationError, Operations, shown};
use crate::config::OfferingConfig;
use crate::state::{Cas, Record, Stored};

/// Tells the cloud controller, which is where handles are at home, and writes it down.
///
/// # Errors
///
/// [`OperationError`]; it can be repeated.
pub(crate) async fn update_handle(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    handle: &Handle,
) -> Result<(), OperationError> {
    let missing = || OperationError::NotFound(shown(&handle.service_id));
    let owner = handle.instance().ok_or(OperationError::Malformed)?;
    let found = ops.ready_instance(offering, owner, shown).await?;
    Span::current().record("instance", found.record.id.as_str());
    if handle.is_instance() {
        let node = handle.credentials.get("node_id").and_then(|node| node.as_str());
        let node = node.map(NodeId::new).transpose();
        let node = node.map_err(|_not_an_id| OperationError::Malformed)?;
        let node = node.unwrap_or_else(|| found.record.life.node.clone());
        return write(ops, offering, handle, (&found, node)).await;
    }
    let id = BindingId::new(handle.service_id.as_str()).map_err(|_not_an_id| missing())?;
    let binding = ops.records.binding(&found.record.id, &id).await?.ok_or_else(missing)?;
    let node = found.record.life.node.clone();
    write(ops, offering, handle, (&binding, node)).await
}

async fn write<R: Record>(
    ops: &Operations,
    offering: &OfferingConfig,
    handle: &Handle,
    (found, node): (&Stored<R>, NodeId),
) -> Result<(), OperationError> {
    let place = found.record.key();
    let sealed = ops.seal_key.seal(&place, &handle.credentials)?;
    // Before the platform is told: what is not there, or going, has no new credentials.
    let life = found.record.life().followed(node, sealed);
    let life = life.map_err(|_not_ready| OperationError::NotFound(shown(&handle.service_id)))?;
    if let Some(cloud_controller) = &ops.cloud_controller {
        cloud_controller.update_handle(offering, handle).await?;
    }
    match ops.records.replace(found, life).await? {
        Cas::Written(_) => Ok(()),
        Cas::Lost => Err(OperationError::Overtaken(place)),
    }
}
