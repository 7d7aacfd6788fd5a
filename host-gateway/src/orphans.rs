//! What is on nodes and was not ordered, and the reverse. Pure, but for the place where the last
//! reports are kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{InventoryInstance, Object};
use tenon_protocol::record::{Life, Phase};
use tenon_protocol::{BindingId, InstanceId, NodeId, ServiceName};

/// An instance younger than this may still be on its way into a record.
pub(crate) const YOUNG: Duration = Duration::from_secs(600);

/// The records of one offering, as far as orphans need them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) instances: HashMap<InstanceId, KnownInstance>,
    pub(crate) bindings: HashMap<(InstanceId, BindingId), Phase>,
}

/// An instance by its record.
#[derive(Debug, Clone)]
pub(crate) struct KnownInstance {
    pub(crate) life: Life,
    pub(crate) created: Millis,
}

/// All that one node has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    /// By its ledger.
    pub(crate) instances: Vec<InventoryInstance>,
    /// By the service alone.
    pub(crate) strangers: Vec<String>,
}

/// What an orphan check found. The two maps go into a purge as they are.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(crate) struct Report {
    /// When the check began.
    pub(crate) begun: Millis,
    /// Why it is not complete; empty when it is.
    pub(crate) problems: Vec<String>,
    /// On the node, and in no record.
    pub(crate) orphan_instances: BTreeMap<NodeId, Vec<InstanceId>>,
    /// On the node, and in no record, though their instance is.
    pub(crate) orphan_bindings: BTreeMap<NodeId, Vec<OrphanBinding>>,
    /// In no record and not in the node's ledger either: only the service itself has them.
    pub(crate) strangers: BTreeMap<NodeId, Vec<String>>,
    /// In the records, and not on their node.
    pub(crate) missing_instances: BTreeMap<NodeId, Vec<InstanceId>>,
    /// In the records, and not known to the platform. `None` when it was not asked.
    pub(crate) unclaimed_instances: Option<Vec<InstanceId>>,
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
            unclaimed_instances: None,
        }
    }

    /// Compares the whole inventory of `node`, asked for before the records were read, with them.
    pub(crate) fn compare(&mut self, node: &NodeId, inventory: &Inventory, known: &Known) {
        let mut orphans = Vec::new();
        let mut orphan_bindings = Vec::new();
        for seen in &inventory.instances {
            let record = known.instances.get(&seen.id);
            match judge(node, seen, record.map(|record| &record.life), self.begun) {
                Verdict::Orphan => orphans.push(seen.id.clone()),
                Verdict::Young | Verdict::Leaving => {}
                Verdict::Ordered => orphan_bindings.extend(orphan_bindings_of(seen, known)),
            }
        }
        let seen: HashSet<&InstanceId> = inventory.instances.iter().map(|seen| &seen.id).collect();
        let missing = missing(node, &seen, known, self.begun);
        insert(&mut self.orphan_instances, node, orphans);
        insert(&mut self.orphan_bindings, node, orphan_bindings);
        insert(&mut self.missing_instances, node, missing);
        let strangers = inventory.strangers.iter().filter(|name| is_stranger(name, known));
        insert(&mut self.strangers, node, strangers.cloned().collect());
    }

    /// Compares the records with what the platform has.
    pub(crate) fn compare_platform(&mut self, claimed: &HashSet<String>, known: &Known) {
        let begun = self.begun;
        let unclaimed = known.instances.iter().filter(|(id, record)| {
            let settled = record.life.phase == Phase::Ready && record.created.after(YOUNG) < begun;
            settled && !claimed.contains(id.as_str())
        });
        let mut unclaimed: Vec<InstanceId> = unclaimed.map(|(id, _)| id.clone()).collect();
        unclaimed.sort();
        self.unclaimed_instances = Some(unclaimed);
    }
}

/// What an instance on a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// A record says that it is there.
    Ordered,
    /// A record says that it is being removed.
    Leaving,
    /// No record knows it, yet.
    Young,
    /// No record knows it, or says that it is gone.
    Orphan,
}

