//! Compares what clients were told with what is there: values only, so that it can be tested.

use std::collections::{BTreeMap, BTreeSet};

use tenon_protocol::message::Object;

use super::told::Told;

/// What one node has of one offering.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NodeFound {
    pub(crate) node: String,
    pub(crate) offering: String,
    pub(crate) instances: BTreeSet<String>,
    pub(crate) bindings: BTreeSet<String>,
    pub(crate) strangers: Vec<String>,
    /// Databases or directories, past all records.
    pub(crate) outside: BTreeSet<String>,
    /// Accounts on a database server; `None` where there are none to have.
    pub(crate) accounts: Option<usize>,
    /// As it announces.
    pub(crate) free: i64,
    pub(crate) capacity: i64,
}

/// What credentials were good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// They open, and this stands there.
    Opens(u64),
    ShutOut,
}

/// What is there when everything has come to rest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// Instances and bindings that the records call ready, and their nodes.
    pub(crate) recorded: BTreeMap<String, String>,
    pub(crate) nodes: Vec<NodeFound>,
    /// By instance or binding, of what lives and what is gone.
    pub(crate) entered: BTreeMap<String, Entered>,
    /// Jobs that wait or run.
    pub(crate) unfinished_jobs: Vec<String>,
    /// Moves that have not come to an end.
    pub(crate) unfinished_moves: Vec<String>,
    /// Snapshots by instance and number, as they are recorded.
    pub(crate) snapshots: BTreeMap<Numbered, String>,
    /// Files of snapshots, by instance and number; other names as they are.
    pub(crate) files: BTreeSet<Numbered>,
    /// Instances that have something in the store of snapshots.
    pub(crate) shelves: BTreeSet<String>,
    /// What the gateways' own check calls orphans, strangers or missing.
    pub(crate) reported: Vec<String>,
    /// Handles of the cloud controller: by id, what of its credentials opens.
    pub(crate) handles: BTreeMap<String, Object>,
    /// Logs, and what they should not say.
    pub(crate) leaks: Vec<String>,
}

/// An instance's id and a snapshot's number.
pub(crate) type Numbered = (String, String);

/// Something that may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Promised, and no record.
    Lost(String),
    /// Given back, and there is a record.
    Lives(String),
    /// On other nodes than the one that the records name; none, or several.
    Misplaced { id: String, recorded: Option<String>, on: Vec<String> },
    /// A node's service has something that the node does not know.
    Stranger(String),
    /// Past the records: databases or directories that are not those of the instances.
    Outside { node: String, found: BTreeSet<String>, expected: BTreeSet<String> },
    /// Accounts that are not those of instances and bindings.
    Accounts { node: String, found: usize, expected: usize },
    /// Living credentials do not open.
    ShutOut(String),
    /// Given back, and opens.
    LetIn(String),
    /// Not what was last acknowledged.
    Value { id: String, found: u64, allowed: BTreeSet<u64> },
    /// Announced otherwise than configured without what lives.
    Capacity { node: String, free: i64, expected: i64 },
    /// A job that never ends.
    Job(String),
    /// A move that never ends.
    Move(String),
    /// A snapshot that was promised: no record, or no data.
    SnapshotLost(Numbered),
    /// A snapshot that was given back, or whose instance was: a record, or data.
    SnapshotLives(Numbered),
    /// A snapshot with another name than it was given.
    SnapshotName { snapshot: Numbered, found: String, expected: String },
    /// Data of an instance that is not there, in the store of snapshots.
    Remains(String),
    /// Removed as an orphan, and ordered.
    PurgedAlive(String),
    /// Removed as an orphan, and nobody but the platform made it one.
    MadeAnOrphan(String),
    /// What the gateways' own check found.
    Reported(String),
    /// The cloud controller knows other credentials, or none, or those of something that is gone.
    Handle(String),
    /// A log says too much, or of a panic.
    Leak(String),
    /// An answer was wrong by itself.
    Complaint(String),
}

/// All violations.
pub(crate) fn judge(told: &Told, found: &Found) -> Vec<Violation> {
    let mut violations = promises(told, found);
    violations.extend(places(found));
    violations.extend(found.nodes.iter().flat_map(node));
    violations.extend(entries(told, found));
    violations.extend(found.unfinished_jobs.iter().cloned().map(Violation::Job));
    violations.extend(found.unfinished_moves.iter().cloned().map(Violation::Move));
    violations.extend(snapshots(told, found));
    violations.extend(purges(told));
    violations.extend(found.reported.iter().cloned().map(Violation::Reported));
    violations.extend(handles(told, found));
    violations.extend(found.leaks.iter().cloned().map(Violation::Leak));
    violations.extend(told.complaints.iter().cloned().map(Violation::Complaint));
    violations
}

fn promises(told: &Told, found: &Found) -> Vec<Violation> {
    let living =
        told.living.iter().flat_map(|(id, it)| std::iter::once(id).chain(it.bindings.keys()));
    let lost = living.filter(|id| !found.recorded.contains_key(*id));
    let lives = told.gone.keys().filter(|id| found.recorded.contains_key(*id));
    lost.cloned().map(Violation::Lost).chain(lives.cloned().map(Violation::Lives)).collect()
}

