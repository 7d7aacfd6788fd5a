//! Two looks at what original nodes report. Reference, section 3.7.
//!
//! Such a report cannot be told complete, its nodes invent ids, and an instance may be on its way
//! to the platform while it is reported. So what neither the first nor the second look lists is an
//! orphan. Reports that come late wait for the next round; the original lost them (P24).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use tenon_protocol::NodeId;
use tenon_protocol::message::{NodeHandlesReport, Object};
use tokio::time::Instant;

use super::OrphanBindings;

/// Items that are kept at most; anybody can report on the shared subject.
const MAX_STAGED: usize = 1_000_000;
/// Bytes of them.
const MAX_BYTES: usize = 128 << 20;
/// What an item takes besides its text.
const AROUND: usize = 64;
/// What no check asked for by then is forgotten.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// What stands for a secret.
const HIDDEN: &str = "********";
/// The password that nodes report, which is none.
const FAKE: &str = "fake-password";

/// What the platform or a record knows at one look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    instances: HashSet<String>,
    accounts: HashSet<String>,
}

impl Listed {
    /// Adds an instance.
    pub(crate) fn instance(&mut self, id: impl Into<String>) {
        self.instances.insert(id.into());
    }

    /// Adds the account that `credentials` name; those without one cannot be told apart.
    pub(crate) fn account(&mut self, credentials: &Object) {
        self.accounts.extend(account_of(credentials));
    }

    /// Whether an instance is there.
    pub(crate) fn has_instance(&self, id: &str) -> bool {
        self.instances.contains(id)
    }

    /// Whether the account that `credentials` name is there. `None` when they name none.
    pub(crate) fn has_account(&self, credentials: &Object) -> Option<bool> {
        account_of(credentials).map(|account| self.accounts.contains(&account))
    }
}

/// Instance and user, as the original compared them.
fn account_of(credentials: &Object) -> Option<String> {
    let text = |key: &str| credentials.get(key).and_then(|value| value.as_str());
    let user = text("username").or_else(|| text("user"))?;
    // Not only put together, as in the original: `d1` + `u` is not `d` + `1u`.
    Some(format!("{}\n{user}", text("name")?))
}

/// What nodes reported and was not judged yet.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    nodes: BTreeMap<NodeId, Reported>,
    round: u64,
    items: usize,
    bytes: usize,
    dropped: usize,
}

#[derive(Debug)]
struct Reported {
    round: u64,
    heard: Instant,
    instances: BTreeSet<String>,
    /// JSON by account: as values they take a multiple of it.
    bindings: BTreeMap<String, String>,
}

impl Reported {
    fn new(round: u64) -> Self {
        let (instances, bindings) = (BTreeSet::new(), BTreeMap::new());
        Self { round, heard: Instant::now(), instances, bindings }
    }

    fn items(&self) -> usize {
        self.instances.len() + self.bindings.len()
    }

    fn bytes(&self) -> usize {
        let instances = self.instances.iter().map(|id| size_of_item(id, ""));
        let bindings = self.bindings.iter().map(|(account, json)| size_of_item(account, json));
        instances.chain(bindings).sum()
    }
}

const fn size_of_item(key: &str, value: &str) -> usize {
    key.len() + value.len() + AROUND
}

/// What is odd about a report that was taken down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Odd {
    /// Bindings that name no user: they cannot be compared.
    pub(crate) nameless: usize,
    /// Items that did not fit.
    pub(crate) dropped: usize,
}

/// What a round found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    pub(crate) instances: BTreeMap<NodeId, Vec<String>>,
    pub(crate) bindings: OrphanBindings,
    /// Items that did not fit.
    pub(crate) dropped: usize,
}

