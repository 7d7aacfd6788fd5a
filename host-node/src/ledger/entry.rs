//! What the ledger says of one instance or binding.

use serde::{Deserialize, Serialize};
use tenon_protocol::clock::Millis;
use tenon_protocol::{BindingId, Fault, Generation, InstanceId, OperationId, Sealed};

/// Where an instance is in its life on this node.
///
/// ```text
///              done             asked to go            done
/// Provisioning ────▶ Present ─────────────▶ Removing ────▶ Gone
///      │                                       ▲             │
///      └───────────────────────────────────────┘             └──▶ Provisioning, if ordered by a
///                failed: undone at once or later                   higher generation
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InstancePhase {
    /// The guest was called, or is about to be.
    Provisioning,
    /// It exists, and its credentials are in the entry.
    Present,
    /// The guest is called to remove it, until it succeeds.
    Removing,
    /// It does not exist. Kept for its fence.
    Gone,
}

impl InstancePhase {
    /// Whether it takes capacity.
    pub(crate) const fn takes_room(self) -> bool {
        match self {
            Self::Provisioning | Self::Present | Self::Removing => true,
            Self::Gone => false,
        }
    }
}

/// One instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InstanceEntry {
    /// Its id.
    pub(crate) id: InstanceId,
    /// The fence: commands of a lower generation are refused.
    pub(crate) generation: Generation,
    /// The operation that set the phase; the same again gets the same answer.
    pub(crate) operation: OperationId,
    /// Whether a gateway of ours keeps a record of it and will ask again after a crash.
    pub(crate) recorded: bool,
    /// Where it is in its life.
    pub(crate) phase: InstancePhase,
    /// Name of its plan.
    pub(crate) plan: String,
    /// Its version.
    pub(crate) version: String,
    /// When this node first heard of it.
    pub(crate) created: Millis,
    /// When the phase was set.
    pub(crate) changed: Millis,
    /// The owner's credentials, once there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<Sealed>,
    /// Why it is gone, when its provision failed and was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Fault>,
}

/// Where a binding is in its life on this node; as [`InstancePhase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BindingPhase {
    /// The guest was called, or is about to be.
    Binding,
    /// It exists.
    Present,
    /// The guest is called to remove it, until it succeeds.
    Removing,
    /// It does not exist. Kept for its fence, as long as the instance.
    Gone,
}

/// One binding.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BindingEntry {
    /// Its id.
    pub(crate) id: BindingId,
    /// Its instance.
    pub(crate) instance: InstanceId,
    /// The fence.
    pub(crate) generation: Generation,
    /// The operation that set the phase.
    pub(crate) operation: OperationId,
    /// Whether a gateway of ours keeps a record of it.
    pub(crate) recorded: bool,
    /// Where it is in its life.
    pub(crate) phase: BindingPhase,
    /// What distinguishes its credentials from others of the instance; empty when nothing does.
    pub(crate) user: String,
    /// When the phase was set.
    pub(crate) changed: Millis,
    /// Its credentials, once there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<Sealed>,
    /// Why it is gone, when its bind failed and was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Fault>,
}
