//! Inventory: what one node has, page by page, so that "that is all" can be told from "more to
//! come". Tenon's own; the classic report cannot tell (P8).

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::{BindingId, Generation, InstanceId};
use crate::record::StoreMark;

/// `tenon.inventory.S.N`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InventoryRequest {
    /// Where the page before this one ended; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<InstanceId>,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "InventoryScope::is_all")]
    pub scope: InventoryScope,
    /// The records that the answer is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreMark>,
}

/// How much of an inventory is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InventoryScope {
    /// All that there is.
    #[default]
    All,
    /// Instances in quarantine, without their bindings.
    Quarantine,
}

impl InventoryScope {
    /// Whether it is [`Self::All`], which is not written.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
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
    /// The records that the node obeys, when those of the request may not be they.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusts: Option<StoreMark>,
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
    /// When it was purged, if it is kept for some time yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<Quarantined>,
}

/// Of an instance that was purged and is kept for some time yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// When it was purged.
    pub since: Millis,
    /// When it is removed.
    pub until: Millis,
}

/// A binding that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryBinding {
    /// Its id.
    pub id: BindingId,
    /// The generation that made it.
    pub generation: Generation,
}