impl Stage {
    /// A new round: nodes are about to be asked.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
    }

    /// A batch of a report. Batches of one round add up; a newer round's replace what came late.
    /// The same batch again changes nothing.
    pub(crate) fn take(&mut self, report: NodeHandlesReport) -> Odd {
        self.forget_old();
        let (round, id) = (self.round, report.node_id);
        let mut node = match self.nodes.remove(&id) {
            Some(node) if node.round == round => node,
            late => {
                late.iter().for_each(|late| self.give_back(late));
                Reported::new(round)
            }
        };
        node.heard = Instant::now();
        let mut odd = Odd::default();
        for id in report.instances_list {
            if node.instances.contains(&id) {
                continue;
            }
            if self.room_for(size_of_item(&id, "")) {
                node.instances.insert(id);
            } else {
                odd.dropped += 1;
            }
        }
        for credentials in report.bindings_list {
            let Some(account) = account_of(&credentials) else {
                odd.nameless += 1;
                continue;
            };
            if node.bindings.contains_key(&account) {
                continue;
            }
            let json = serde_json::to_string(&hidden(credentials)).unwrap_or_default();
            if self.room_for(size_of_item(&account, &json)) {
                node.bindings.insert(account, json);
            } else {
                odd.dropped += 1;
            }
        }
        self.nodes.insert(id, node);
        self.dropped += odd.dropped;
        odd
    }

    /// Whether one more item of `bytes` fits; it is counted then.
    fn room_for(&mut self, bytes: usize) -> bool {
        let fits = self.items < MAX_STAGED && bytes <= MAX_BYTES.saturating_sub(self.bytes);
        if fits {
            self.items += 1;
            self.bytes += bytes;
        }
        fits
    }

    fn give_back(&mut self, node: &Reported) {
        self.items = self.items.saturating_sub(node.items());
        self.bytes = self.bytes.saturating_sub(node.bytes());
    }

    /// Forgets what was reported long ago: nobody looks for orphans here.
    pub(crate) fn forget_old(&mut self) {
        let old = self.nodes.extract_if(.., |_, node| node.heard.elapsed() > KEPT);
        let old: Vec<Reported> = old.map(|(_, node)| node).collect();
        old.iter().for_each(|node| self.give_back(node));
    }

    /// Ends the round: what neither look lists is an orphan. Who reported and has none is named
    /// too, as by the original: its list is empty.
    pub(crate) fn finish(&mut self, first: &Listed, second: &Listed) -> Verdicts {
        let nodes = std::mem::take(&mut self.nodes);
        (self.items, self.bytes) = (0, 0);
        let mut verdicts =
            Verdicts { dropped: std::mem::take(&mut self.dropped), ..Verdicts::default() };
        for (node, reported) in nodes {
            let listed = |id: &String| first.has_instance(id) || second.has_instance(id);
            let instances: Vec<String> =
                reported.instances.into_iter().filter(|id| !listed(id)).collect();
            verdicts.instances.insert(node.clone(), instances);
            let listed = |account: &String| {
                first.accounts.contains(account) || second.accounts.contains(account)
            };
            let bindings = reported.bindings.into_iter().filter(|(account, _)| !listed(account));
            let read = |(_, json): (String, String)| serde_json::from_str(&json).ok();
            let bindings: Vec<Object> = bindings.filter_map(read).collect();
            verdicts.bindings.insert(node, bindings);
        }
        verdicts
    }
}

