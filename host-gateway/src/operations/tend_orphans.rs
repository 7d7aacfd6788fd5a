//! Tend orphans: what is in quarantine, what is had back, and which records nodes obey.

use std::collections::BTreeMap;

use serde::Serialize;
use tenon_protocol::chain;
use tenon_protocol::message::{
    InventoryScope, OrphanAct, OrphanAnswer, OrphanItem, OrphanOrder, Quarantined,
};
use tenon_protocol::record::StoreMark;
use tenon_protocol::{Fault, InstanceId, NodeId, subject};

use super::{OperationError, Operations, check_orphan};
use crate::bus::BusError;
use crate::config::{OfferingConfig, Peers};

/// Instances of one order to let out: far below what a message may hold.
const RELEASED_AT_ONCE: usize = 1_000;

/// What became of items, by node.
pub(crate) type ItemsByNode = BTreeMap<NodeId, Vec<OrphanItem>>;

/// Why an item failed, where answers have no place for more than one.
pub(crate) fn first_failure(items: &ItemsByNode) -> Option<Fault> {
    items.values().flatten().find_map(|item| item.error.clone())
}

/// What is in quarantine.
#[derive(Debug, Default, Serialize)]
pub(crate) struct QuarantineView {
    /// Nodes that did not tell.
    problems: Vec<String>,
    /// By node and instance.
    quarantine: BTreeMap<NodeId, BTreeMap<InstanceId, Quarantined>>,
}

/// What the nodes of `offering` have in quarantine; nothing on original ones.
///
/// # Errors
///
/// [`OperationError`] when the store cannot say which it is.
pub(crate) async fn show_quarantine(
    ops: &Operations,
    offering: &OfferingConfig,
) -> Result<QuarantineView, OperationError> {
    let mut view = QuarantineView::default();
    if offering.peers == Peers::Original {
        return Ok(view);
    }
    let mark = ops.records.mark().await?;
    let nodes = ops.nodes.ids(&offering.service);
    let scope = (InventoryScope::Quarantine, &mark);
    for (node, inventory) in check_orphan::inventories(ops, offering, nodes, scope).await {
        match inventory {
            Ok(inventory) => {
                let doubt = inventory.doubt.map(|text| format!("node {node}: {text}"));
                view.problems.extend(doubt);
                let entries = inventory.instances.into_iter();
                let entries = entries.filter_map(|seen| Some((seen.id, seen.quarantined?)));
                let entries: BTreeMap<_, _> = entries.collect();
                if !entries.is_empty() {
                    view.quarantine.insert(node, entries);
                }
            }
            Err(problem) => view.problems.push(format!("node {node}: {problem}")),
        }
    }
    Ok(view)
}

/// Has nodes let instances out of quarantine.
///
/// # Errors
///
/// [`OperationError`] of the first node that did not.
pub(crate) async fn release(
    ops: &Operations,
    offering: &OfferingConfig,
    instances: BTreeMap<NodeId, Vec<InstanceId>>,
) -> Result<ItemsByNode, OperationError> {
    let mark = ops.records.mark().await?;
    let mut items = ItemsByNode::new();
    for (node, instances) in instances {
        let act = (mark.clone(), OrphanAct::Release { instances });
        let released = order(ops, offering, &node, act).await?;
        items.insert(node, released);
    }
    Ok(items)
}

/// Has nodes let out of quarantine what the platform turned out to have. Best effort: a node that
/// is away now is told by the next check.
pub(super) async fn release_adopted(
    ops: &Operations,
    offering: &OfferingConfig,
    instances: BTreeMap<NodeId, Vec<InstanceId>>,
) {
    if offering.peers == Peers::Original {
        return;
    }
    for (node, ids) in instances {
        for part in ids.chunks(RELEASED_AT_ONCE) {
            let part = BTreeMap::from([(node.clone(), part.to_vec())]);
            if let Err(error) = release(ops, offering, part).await {
                tracing::debug!(%node, error = %chain(&error), "not told what was adopted");
                break;
            }
        }
    }
}

/// Has `nodes` obey these records, whatever they obeyed before.
///
/// # Errors
///
/// [`OperationError`] of the first node that does not.
pub(crate) async fn accept_store(
    ops: &Operations,
    offering: &OfferingConfig,
    nodes: Vec<NodeId>,
) -> Result<StoreMark, OperationError> {
    let mark = ops.records.mark().await?;
    for node in nodes {
        order(ops, offering, &node, (mark.clone(), OrphanAct::AcceptStore)).await?;
    }
    Ok(mark)
}

/// One order to one node of ours.
///
/// # Errors
///
/// [`OperationError`] says what the node, or the bus, had against it.
pub(super) async fn order(
    ops: &Operations,
    offering: &OfferingConfig,
    node: &NodeId,
    (store, act): (StoreMark, OrphanAct),
) -> Result<Vec<OrphanItem>, OperationError> {
    if offering.peers == Peers::Original {
        return Err(OperationError::Malformed);
    }
    let subject = subject::orphans(&offering.service, node);
    let body = OrphanOrder { store, act };
    let answer: Result<OrphanAnswer, _> = ops.bus.ask(&subject, &body, offering.node_timeout).await;
    let answer = answer.map_err(|error| match error {
        BusError::Away => OperationError::Away,
        BusError::Nobody(_) => OperationError::NotFound(format!("node {node}")),
        BusError::TimedOut(_)
        | BusError::TooLong(_)
        | BusError::Unsendable { .. }
        | BusError::Garbled { .. } => OperationError::Silent(node.clone()),
    })?;
    let refused = |fault| OperationError::Node { node: node.clone(), fault };
    answer.reply.into_result().map_err(refused)?;
    Ok(answer.items)
}
