//! The report of one orphan check.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{InventoryInstance, Object};
use tenon_protocol::record::Phase;
use tenon_protocol::{InstanceId, NodeId};

use super::{Inventory, Known, OrphanBinding, Verdict, YOUNG, judge};

/// Bindings by node: of our nodes with `name` and `handle_id`, of original ones as they named them.
pub(crate) type OrphanBindings = BTreeMap<NodeId, Vec<Object>>;

/// What an orphan check found. The first two maps go into a purge as they are.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(crate) struct Report {
    /// When the check began.
    pub(crate) begun: Millis,
    /// Why it is not complete; empty when it is.
    pub(crate) problems: Vec<String>,
    /// On the node, and in no record.
    pub(crate) orphan_instances: BTreeMap<NodeId, Vec<String>>,
    /// On the node, and in no record, though their instance is.
    pub(crate) orphan_bindings: OrphanBindings,
    /// In no record and not in the node's ledger either: only the service itself has them.
    pub(crate) strangers: BTreeMap<NodeId, Vec<String>>,
    /// In the records, and not on their node.
    pub(crate) missing_instances: BTreeMap<NodeId, Vec<InstanceId>>,
    /// Purged before, and kept for some time yet.
    pub(crate) quarantined_instances: BTreeMap<NodeId, Vec<InstanceId>>,
    /// In the records, and not known to the platform. `None` when it was not asked.
    pub(crate) unclaimed_instances: Option<Vec<InstanceId>>,
}

impl Report {
    /// An empty report of a check that begins now.
    pub(crate) fn begin() -> Self {
        Self {
            begun: Millis::now(),
            problems: Vec::new(),
            orphan_instances: BTreeMap::new(),
            orphan_bindings: BTreeMap::new(),
            strangers: BTreeMap::new(),
            missing_instances: BTreeMap::new(),
            quarantined_instances: BTreeMap::new(),
            unclaimed_instances: None,
        }
    }

    /// Compares whole inventories, asked for before the records were read, with them. Returns what
    /// is in quarantine and was ordered.
    pub(crate) fn compare(
        &mut self,
        inventories: &[(NodeId, Inventory)],
        known: &Known,
    ) -> BTreeMap<NodeId, Vec<InstanceId>> {
        let mut claimed = BTreeMap::new();
        for (node, inventory) in inventories {
            let ordered = self.compare_node(node, inventory, known);
            insert(&mut claimed, node, ordered);
            self.problems.extend(inventory.doubt.iter().map(|text| format!("node {node}: {text}")));
        }
        self.find_missing(inventories, known);
        claimed
    }

    fn compare_node(
        &mut self,
        node: &NodeId,
        inventory: &Inventory,
        known: &Known,
    ) -> Vec<InstanceId> {
        let (mut orphans, mut bindings) = (Vec::new(), Vec::new());
        let (mut quarantined, mut claimed) = (Vec::new(), Vec::new());
        for seen in &inventory.instances {
            let verdict = judge(node, seen, known.instances.get(&seen.id), self.begun);
            match verdict {
                Verdict::Orphan if seen.quarantined.is_some() => quarantined.push(seen.id.clone()),
                Verdict::Orphan => orphans.push(seen.id.to_string()),
                Verdict::Young | Verdict::Leaving => {}
                Verdict::Ordered => {
                    bindings.extend(orphan_bindings_of(seen, known));
                    claimed.extend(seen.quarantined.map(|_| seen.id.clone()));
                }
            }
        }
        insert(&mut self.orphan_instances, node, orphans);
        insert(&mut self.orphan_bindings, node, bindings);
        insert(&mut self.quarantined_instances, node, quarantined);
        let strangers = inventory.strangers.iter().filter(|name| is_stranger(name, known));
        insert(&mut self.strangers, node, strangers.cloned().collect());
        claimed
    }

    fn find_missing(&mut self, inventories: &[(NodeId, Inventory)], known: &Known) {
        let there: HashMap<&NodeId, HashSet<&InstanceId>> = inventories
            .iter()
            .map(|(node, inventory)| {
                (node, inventory.instances.iter().map(|seen| &seen.id).collect())
            })
            .collect();
        for (id, record) in &known.instances {
            let expected = record.phase == Phase::Ready && record.created < self.begun;
            let absent = there.get(&record.node).is_some_and(|ids| !ids.contains(id));
            if expected && absent {
                self.missing_instances.entry(record.node.clone()).or_default().push(id.clone());
            }
        }
        self.missing_instances.values_mut().for_each(|ids| ids.sort());
    }

    /// Compares the records with what the platform has. What it has and no record knows is no
    /// orphan, whatever the records say (P8).
    pub(crate) fn compare_platform(&mut self, claimed: &HashSet<String>, known: &Known) {
        let begun = self.begun;
        let unclaimed = known.instances.iter().filter(|(id, record)| {
            let settled = record.phase == Phase::Ready && record.created.after(YOUNG) < begun;
            settled && !claimed.contains(id.as_str())
        });
        let mut unclaimed: Vec<InstanceId> = unclaimed.map(|(id, _)| id.clone()).collect();
        unclaimed.sort();
        self.unclaimed_instances = Some(unclaimed);
        let mut unrecorded = 0;
        for ids in self.orphan_instances.values_mut() {
            let before = ids.len();
            ids.retain(|id| !claimed.contains(id));
            unrecorded += before - ids.len();
        }
        self.orphan_instances.retain(|_, ids| !ids.is_empty());
        if unrecorded > 0 {
            let text =
                format!("{unrecorded} instances are in no record, and the platform has them");
            self.problems.push(text);
        }
    }
}

