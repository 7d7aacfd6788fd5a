//! Orphan reports and purges. Reference, section 3.7.

use serde::{Deserialize, Serialize};

use super::Object;
use crate::id::NodeId;

/// `S.node_handles`: one batch of what a node has.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHandlesReport {
    /// Ids of instances.
    pub instances_list: Vec<String>,
    /// Credentials of bindings, with a fake password.
    pub bindings_list: Vec<Object>,
    /// The node. Only believed where the bus cannot say who sent it.
    pub node_id: NodeId,
}

/// `S.purge_orphan.N`: what a node shall remove.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeOrphanRequest {
    /// Ids of instances.
    pub orphan_ins_list: Vec<String>,
    /// Credentials of bindings.
    pub orphan_binding_list: Vec<Object>,
}
