//! Two looks at what original nodes report. Reference, section 3.7.
//!
//! Such a report cannot be told complete, its nodes invent ids, and an instance may be on its way
//! to the platform while it is reported. So what neither the first nor the second look lists is an
//! orphan. Reports that come late wait for the next round; the original lost them (P24).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tenon_protocol::NodeId;
use tenon_protocol::message::{NodeHandlesReport, Object};

use super::OrphanBindings;

/// Items that are kept at most; anybody can report on the shared subject.
const MAX_STAGED: usize = 1_000_000;
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
    dropped: usize,
}

#[derive(Debug, Default)]
struct Reported {
    round: u64,
    instances: BTreeSet<String>,
    bindings: BTreeMap<String, Object>,
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
    pub(crate) fn take(&mut self, report: NodeHandlesReport) {
        let round = self.round;
        let node = self.nodes.entry(report.node_id).or_default();
        if node.round != round {
            self.items -= node.instances.len() + node.bindings.len();
            *node = Reported { round, ..Reported::default() };
        }
        for id in report.instances_list {
            if self.items >= MAX_STAGED {
                self.dropped += 1;
            } else if node.instances.insert(id) {
                self.items += 1;
            }
        }
        for credentials in report.bindings_list {
            let Some(account) = account_of(&credentials) else { continue };
            if self.items >= MAX_STAGED {
                self.dropped += 1;
            } else if node.bindings.insert(account, hidden(credentials)).is_none() {
                self.items += 1;
            }
        }
    }

    /// Ends the round: what neither look lists is an orphan. Who reported and has none is named
    /// too, as by the original: its list is empty.
    pub(crate) fn finish(&mut self, first: &Listed, second: &Listed) -> Verdicts {
        let nodes = std::mem::take(&mut self.nodes);
        self.items = 0;
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
            let bindings: Vec<Object> = bindings.map(|(_, credentials)| credentials).collect();
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
        stage.take(report("n1", &["d1", "d2"], &[("d1", "u1")]));
        assert_eq!(stage.finish(&Listed::default(), &Listed::default()).dropped, 2);
    }
}
