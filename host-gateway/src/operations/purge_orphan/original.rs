//! A purge on original nodes: told once, in messages that fit, and never answered.

use tenon_protocol::message::{
    OrphanItem, OrphanOutcome, PurgeOrphanRequest, PurgeRun, orphan_batches,
};
use tenon_protocol::subject::{self, Operation};
use tenon_protocol::{InstanceId, NodeId};

use super::{ItemsByNode, Manner, PurgeRequest};
use crate::bus::BusError;
use crate::config::OfferingConfig;
use crate::operations::check_orphan::listed;
use crate::operations::{OperationError, Operations, shown};

pub(super) async fn purge(
    ops: &Operations,
    offering: &OfferingConfig,
    request: PurgeRequest,
    manner: Manner,
) -> Result<ItemsByNode, OperationError> {
    let listed = listed(ops, offering).await?;
    for id in request.orphan_instances.values().flatten() {
        if listed.has_instance(id) {
            return Err(OperationError::NoOrphan(shown(id)));
        }
    }
    for credentials in request.orphan_bindings.values().flatten() {
        match listed.has_account(credentials) {
            Some(false) => {}
            Some(true) => {
                let user = credentials.get("username").or_else(|| credentials.get("user"));
                let user = user.and_then(|user| user.as_str()).unwrap_or_default();
                return Err(OperationError::NoOrphan(shown(user)));
            }
            None => return Err(OperationError::Malformed),
        }
    }
    if !request.strangers.is_empty() {
        return Err(OperationError::Malformed);
    }
    let mut items = ItemsByNode::new();
    for node in request.nodes() {
        items.insert(node.clone(), told(&request, &node));
        if manner.run == PurgeRun::Real {
            tell(ops, offering, &node, &request).await?;
        }
    }
    Ok(items)
}

async fn tell(
    ops: &Operations,
    offering: &OfferingConfig,
    node: &NodeId,
    request: &PurgeRequest,
) -> Result<(), OperationError> {
    let instances = request.orphan_instances.get(node).cloned().unwrap_or_default();
    let bindings = request.orphan_bindings.get(node).cloned().unwrap_or_default();
    // As the original, which names every node that reported.
    if instances.is_empty() && bindings.is_empty() {
        return Ok(());
    }
    let max_payload = ops.bus.connection().client.server_info().max_payload;
    let cut = orphan_batches(instances, bindings, max_payload);
    if cut.skipped > 0 {
        tracing::warn!(%node, skipped = cut.skipped, "some of a purge fits into no message");
    }
    for batch in cut.batches {
        let body = PurgeOrphanRequest {
            orphan_ins_list: batch.instances,
            orphan_binding_list: batch.bindings,
        };
        let subject = subject::operation(&offering.service, Operation::PurgeOrphan, node);
        let payload = serde_json::to_vec(&body).map_err(|_no_json| OperationError::Malformed)?;
        let told = ops.bus.tell(subject, payload.into()).await;
        told.map_err(|error| match error {
            BusError::Away => OperationError::Away,
            BusError::Nobody(_)
            | BusError::TimedOut(_)
            | BusError::TooLong(_)
            | BusError::Unsendable { .. }
            | BusError::Garbled { .. } => OperationError::Silent(node.clone()),
        })?;
    }
    Ok(())
}

fn told(request: &PurgeRequest, node: &NodeId) -> Vec<OrphanItem> {
    let instances = request.orphan_instances.get(node).into_iter().flatten().map(String::as_str);
    let bindings = request.orphan_bindings.get(node).into_iter().flatten();
    let bindings = bindings.filter_map(|credentials| credentials.get("name")?.as_str());
    let ids = instances.chain(bindings).filter_map(|name| InstanceId::new(name).ok());
    ids.map(|id| OrphanItem::of(id, OrphanOutcome::Told)).collect()
}
