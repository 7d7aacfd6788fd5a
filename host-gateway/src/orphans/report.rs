//! The report of one orphan check.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

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

    /// Compares the records with what the platform has by any name. What it has is no orphan,
    /// whatever the records say (P8).
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
        for ids in self.orphan_instances.values_mut().chain(self.strangers.values_mut()) {
            unrecorded += drop_if(ids, |id| claimed.contains(id));
        }
        for bindings in self.orphan_bindings.values_mut() {
            unrecorded += drop_if(bindings, |binding| {
                let binding = OrphanBinding::of(binding);
                binding.is_some_and(|binding| claimed.contains(binding.handle_id.as_str()))
            });
        }
        self.forget_empty();
        if unrecorded > 0 {
            let text = format!("{unrecorded} are in no record, and the platform has them");
            self.problems.push(text);
        }
    }

    /// The platform's list did not come whole, because of `why`: whether what no record knows is an
    /// orphan remains open (P8).
    pub(crate) fn leave_open(&mut self, why: &dyn Display) {
        let lists = self.orphan_instances.values().chain(self.strangers.values());
        let bindings: usize = self.orphan_bindings.values().map(Vec::len).sum();
        let open = lists.map(Vec::len).sum::<usize>() + bindings;
        self.problems.push(format!("{why}; {open} in no record may be the platform's"));
        self.orphan_instances.clear();
        self.orphan_bindings.clear();
        self.strangers.clear();
    }

    fn forget_empty(&mut self) {
        self.orphan_instances.retain(|_, ids| !ids.is_empty());
        self.orphan_bindings.retain(|_, bindings| !bindings.is_empty());
        self.strangers.retain(|_, ids| !ids.is_empty());
    }
}

/// Drops what `is_wanted`; how many they were.
fn drop_if<T>(all: &mut Vec<T>, is_wanted: impl Fn(&T) -> bool) -> usize {
    let before = all.len();
    all.retain(|one| !is_wanted(one));
    before - all.len()
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

    /// A node with an instance that no record knows, a stranger, and a binding of `d2` without a
    /// record.
    fn unrecorded() -> ([(NodeId, Inventory); 1], Known) {
        let inventory = Inventory {
            instances: vec![seen(1, 0), InventoryInstance { id: id("d2"), ..seen(1, 0) }],
            strangers: vec!["d3".to_owned()],
            doubt: None,
        };
        ([(node("n1"), inventory)], of(&[("d2", Phase::Ready)]))
    }

    fn orphans(report: &Report) -> [usize; 3] {
        let names = [&report.orphan_instances, &report.strangers];
        let [instances, strangers] = names.map(|map| map.values().map(Vec::len).sum());
        [instances, strangers, report.orphan_bindings.values().map(Vec::len).sum()]
    }

    #[test]
    fn p08_whatever_the_platform_names_is_no_orphan() {
        let (all, known) = unrecorded();
        for (claimed, expected) in [
            (&["d2"][..], [1, 1, 1]),
            (&["d1", "d2"], [0, 1, 1]),
            (&["d2", "d3"], [1, 0, 1]),
            (&["d2", "b1"], [1, 1, 0]),
            (&["d1", "d2", "d3", "b1"], [0, 0, 0]),
        ] {
            let mut report = at_now();
            report.compare(&all, &known);
            report.compare_platform(&claimed.iter().map(|&id| id.to_owned()).collect(), &known);
            assert_eq!(orphans(&report), expected, "{claimed:?}");
        }
    }

    #[test]
    fn p08_without_the_whole_list_of_the_platform_there_is_no_orphan() {
        let (all, known) = unrecorded();
        let mut report = at_now();
        report.compare(&all, &known);
        assert_eq!(orphans(&report), [1, 1, 1]);
        report.leave_open(&"2 handles cannot be read");
        assert_eq!(orphans(&report), [0, 0, 0]);
        let told = "2 handles cannot be read; 3 in no record may be the platform's";
        assert_eq!((report.problems, report.unclaimed_instances), (vec![told.to_owned()], None));
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
