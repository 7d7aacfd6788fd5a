//! What is on nodes and was not ordered, and the reverse. Pure, but for the place where the last
//! reports are kept.

mod report;
mod reports;
mod stage;

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{InventoryInstance, Object};
use tenon_protocol::record::{InstanceRecord, Life, Phase};
use tenon_protocol::{BindingId, Generation, InstanceId, NodeId};

pub(crate) use report::{OrphanBindings, Report};
pub(crate) use reports::{OrphanReports, Turn};
pub(crate) use stage::{Listed, Stage, Verdicts};

/// An instance that an original gateway ordered may still be on its way into a record when it is
/// younger. What our gateways order is in a record before the node hears of it.
const YOUNG: Duration = Duration::from_secs(600);

/// The records of one offering, as far as orphans need them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) instances: HashMap<InstanceId, KnownInstance>,
    pub(crate) bindings: HashMap<(InstanceId, BindingId), Phase>,
}

/// An instance by its record, without its secrets.
#[derive(Debug, Clone)]
pub(crate) struct KnownInstance {
    phase: Phase,
    node: NodeId,
    garbage: Vec<NodeId>,
    created: Millis,
}

impl From<InstanceRecord> for KnownInstance {
    fn from(record: InstanceRecord) -> Self {
        let Life { phase, node, garbage, .. } = record.life;
        Self { phase, node, garbage, created: record.created }
    }
}

impl KnownInstance {
    /// Whether it is, or is to be, on `node`.
    pub(crate) fn lives_on(&self, node: &NodeId) -> bool {
        self.node == *node && !self.is_gone()
    }

    /// Whether it is remembered only.
    pub(crate) fn is_gone(&self) -> bool {
        self.phase == Phase::Tomb
    }
}

/// All that one node has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    /// By its ledger.
    pub(crate) instances: Vec<InventoryInstance>,
    /// By the service alone.
    pub(crate) strangers: Vec<String>,
    /// Why its purges would be refused.
    pub(crate) doubt: Option<String>,
}

/// A binding as a purge names it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct OrphanBinding {
    /// Its instance.
    pub(crate) name: InstanceId,
    /// The binding.
    pub(crate) handle_id: BindingId,
}

impl OrphanBinding {
    /// The binding that `credentials` name; `None` when they are an original node's, which have no
    /// handle id.
    pub(crate) fn of(credentials: &Object) -> Option<Self> {
        serde_json::from_value(credentials.clone().into()).ok()
    }

    fn to_object(&self) -> Object {
        let fields = [("name", self.name.as_str()), ("handle_id", self.handle_id.as_str())];
        fields.into_iter().map(|(key, text)| (key.to_owned(), text.into())).collect()
    }
}

/// What an instance on a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A record says that it is there.
    Ordered,
    /// A record says that it is being removed, or moved.
    Leaving,
    /// No record knows it, yet.
    Young,
    /// No record knows it, or says that it is gone.
    Orphan,
}

/// Judges what `node` had at `now`, by a record that was read later.
pub(crate) fn judge(
    node: &NodeId,
    seen: &InventoryInstance,
    record: Option<&KnownInstance>,
    now: Millis,
) -> Verdict {
    let by_us = seen.generation > Generation::default();
    let is_old = by_us || seen.created.after(YOUNG) < now;
    let unknown = if is_old { Verdict::Orphan } else { Verdict::Young };
    let Some(record) = record else {
        return unknown;
    };
    if record.garbage.contains(node) {
        return Verdict::Leaving;
    }
    match record.phase {
        Phase::Intent | Phase::Ready | Phase::Moving if record.node == *node => Verdict::Ordered,
        Phase::Deleting => Verdict::Leaving,
        Phase::Intent | Phase::Ready | Phase::Moving | Phase::Tomb => unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    pub(super) fn known(phase: Phase) -> KnownInstance {
        KnownInstance { phase, node: node("n1"), garbage: Vec::new(), created: Millis::default() }
    }

    pub(super) fn seen(generation: u64, created: u64) -> InventoryInstance {
        InventoryInstance {
            id: InstanceId::new("d1").unwrap(),
            generation: Generation::new(generation),
            created: Millis::from_millis(created),
            bindings: vec![tenon_protocol::message::InventoryBinding {
                id: BindingId::new("b1").unwrap(),
                generation: Generation::FIRST,
            }],
            quarantined: None,
        }
    }

    pub(super) const NOW: Millis = Millis::from_millis(10_000_000);

    fn check_judge(on: &str, seen: &InventoryInstance, of: Option<Phase>, expected: Verdict) {
        let record = of.map(known);
        assert_eq!(judge(&node(on), seen, record.as_ref(), NOW), expected, "{of:?}");
    }

    #[test]
    fn only_what_was_not_ordered_is_an_orphan() {
        for (phase, expected) in [
            (None, Verdict::Orphan),
            (Some(Phase::Ready), Verdict::Ordered),
            (Some(Phase::Intent), Verdict::Ordered),
            (Some(Phase::Moving), Verdict::Ordered),
            (Some(Phase::Deleting), Verdict::Leaving),
            (Some(Phase::Tomb), Verdict::Orphan),
        ] {
            check_judge("n1", &seen(1, 0), phase, expected);
        }
    }

    #[test]
    fn p24_what_an_original_gateway_ordered_has_time_to_become_known() {
        check_judge("n1", &seen(0, 9_999_000), None, Verdict::Young);
        check_judge("n1", &seen(0, 0), None, Verdict::Orphan);
        check_judge("n1", &seen(1, 9_999_000), None, Verdict::Orphan);
    }

    #[test]
    fn an_instance_on_another_node_than_its_record_says_is_an_orphan_unless_it_is_leaving() {
        check_judge("n2", &seen(1, 0), Some(Phase::Ready), Verdict::Orphan);
        let moved = KnownInstance { garbage: vec![node("n2")], ..known(Phase::Moving) };
        assert_eq!(judge(&node("n2"), &seen(1, 0), Some(&moved), NOW), Verdict::Leaving);
    }
}
