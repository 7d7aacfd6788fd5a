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

/// Whether accounts of an instance let anybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Access {
    /// As they were given.
    #[default]
    Open,
    /// To nobody, until the instance is enabled again or removed.
    Suspended,
}

/// How an instance came to this node.
///
/// ```text
/// Here, provisioned
/// Loading ──▶ Loaded ──▶ Adopted, moved here
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Arrival {
    /// It was made here.
    #[default]
    Here,
    /// Made for a move; its data may be half there.
    Loading,
    /// Its data is there, its bindings are not.
    Loaded,
    /// All of it is there.
    Adopted,
}

/// What moves and restores left in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Moving {
    pub(crate) access: Access,
    pub(crate) arrival: Arrival,
    /// The operation that loaded a backup last: a late copy of it must not load again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restored: Option<OperationId>,
}

impl Moving {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
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
    /// What moves and restores left.
    #[serde(default, skip_serializing_if = "Moving::is_nothing")]
    pub(crate) moving: Moving,
}

impl InstanceEntry {
    /// Whether nobody is let in for now.
    pub(crate) fn is_suspended(&self) -> bool {
        self.moving.access == Access::Suspended
    }
}

/// An instance that was purged and is kept for some time yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuarantineEntry {
    /// Its id.
    pub(crate) instance: InstanceId,
    /// The fence that it had: ordered anew since, it is another one, and stays.
    pub(crate) generation: Generation,
    /// When it was purged.
    pub(crate) since: Millis,
    /// When it is removed.
    pub(crate) until: Millis,
    /// Who knows it.
    pub(crate) known_by: KnownBy,
}

/// Who knows an instance that nobody ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KnownBy {
    /// It has an entry.
    Ledger,
    /// Only the service itself.
    Guest,
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
