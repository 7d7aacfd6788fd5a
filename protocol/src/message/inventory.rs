//! Inventory: what one node has, page by page, so that "that is all" can be told from "more to
//! come". Tenon's own; the classic report cannot tell (P8).

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::{BindingId, Generation, InstanceId};

/// `tenon.inventory.S.N`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InventoryRequest {
    /// Where the page before this one ended; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<InstanceId>,
}

/// One page: at most 500 instances, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InventoryPage {
    /// Instances with their bindings.
    pub instances: Vec<InventoryInstance>,
    /// On the last page: what the service itself has and the node's ledger does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<String>,
    /// What to ask for next; absent when this was the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<InstanceId>,
}

/// An instance that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryInstance {
    /// Its id.
    pub id: InstanceId,
    /// The generation that made it; 0 when an original gateway ordered it.
    pub generation: Generation,
    /// When the node first heard of it.
    pub created: Millis,
    /// Its bindings.
    #[serde(default)]
    pub bindings: Vec<InventoryBinding>,
}

/// A binding that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryBinding {
    /// Its id.
    pub id: BindingId,
    /// The generation that made it.
    pub generation: Generation,
}