fn judge(node: &NodeId, seen: &InventoryInstance, life: Option<&Life>, now: Millis) -> Verdict {
    let unknown = if seen.created.after(YOUNG) < now { Verdict::Orphan } else { Verdict::Young };
    let Some(life) = life else {
        return unknown;
    };
    if life.garbage.contains(node) {
        return Verdict::Leaving;
    }
    match life.phase {
        Phase::Intent | Phase::Ready | Phase::Moving if life.node == *node => Verdict::Ordered,
        Phase::Deleting => Verdict::Leaving,
        Phase::Intent | Phase::Ready | Phase::Moving | Phase::Tomb => unknown,
    }
}

fn is_stranger(name: &str, known: &Known) -> bool {
    let record = InstanceId::new(name).ok().and_then(|id| known.instances.get(&id));
    record.is_none_or(|record| record.life.phase == Phase::Tomb)
}

fn orphan_bindings_of<'a>(
    seen: &'a InventoryInstance,
    known: &'a Known,
) -> impl Iterator<Item = OrphanBinding> + 'a {
    let orphans = seen.bindings.iter().filter(|binding| {
        match known.bindings.get(&(seen.id.clone(), binding.id.clone())) {
            Some(Phase::Intent | Phase::Ready | Phase::Moving | Phase::Deleting) => false,
            Some(Phase::Tomb) | None => true,
        }
    });
    orphans.map(|binding| OrphanBinding { name: seen.id.clone(), handle_id: binding.id.clone() })
}

fn missing(
    node: &NodeId,
    seen: &HashSet<&InstanceId>,
    known: &Known,
    begun: Millis,
) -> Vec<InstanceId> {
    let missing = known.instances.iter().filter(|(id, record)| {
        let there = record.life.phase == Phase::Ready && record.life.node == *node;
        there && record.created < begun && !seen.contains(id)
    });
    let mut missing: Vec<InstanceId> = missing.map(|(id, _)| id.clone()).collect();
    missing.sort();
    missing
}

fn insert<T>(map: &mut BTreeMap<NodeId, Vec<T>>, node: &NodeId, values: Vec<T>) {
    if !values.is_empty() {
        map.insert(node.clone(), values);
    }
}

/// The last report of each offering, and which are being made.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrphanReports(Arc<Mutex<Reports>>);

#[derive(Debug, Default)]
struct Reports {
    last: BTreeMap<ServiceName, Report>,
    running: HashSet<ServiceName>,
}

/// Whether a check may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Yours,
    /// One runs already.
    Taken,
}

impl OrphanReports {
    /// Begins a check of `service`.
    pub(crate) fn begin(&self, service: &ServiceName) -> Turn {
        if self.lock().running.insert(service.clone()) { Turn::Yours } else { Turn::Taken }
    }

    /// Ends it.
    pub(crate) fn end(&self, service: &ServiceName, report: Report) {
        let mut reports = self.lock();
        reports.running.remove(service);
        reports.last.insert(service.clone(), report);
    }

    /// The last report of each offering.
    pub(crate) fn all(&self) -> BTreeMap<ServiceName, Report> {
        self.lock().last.clone()
    }

