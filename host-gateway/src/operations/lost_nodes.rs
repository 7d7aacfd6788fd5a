//! A node is gone for good: what waits for it to remove something waits no longer.
//!
//! An operator says so; a gateway cannot know it. A node of that name which comes all the same is
//! asked again like any other, and what it still has shows as orphans.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::IgnoredAny;
use tenon_protocol::message::{InventoryRequest, InventoryScope};
use tenon_protocol::record::{InstanceRecord, Phase};
use tenon_protocol::{NodeId, ServiceName, subject};

use super::{OperationError, Operations};
use crate::bus::BusError;
use crate::config::Peers;

/// Longest wait for a node that may be there.
const PROBE: Duration = Duration::from_secs(2);

/// What an operator is told.
#[derive(Debug, Serialize)]
pub(crate) struct LostNode {
    node: NodeId,
    /// How many instances it had, by service: they are lost with it, or recovered from a backup.
    instances: BTreeMap<ServiceName, u64>,
}

/// Remembers that `node` is gone for good.
///
/// # Errors
///
/// [`OperationError::Conflict`] while it announces itself.
pub(crate) async fn forget_node(
    ops: &Operations,
    node: &NodeId,
) -> Result<LostNode, OperationError> {
    if is_there(ops, node).await {
        return Err(OperationError::Conflict(format!("node {node} is there")));
    }
    ops.records.mark_gone(node).await?;
    tracing::warn!(%node, "gone for good, says an operator");
    let mut instances = BTreeMap::new();
    let visit = |record: InstanceRecord| {
        let there = matches!(record.life.phase, Phase::Ready | Phase::Moving);
        if there && record.life.node == *node {
            *instances.entry(record.service).or_default() += 1;
        }
    };
    ops.records.each_instance(visit).await?;
    Ok(LostNode { node: node.clone(), instances })
}

/// Takes it back: `node` may come again.
///
/// # Errors
///
/// [`OperationError`] when the store cannot tell.
pub(crate) async fn remember_node(ops: &Operations, node: &NodeId) -> Result<(), OperationError> {
    Ok(ops.records.unmark_gone(node).await?)
}

/// Nodes that are there are not gone, whatever was said: takes that back.
///
/// # Errors
///
/// [`OperationError`] when the store cannot tell.
pub(crate) async fn greet_nodes(ops: &Operations) -> Result<(), OperationError> {
    for node in ops.records.gone_nodes().await? {
        if is_there(ops, &node).await {
            tracing::warn!(%node, "was gone for good, and is there: see whether it has orphans");
            ops.records.unmark_gone(&node).await?;
        }
    }
    Ok(())
}

/// Whether somebody listens in the name of `node`. An announcement is believed for a while; one of
/// ours is asked, for nothing that matters.
async fn is_there(ops: &Operations, node: &NodeId) -> bool {
    for offering in &ops.offerings {
        let service = &offering.service;
        if !ops.nodes.ids(service).contains(node) {
            continue;
        }
        if offering.peers == Peers::Original {
            return true;
        }
        let request =
            InventoryRequest { after: None, scope: InventoryScope::Quarantine, store: None };
        let subject = subject::inventory(service, node);
        match ops.bus.ask::<_, IgnoredAny>(&subject, &request, PROBE).await {
            Err(BusError::Nobody(_)) => ops.nodes.forget(service, node),
            Ok(_) | Err(_) => return true,
        }
    }
    false
}