fn is_stranger(name: &str, known: &Known) -> bool {
    let record = InstanceId::new(name).ok().and_then(|id| known.instances.get(&id));
    record.is_none_or(|record| record.phase == Phase::Tomb)
}

fn orphan_bindings_of<'a>(
    seen: &'a InventoryInstance,
    known: &'a Known,
) -> impl Iterator<Item = Object> + 'a {
    let orphans = seen.bindings.iter().filter(|binding| {
        match known.bindings.get(&(seen.id.clone(), binding.id.clone())) {
            Some(Phase::Intent | Phase::Ready | Phase::Moving | Phase::Deleting) => false,
            Some(Phase::Tomb) | None => true,
        }
    });
    let named = |id: &tenon_protocol::BindingId| OrphanBinding {
        name: seen.id.clone(),
        handle_id: id.clone(),
    };
    orphans.map(move |binding| named(&binding.id).to_object())
}

fn insert<T>(map: &mut BTreeMap<NodeId, Vec<T>>, node: &NodeId, values: Vec<T>) {
    if !values.is_empty() {
        map.insert(node.clone(), values);
    }
}

#[cfg(test)]
mod tests {
    use tenon_protocol::BindingId;
    use tenon_protocol::message::Quarantined;

    use super::super::tests::{NOW, known, node, seen};
    use super::*;

    fn id(name: &str) -> InstanceId {
        InstanceId::new(name).unwrap()
    }

    fn of(instances: &[(&str, Phase)]) -> Known {
        let instances = instances.iter().map(|&(name, phase)| (id(name), known(phase)));
        Known { instances: instances.collect(), ..Known::default() }
    }

    fn at_now() -> Report {
        Report { begun: NOW, ..Report::begin() }
    }

    #[test]
    fn a_report_tells_orphans_orphan_bindings_and_what_is_missing() {
        let mut known = of(&[("d1", Phase::Ready), ("d2", Phase::Ready)]);
        let inventory = Inventory {
            instances: vec![seen(1, 0)],
            strangers: vec!["d2".to_owned(), "alien".to_owned(), "not an id".to_owned()],
            doubt: Some("obeys other records".to_owned()),
        };
        let all = [(node("n1"), inventory)];
        let mut report = at_now();
        assert!(report.compare(&all, &known).is_empty());
        assert_eq!(report.strangers[&node("n1")], ["alien", "not an id"]);
        assert_eq!(report.orphan_instances.len(), 0);
        let binding = &report.orphan_bindings[&node("n1")][0];
        assert_eq!(OrphanBinding::of(binding).unwrap().handle_id.as_str(), "b1");
        assert_eq!(report.missing_instances[&node("n1")], [id("d2")]);
        assert_eq!(report.problems, ["node n1: obeys other records"]);

        report.compare_platform(&HashSet::from(["d1".to_owned()]), &known);
        assert_eq!(report.unclaimed_instances, Some(vec![id("d2")]));

        known.bindings.insert((id("d1"), BindingId::new("b1").unwrap()), Phase::Ready);
        let mut clean = at_now();
        clean.compare(&all, &known);
        assert_eq!(clean.orphan_bindings.len(), 0);
    }

    #[test]
    fn p08_a_node_that_did_not_answer_has_neither_orphans_nor_missing_ones() {
        let mut report = at_now();
        report.compare(&[], &of(&[("d1", Phase::Ready)]));
        assert_eq!(report.missing_instances.len(), 0);
    }

    #[test]
    fn p08_what_the_platform_has_is_no_orphan_whatever_the_records_say() {
        let all = [(node("n1"), Inventory { instances: vec![seen(1, 0)], ..Inventory::default() })];
        let mut report = at_now();
        report.compare(&all, &Known::default());
        assert_eq!(report.orphan_instances[&node("n1")], ["d1"]);
        report.compare_platform(&HashSet::from(["d1".to_owned()]), &Known::default());
        assert_eq!(report.orphan_instances.len(), 0);
        assert_eq!(report.problems.len(), 1);
    }

    #[test]
    fn what_is_in_quarantine_is_no_orphan_again_and_is_had_back_when_it_was_ordered() {
        let now = Quarantined { since: NOW, until: NOW };
        let instance = InventoryInstance { quarantined: Some(now), ..seen(1, 0) };
        let all = [(node("n1"), Inventory { instances: vec![instance], ..Inventory::default() })];
        let mut report = at_now();
        assert!(report.compare(&all, &Known::default()).is_empty());
        assert_eq!(report.orphan_instances.len(), 0);
        assert_eq!(report.quarantined_instances[&node("n1")], [id("d1")]);

        let mut report = at_now();
        let claimed = report.compare(&all, &of(&[("d1", Phase::Ready)]));
        assert_eq!(claimed[&node("n1")], [id("d1")]);
    }
}