fn hidden(mut credentials: Object) -> Object {
    for key in ["password", "pass", "uri", "url"] {
        if let Some(value) = credentials.get_mut(key).filter(|value| **value != FAKE) {
            *value = HIDDEN.into();
        }
    }
    credentials
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(node: &str, instances: &[&str], users: &[(&str, &str)]) -> NodeHandlesReport {
        let binding = |&(name, user): &(&str, &str)| {
            let json = json!({"name": name, "username": user, "password": FAKE});
            json.as_object().unwrap().clone()
        };
        NodeHandlesReport {
            instances_list: instances.iter().map(|&id| id.to_owned()).collect(),
            bindings_list: users.iter().map(binding).collect(),
            node_id: NodeId::new(node).unwrap(),
        }
    }

    fn listed(instances: &[&str], users: &[(&str, &str)]) -> Listed {
        let mut listed = Listed::default();
        instances.iter().for_each(|&id| listed.instance(id));
        report("n", &[], users).bindings_list.iter().for_each(|binding| listed.account(binding));
        listed
    }

    fn shown(verdicts: &Verdicts) -> String {
        let instances = verdicts.instances.iter().map(|(node, ids)| format!("{node}: {ids:?}"));
        let users = |bindings: &Vec<Object>| -> Vec<String> {
            bindings.iter().filter_map(account_of).map(|text| text.replace('\n', "/")).collect()
        };
        let bindings =
            verdicts.bindings.iter().map(|(node, all)| format!("{node}: {:?}", users(all)));
        instances.chain(bindings).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn p24_what_one_of_two_looks_lists_is_no_orphan() {
        let mut stage = Stage::default();
        stage.begin();
        stage.take(report("n1", &["d1", "d2", "d3"], &[("d1", "u1"), ("d1", "u2")]));
        stage.take(report("n1", &["d4"], &[]));
        // d2 was on its way at the first look, d3 was removed before the second.
        let first = listed(&["d1", "d3"], &[("d1", "u1")]);
        let second = listed(&["d1", "d2"], &[("d1", "u1")]);
        let verdicts = stage.finish(&first, &second);
        assert_eq!(shown(&verdicts), r#"n1: ["d4"]; n1: ["d1/u2"]"#);
        assert_eq!(stage.finish(&first, &second), Verdicts::default());
    }

    #[test]
    fn an_instance_and_a_user_are_two_names_and_not_one_text() {
        let mut stage = Stage::default();
        stage.begin();
        stage.take(report("n1", &[], &[("d1", "u"), ("d", "1u")]));
        let platform = listed(&[], &[("d1", "u")]);
        let verdicts = stage.finish(&platform, &platform);
        assert_eq!(shown(&verdicts), r#"n1: []; n1: ["d/1u"]"#);
    }

    #[test]
    fn p24_a_report_that_comes_late_is_judged_in_the_next_round() {
        let mut stage = Stage::default();
        let none = Listed::default();
        stage.begin();
        assert_eq!(stage.finish(&none, &none), Verdicts::default());
        stage.take(report("n1", &["d1"], &[]));
        stage.take(report("n2", &["d2"], &[]));
        stage.begin();
        // n1 reports again, and that counts; n2 is late again.
        stage.take(report("n1", &["d3"], &[]));
        let verdicts = shown(&stage.finish(&none, &none));
        assert_eq!(verdicts, r#"n1: ["d3"]; n2: ["d2"]; n1: []; n2: []"#);
    }

    #[test]
    fn who_reported_is_named_without_an_orphan_too() {
        let mut stage = Stage::default();
        stage.take(report("n1", &["d1"], &[]));
        let verdicts = stage.finish(&listed(&["d1"], &[]), &Listed::default());
        assert_eq!(shown(&verdicts), "n1: []; n1: []");
    }

    #[test]
    fn bindings_without_a_user_are_nobody_and_secrets_are_hidden() {
        let mut stage = Stage::default();
        let mut odd = report("n1", &[], &[("d1", "u1")]);
        odd.bindings_list.push(json!({"name": "d1", "user": null}).as_object().unwrap().clone());
        odd.bindings_list[0].insert("password".to_owned(), "hunter2".into());
        stage.take(odd);
        let verdicts = stage.finish(&Listed::default(), &Listed::default());
        let bindings = &verdicts.bindings[&NodeId::new("n1").unwrap()];
        assert_eq!(bindings.len(), 1);
        assert_eq!(bindings[0]["password"], HIDDEN);
        assert_eq!(listed(&[], &[("d1", "u1")]).has_account(&bindings[0]), Some(true));
        assert_eq!(Listed::default().has_account(&Object::new()), None);
    }

    #[test]
    fn a_flood_of_reports_is_cut_off_and_said_so() {
        let mut stage = Stage { items: MAX_STAGED - 1, ..Stage::default() };
        let odd = stage.take(report("n1", &["d1", "d2"], &[("d1", "u1")]));
        assert_eq!(odd, Odd { dropped: 2, nameless: 0 });
        assert_eq!(stage.finish(&Listed::default(), &Listed::default()).dropped, 2);
    }

    #[test]
    fn a_flood_of_long_names_is_cut_off_by_its_bytes() {
        let mut stage = Stage::default();
        let mut dropped = 0;
        for number in 0..200 {
            let long = format!("{number}{}", "d".repeat(1 << 20));
            dropped += stage.take(report("n1", &[&long], &[])).dropped;
        }
        assert!((70..80).contains(&dropped), "{dropped}");
        assert!(stage.bytes <= MAX_BYTES);
        assert_eq!(stage.take(report("n1", &["d1"], &[])).dropped, 0, "what fits is taken");
        stage.begin();
        // The node reports anew: what it reported before takes no room any more.
        stage.take(report("n1", &["d1"], &[("d1", "u1")]));
        assert_eq!(
            (stage.items, stage.bytes),
            (2, stage.nodes.values().map(Reported::bytes).sum())
        );
        stage.finish(&Listed::default(), &Listed::default());
        assert_eq!((stage.items, stage.bytes), (0, 0));
    }

    #[test]
    fn a_report_that_comes_twice_counts_once() {
        let mut stage = Stage::default();
        for _ in 0..2 {
            stage.take(report("n1", &["d1", "d1"], &[("d1", "u1"), ("d1", "u1")]));
        }
        assert_eq!(stage.items, 2);
        let found = stage.finish(&Listed::default(), &Listed::default());
        assert_eq!(shown(&found), r#"n1: ["d1"]; n1: ["d1/u1"]"#);
    }

    #[tokio::test(start_paused = true)]
    async fn p24_what_was_reported_waits_for_a_day() {
        let mut stage = Stage::default();
        stage.take(report("n1", &["d1"], &[("d1", "u1")]));
        tokio::time::advance(KEPT / 2).await;
        stage.take(report("n2", &["d2"], &[]));
        stage.forget_old();
        assert_eq!(stage.items, 3);
        tokio::time::advance(KEPT / 2 + Duration::from_secs(1)).await;
        stage.forget_old();
        assert_eq!((stage.nodes.len(), stage.items), (1, 1));
        let found = stage.finish(&Listed::default(), &Listed::default());
        assert_eq!(shown(&found), r#"n2: ["d2"]; n2: []"#);
    }
}