    // A panic while it is held leaves whole values behind.
    fn lock(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tenon_protocol::message::InventoryBinding;
    use tenon_protocol::record::Abandon;
    use tenon_protocol::{Generation, SealKey};

    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn id(name: &str) -> InstanceId {
        InstanceId::new(name).unwrap()
    }

    fn life(phase: Phase) -> Life {
        let key = SealKey::from_hex(&SealKey::random_hex()).unwrap();
        let sealed = key.seal("x", &1).unwrap();
        let intent = Life::intent(node("n1"), Millis::default(), Abandon::Undo);
        match phase {
            Phase::Intent => intent,
            Phase::Ready => intent.ready(sealed).unwrap(),
            Phase::Moving => {
                intent.ready(sealed).unwrap().moving(node("n9"), Millis::default()).unwrap()
            }
            Phase::Deleting => intent.deleting(Millis::default()).unwrap(),
            Phase::Tomb => intent.deleting(Millis::default()).unwrap().cleaned(&node("n1")),
        }
    }

    fn seen(created: u64) -> InventoryInstance {
        InventoryInstance {
            id: id("d1"),
            generation: Generation::FIRST,
            created: Millis::from_millis(created),
            bindings: vec![InventoryBinding {
                id: BindingId::new("b1").unwrap(),
                generation: Generation::FIRST,
            }],
        }
    }

    const NOW: Millis = Millis::from_millis(10_000_000);

    fn check_judge(on: &str, created: u64, life: Option<&Life>, expected: Verdict) {
        assert_eq!(judge(&node(on), &seen(created), life, NOW), expected);
    }

    #[test]
    fn only_what_is_old_and_was_not_ordered_is_an_orphan() {
        check_judge("n1", 0, None, Verdict::Orphan);
        check_judge("n1", 9_999_000, None, Verdict::Young);
        check_judge("n1", 0, Some(&life(Phase::Ready)), Verdict::Ordered);
        check_judge("n1", 0, Some(&life(Phase::Intent)), Verdict::Ordered);
        check_judge("n1", 0, Some(&life(Phase::Moving)), Verdict::Ordered);
        check_judge("n9", 0, Some(&life(Phase::Moving)), Verdict::Leaving);
        check_judge("n1", 0, Some(&life(Phase::Deleting)), Verdict::Leaving);
        check_judge("n1", 0, Some(&life(Phase::Tomb)), Verdict::Orphan);
    }

    #[test]
    fn an_instance_on_another_node_than_its_record_says_is_an_orphan_unless_it_is_leaving() {
        check_judge("n2", 0, Some(&life(Phase::Ready)), Verdict::Orphan);
        let moved = life(Phase::Intent).moved(node("n2"), Millis::default()).unwrap();
        check_judge("n1", 0, Some(&moved), Verdict::Leaving);
    }

    #[test]
    fn a_report_tells_orphans_orphan_bindings_and_what_is_missing() {
        let mut known = Known::default();
        let record = |phase| KnownInstance { life: life(phase), created: Millis::default() };
        known.instances.insert(id("d1"), record(Phase::Ready));
        known.instances.insert(id("d2"), record(Phase::Ready));
        let mut report = Report { begun: NOW, ..Report::begin() };
        let inventory = Inventory {
            instances: vec![seen(0)],
            strangers: vec!["d2".to_owned(), "alien".to_owned(), "not an id".to_owned()],
        };
        report.compare(&node("n1"), &inventory, &known);
        assert_eq!(report.strangers[&node("n1")], ["alien", "not an id"]);
        assert_eq!(report.orphan_instances.len(), 0);
        assert_eq!(report.orphan_bindings[&node("n1")][0].handle_id.as_str(), "b1");
        assert_eq!(report.missing_instances[&node("n1")], [id("d2")]);

        report.compare_platform(&HashSet::from(["d1".to_owned()]), &known);
        assert_eq!(report.unclaimed_instances, Some(vec![id("d2")]));

        known.bindings.insert((id("d1"), BindingId::new("b1").unwrap()), Phase::Ready);
        let mut clean = Report { begun: NOW, ..Report::begin() };
        clean.compare(&node("n1"), &inventory, &known);
        assert_eq!(clean.orphan_bindings.len(), 0);
    }

    #[test]
    fn one_check_of_an_offering_runs_at_once() {
        let reports = OrphanReports::default();
        let service = ServiceName::new("MyaaS").unwrap();
        assert_eq!(reports.begin(&service), Turn::Yours);
        assert_eq!(reports.begin(&service), Turn::Taken);
        reports.end(&service, Report::begin());
        assert_eq!(reports.begin(&service), Turn::Yours);
        assert_eq!(reports.all().len(), 1);
    }
}
