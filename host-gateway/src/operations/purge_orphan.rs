//! Purge orphans: what an operator says shall go, unless it was ordered.
//!
//! Everything named is looked at once more, against records and platform, both whole (P8). One
//! item that was ordered, or one node that would refuse, and nothing is purged anywhere.

mod native;
mod original;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use tenon_protocol::NodeId;
use tenon_protocol::message::{Object, PurgeRun, PurgeShare};

use super::tend_orphans::ItemsByNode;
use super::{OperationError, Operations};
use crate::config::{OfferingConfig, Peers};

/// Items of one purge; more are several purges.
const MAX_ITEMS: usize = 500_000;

/// `DELETE /service/internal/v1/purge_orphan`. Reference, section 1.18. The two lists are required,
/// as in the original.
#[derive(Debug, Deserialize)]
pub(crate) struct PurgeRequest {
    orphan_instances: BTreeMap<NodeId, Vec<String>>,
    orphan_bindings: BTreeMap<NodeId, Vec<Object>>,
    /// Instances that only the service itself has; the original has no such list.
    #[serde(default)]
    strangers: BTreeMap<NodeId, Vec<String>>,
}

/// How a purge is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Manner {
    /// Done, or told.
    pub(crate) run: PurgeRun,
    /// Within the nodes' limits, or not.
    pub(crate) share: PurgeShare,
}

impl PurgeRequest {
    fn nodes(&self) -> Vec<NodeId> {
        let lists = [&self.orphan_instances, &self.strangers].into_iter().flat_map(BTreeMap::keys);
        let mut nodes: Vec<NodeId> = lists.chain(self.orphan_bindings.keys()).cloned().collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    fn items(&self) -> usize {
        let lists = self.orphan_instances.values().chain(self.strangers.values());
        let bindings: usize = self.orphan_bindings.values().map(Vec::len).sum();
        lists.map(Vec::len).sum::<usize>() + bindings
    }
}

/// Has nodes remove what `request` names, or tells what they would do. What became of each item.
///
/// # Errors
///
/// [`OperationError::NoOrphan`] when one of them was ordered, [`OperationError::NotFound`] when a
/// node is not there, [`OperationError::Node`] when it refuses: then nothing is removed anywhere.
pub(crate) async fn purge_orphan(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    request: PurgeRequest,
    manner: Manner,
) -> Result<ItemsByNode, OperationError> {
    ops.check_up()?;
    if request.items() > MAX_ITEMS {
        return Err(OperationError::Malformed);
    }
    let alive = ops.nodes.ids(&offering.service);
    if let Some(node) = request.nodes().into_iter().find(|node| !alive.contains(node)) {
        return Err(OperationError::NotFound(format!("node {node}")));
    }
    match offering.peers {
        Peers::Native => native::purge(ops, offering, request, manner).await,
        Peers::Original => original::purge(ops, offering, request, manner).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_order_is_read() {
        let fixture =
            include_str!("../../../tests/golden/fixtures/gw-1.18-purge-orphan.request.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        let request: PurgeRequest = serde_json::from_value(fixture["body"].clone()).unwrap();
        let nodes = request.nodes();
        assert_eq!(nodes, [NodeId::new("mysql_node_free_0").unwrap()]);
        assert_eq!(request.orphan_instances[&nodes[0]], ["d00112233445566778899aabbccddeeff"]);
        assert_eq!(request.orphan_bindings[&nodes[0]][0]["username"], "uOrphan000001");
        assert_eq!(request.items(), 2);
    }
}