/// What the records name and what nodes have are the same, on the same nodes.
fn places(found: &Found) -> Vec<Violation> {
    let mut on: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for node in &found.nodes {
        for id in node.instances.iter().chain(&node.bindings) {
            on.entry(id).or_default().push(node.node.clone());
        }
    }
    let ids: BTreeSet<&String> = found.recorded.keys().chain(on.keys().copied()).collect();
    let mut violations = Vec::new();
    for id in ids {
        let (recorded, on) = (found.recorded.get(id), on.get(id).cloned().unwrap_or_default());
        if recorded.map(std::slice::from_ref) != Some(on.as_slice()) {
            let recorded = recorded.cloned();
            violations.push(Violation::Misplaced { id: id.clone(), recorded, on });
        }
    }
    violations
}

fn node(found: &NodeFound) -> Vec<Violation> {
    let mut violations: Vec<_> = found.strangers.iter().cloned().map(Violation::Stranger).collect();
    let node = || format!("{} of {}", found.node, found.offering);
    if found.outside != found.instances {
        let expected = found.instances.clone();
        let outside = found.outside.clone();
        violations.push(Violation::Outside { node: node(), found: outside, expected });
    }
    let expected = found.instances.len() + found.bindings.len();
    if let Some(accounts) = found.accounts.filter(|accounts| *accounts != expected) {
        violations.push(Violation::Accounts { node: node(), found: accounts, expected });
    }
    let expected = found.capacity - i64::try_from(found.instances.len()).unwrap();
    if found.free != expected {
        violations.push(Violation::Capacity { node: node(), free: found.free, expected });
    }
    violations
}

fn entries(told: &Told, found: &Found) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, instance) in &told.living {
        for id in std::iter::once(id).chain(instance.bindings.keys()) {
            match found.entered.get(id) {
                Some(Entered::ShutOut) | None => violations.push(Violation::ShutOut(id.clone())),
                Some(Entered::Opens(value)) => {
                    let allowed = instance.values.clone().unwrap_or(BTreeSet::from([*value]));
                    if !allowed.contains(value) {
                        let (id, found) = (id.clone(), *value);
                        violations.push(Violation::Value { id, found, allowed });
                    }
                }
            }
        }
    }
    let opens = |id: &&String| matches!(found.entered.get(*id), Some(Entered::Opens(_)));
    violations.extend(told.gone.keys().filter(opens).cloned().map(Violation::LetIn));
    violations
}

fn snapshots(told: &Told, found: &Found) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, instance) in &told.living {
        for (number, told) in &instance.snapshots {
            let snapshot = (id.clone(), number.clone());
            match (found.snapshots.get(&snapshot), &told.name) {
                (Some(found), Some(expected)) if found != expected => {
                    let (found, expected) = (found.clone(), expected.clone());
                    violations.push(Violation::SnapshotName { snapshot, found, expected });
                }
                (Some(_), _) if found.files.contains(&snapshot) => {}
                (Some(_) | None, _) => violations.push(Violation::SnapshotLost(snapshot)),
            }
        }
        let deleted = instance.deleted.iter().map(|number| (id.clone(), number.clone()));
        let is_there =
            |one: &Numbered| found.snapshots.contains_key(one) || found.files.contains(one);
        violations.extend(deleted.filter(is_there).map(Violation::SnapshotLives));
    }
    let lives = |id: &String| found.recorded.contains_key(id);
    let left = found.snapshots.keys().filter(|(id, _)| !lives(id));
    violations.extend(left.cloned().map(Violation::SnapshotLives));
    let left = found.shelves.iter().filter(|id| !lives(id));
    violations.extend(left.cloned().map(Violation::Remains));
    // Snapshots that nobody was told of have records, too. What a move left is overwritten by the
    // next one.
    let strange =
        found.files.iter().filter(|one| lives(&one.0) && !found.snapshots.contains_key(one));
    violations.extend(strange.map(|(id, file)| Violation::Remains(format!("{id}/{file}"))));
    violations
}

fn purges(told: &Told) -> Vec<Violation> {
    let bindings = told.living.values().flat_map(|instance| instance.bindings.keys());
    let living: BTreeSet<&String> = told.living.keys().chain(bindings).collect();
    let alive = told.purged.iter().filter(|id| living.contains(id));
    let made = told.purged.iter().filter(|id| !told.lost.contains(*id));
    let alive = alive.cloned().map(Violation::PurgedAlive);
    alive.chain(made.cloned().map(Violation::MadeAnOrphan)).collect()
}

/// What the cloud controller was told of everything that lives, after all moves.
fn handles(told: &Told, found: &Found) -> Vec<Violation> {
    let mut living = BTreeMap::new();
    for (id, instance) in &told.living {
        living.insert(id, &instance.credentials);
        let bindings = instance.bindings.iter();
        living.extend(bindings.map(|(id, binding)| (id, &binding.credentials)));
    }
    let other = living.iter().filter(|(id, told)| found.handles.get(**id) != Some(**told));
    let other = other.map(|(id, _)| (*id).clone());
    let gone = found.handles.keys().filter(|id| told.gone.contains_key(*id)).cloned();
    other.chain(gone).map(Violation::Handle).collect()
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
