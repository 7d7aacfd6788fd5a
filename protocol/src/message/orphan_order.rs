//! What our gateways tell our nodes about orphans: purge, let go again, obey other records. With
//! an answer for each item; the classic purge has none (P24).

use serde::{Deserialize, Serialize};

use super::Reply;
use crate::clock::Millis;
use crate::fault::Fault;
use crate::id::{BindingId, Generation, InstanceId};
use crate::record::StoreMark;

/// `tenon.orphans.S.N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanOrder {
    /// The records that say so.
    pub store: StoreMark,
    /// What is to be done.
    #[serde(flatten)]
    pub act: OrphanAct,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum OrphanAct {
    /// Remove what nobody ordered.
    Purge(PurgeOrder),
    /// Let instances out of quarantine.
    Release {
        /// Which.
        instances: Vec<InstanceId>,
    },
    /// Obey these records from now on, whatever was obeyed before.
    AcceptStore,
}

/// What a node shall remove: one batch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PurgeOrder {
    /// Instances of the node's ledger.
    #[serde(default)]
    pub instances: Vec<PurgeInstance>,
    /// Bindings of its ledger.
    #[serde(default)]
    pub bindings: Vec<PurgeBinding>,
    /// Instances that only the service itself has.
    #[serde(default)]
    pub strangers: Vec<InstanceId>,
    /// Instances and strangers of all batches of this purge.
    #[serde(default)]
    pub instances_in_all: usize,
    /// Bindings of all batches.
    #[serde(default)]
    pub bindings_in_all: usize,
    /// How much of this purge is done already.
    #[serde(default)]
    pub before: PurgedBefore,
    /// Whether it is done, or only told.
    #[serde(default)]
    pub run: PurgeRun,
    /// Whether there may be many.
    #[serde(default)]
    pub share: PurgeShare,
}

/// What of all batches of a purge was done before this one: a purge is judged as a whole, and its
/// earlier batches are no other purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PurgedBefore {
    /// Instances and strangers that are in quarantine.
    #[serde(default)]
    pub quarantined: usize,
    /// Instances and strangers that were removed since it began.
    #[serde(default)]
    pub removed: usize,
    /// Bindings that were removed since it began.
    #[serde(default)]
    pub bindings_removed: usize,
}

/// Whether a purge is done, or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurgeRun {
    /// Done.
    #[default]
    Real,
    /// Told.
    Dry,
}

/// How much of what a node has may be purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurgeShare {
    /// What the node's configuration allows.
    #[default]
    Limited,
    /// Whatever is named: an operator insists.
    Any,
}

/// An instance, as it was when it was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeInstance {
    /// Its id.
    pub id: InstanceId,
    /// Ordered anew since, it is another one, and stays.
    pub generation: Generation,
}

/// A binding, as it was when it was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeBinding {
    /// Its instance.
    pub instance: InstanceId,
    /// Its id.
    pub id: BindingId,
    /// Ordered anew since, it is another one, and stays.
    pub generation: Generation,
}

/// The node's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanAnswer {
    /// Whether the order was obeyed; if not, nothing was done.
    #[serde(flatten)]
    pub reply: Reply,
    /// What became of each item.
    #[serde(default)]
    pub items: Vec<OrphanItem>,
}

impl OrphanAnswer {
    /// The envelope of `result`.
    #[must_use]
    pub fn of(result: Result<Vec<OrphanItem>, Fault>) -> Self {
        match result {
            Ok(items) => Self { reply: Reply::of(Ok(())), items },
            Err(fault) => Self { reply: Reply::of(Err(fault)), items: Vec::new() },
        }
    }
}

/// What became of one item, or would become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanItem {
    /// The instance.
    pub instance: InstanceId,
    /// The binding, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingId>,
    /// What became of it.
    pub outcome: OrphanOutcome,
    /// When it is removed, if it is in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

/// What became of an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrphanOutcome {
    /// Kept for some time yet.
    Quarantined,
    /// Removed.
    Removed,
    /// It was not there.
    Gone,
    /// It was ordered anew since, and stays.
    Newer,
    /// Out of quarantine.
    Released,
    /// Told to an original node, which does not answer.
    Told,
    /// See the error.
    Failed,
}

impl OrphanItem {
    /// What became of `instance`.
    #[must_use]
    pub const fn of(instance: InstanceId, outcome: OrphanOutcome) -> Self {
        Self { instance, binding: None, outcome, until: None, error: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::StoreEpoch;

    #[test]
    fn an_order_is_one_flat_object_and_its_defaults_are_the_careful_ones() {
        let text = r#"{"store":{"epoch":"e1","position":7,"drawn":9},"act":"purge",
            "instances":[{"id":"d1","generation":2}]}"#;
        let order: OrphanOrder = serde_json::from_str(text).unwrap();
        let OrphanAct::Purge(purge) = &order.act else { panic!("{order:?}") };
        assert_eq!(order.store.epoch, StoreEpoch::new("e1").unwrap());
        assert_eq!((purge.run, purge.share), (PurgeRun::Real, PurgeShare::Limited));
        let again: OrphanOrder =
            serde_json::from_str(&serde_json::to_string(&order).unwrap()).unwrap();
        assert_eq!(again, order);
    }

    #[test]
    fn a_refusal_has_no_items() {
        let text = serde_json::to_string(&OrphanAnswer::of(Err(Fault::unavailable()))).unwrap();
        assert!(text.contains(r#""items":[]"#), "{text}");
        let none: OrphanAnswer = serde_json::from_str(r#"{"success":true}"#).unwrap();
        assert_eq!(none, OrphanAnswer::of(Ok(Vec::new())));
    }
}
