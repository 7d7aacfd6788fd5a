//! The checker finds every fault that is put into a history without one.

use tenon_protocol::message::ServiceResponse;

use super::*;
use crate::told::Snapshot;

fn response(id: &str) -> ServiceResponse {
    serde_json::from_value(serde_json::json!({
        "service_id": id,
        "configuration": {"plan": "free", "version": "1", "data": {}},
        "credentials": {"password": "hunter2"},
    }))
    .unwrap()
}

fn numbered(number: &str) -> Numbered {
    ("d1".to_owned(), number.to_owned())
}

/// One instance with a binding, one that was given back; all is as it should be.
fn good() -> (Told, Found) {
    let mut told = Told::default();
    for id in ["d1", "d2"] {
        told.made("mysql", "r", &response(id));
    }
    told.bound("d1", "r", &response("b1"));
    told.bound("d2", "r", &response("b2"));
    told.wrote("d1", 7);
    let name = Some("nightly".to_owned());
    told.kept("d1", "3", Snapshot { value: 7, name });
    told.kept("d1", "4", Snapshot { value: 6, name: None });
    told.deleted("d1", "4");
    told.lost.insert("d3".to_owned());
    told.purged.insert("d3".to_owned());
    told.removed("d2");
    let node = NodeFound {
        node: "node-1".to_owned(),
        offering: "mysql".to_owned(),
        instances: BTreeSet::from(["d1".to_owned()]),
        bindings: BTreeSet::from(["b1".to_owned()]),
        strangers: Vec::new(),
        outside: BTreeSet::from(["d1".to_owned()]),
        accounts: Some(2),
        free: 9,
        capacity: 10,
    };
    let other = NodeFound {
        node: "node-2".to_owned(),
        offering: "mysql".to_owned(),
        accounts: Some(0),
        free: 10,
        capacity: 10,
        ..NodeFound::default()
    };
    let recorded = ["d1", "b1"].map(|id| (id.to_owned(), "node-1".to_owned()));
    let entered = [
        ("d1", Entered::Opens(7)),
        ("b1", Entered::Opens(7)),
        ("d2", Entered::ShutOut),
        ("b2", Entered::ShutOut),
    ];
    let found = Found {
        recorded: recorded.into(),
        nodes: vec![node, other],
        entered: entered.map(|(id, entered)| (id.to_owned(), entered)).into(),
        snapshots: [(numbered("3"), "nightly".to_owned())].into(),
        files: [numbered("3")].into(),
        shelves: ["d1".to_owned()].into(),
        handles: ["d1", "b1"].map(|id| (id.to_owned(), response(id).credentials)).into(),
        ..Found::default()
    };
    (told, found)
}

/// What it finds after one thing was spoiled.
fn check(spoil: impl FnOnce(&mut Told, &mut Found), expected: &[&str]) {
    let (mut told, mut found) = good();
    spoil(&mut told, &mut found);
    let violations = judge(&told, &found);
    let texts: Vec<String> = violations.iter().map(|violation| format!("{violation:?}")).collect();
    let names: Vec<&str> =
        texts.iter().map(|text| text.split(['(', ' ']).next().unwrap()).collect();
    assert_eq!(names, expected, "{texts:?}");
}

#[test]
fn a_history_without_fault_has_none() {
    check(|_, _| {}, &[]);
}

#[test]
fn what_was_promised_and_is_lost_is_found() {
    let lose = |_: &mut Told, found: &mut Found| {
        found.recorded.remove("b1");
    };
    check(lose, &["Lost", "Misplaced"]);
    check(|_, found| found.nodes[0].bindings.clear(), &["Misplaced", "Accounts"]);
}

#[test]
fn what_was_given_back_and_lives_is_found() {
    let live = |_: &mut Told, found: &mut Found| {
        found.recorded.insert("d2".to_owned(), "node-2".to_owned());
    };
    check(live, &["Lives", "Misplaced"]);
    let open = |_: &mut Told, found: &mut Found| {
        found.entered.insert("b2".to_owned(), Entered::Opens(0));
    };
    check(open, &["LetIn"]);
}

#[test]
fn an_instance_on_two_nodes_or_on_another_is_found() {
    let double = |_: &mut Told, found: &mut Found| {
        found.nodes[1].bindings.insert("b1".to_owned());
        found.nodes[1].accounts = Some(1);
    };
    check(double, &["Misplaced"]);
    let elsewhere = |_: &mut Told, found: &mut Found| {
        found.recorded.insert("d1".to_owned(), "node-2".to_owned());
    };
    check(elsewhere, &["Misplaced"]);
}

#[test]
fn what_no_record_knows_is_found() {
    check(|_, found| found.nodes[1].strangers.push("d9".to_owned()), &["Stranger"]);
    check(|_, found| found.nodes[1].outside.extend(["d9".to_owned()]), &["Outside"]);
    check(|_, found| found.nodes[1].accounts = Some(1), &["Accounts"]);
}

#[test]
fn a_value_that_nobody_wrote_is_found() {
    let spoil = |_: &mut Told, found: &mut Found| {
        found.entered.insert("d1".to_owned(), Entered::Opens(6));
    };
    check(spoil, &["Value"]);
    let doubt = |told: &mut Told, found: &mut Found| {
        told.may_have_written("d1", 6);
        spoil(told, found);
    };
    check(doubt, &[]);
    check(|told, _| told.read("d1", 8), &["Value", "Value", "Complaint"]);
}

#[test]
fn credentials_that_do_not_open_are_found() {
    let shut = |_: &mut Told, found: &mut Found| {
        found.entered.insert("b1".to_owned(), Entered::ShutOut);
    };
    check(shut, &["ShutOut"]);
}

#[test]
fn capacity_that_leaks_is_found() {
    check(|_, found| found.nodes[1].free -= 1, &["Capacity"]);
}

#[test]
fn a_job_without_end_and_a_secret_in_a_log_are_found() {
    check(|_, found| found.unfinished_jobs.push("j1".to_owned()), &["Job"]);
    check(|_, found| found.leaks.push("node-1".to_owned()), &["Leak"]);
    check(|told, _| told.complains("no answer".to_owned()), &["Complaint"]);
}

#[test]
fn a_rollback_that_fails_for_good_is_found() {
    check(|told, _| told.job_failed("rollback of d1", 30806), &["Complaint"]);
    check(|told, _| told.job_failed("rollback of d1", 0), &["Complaint"]);
    check(|told, _| told.job_failed("rollback of d1", 30600), &[]);
}

#[test]
fn what_is_made_twice_is_found() {
    check(|told, _| told.bound("d1", "r", &response("b1")), &["Complaint"]);
    let violations = ["Lost", "ShutOut", "Handle", "Complaint"];
    check(|told, _| told.bound("d1", "r", &response("b2")), &violations);
    let twice = |told: &mut Told, _: &mut Found| {
        let (other, _) = good();
        told.join(other);
    };
    check(twice, &["Complaint"]);
}

#[test]
fn a_move_without_end_is_found() {
    check(|_, found| found.unfinished_moves.push("d1: Tell".to_owned()), &["Move"]);
}

#[test]
fn a_snapshot_that_is_lost_or_has_another_name_is_found() {
    check(|_, found| found.snapshots.clear(), &["SnapshotLost", "Remains"]);
    check(|_, found| found.files.clear(), &["SnapshotLost"]);
    let rename = |_: &mut Told, found: &mut Found| {
        found.snapshots.insert(numbered("3"), "weekly".to_owned());
    };
    check(rename, &["SnapshotName"]);
    let forget = |told: &mut Told, found: &mut Found| {
        told.named("d1", "3", None);
        rename(told, found);
    };
    check(forget, &[]);
    let again = |told: &mut Told, _: &mut Found| {
        told.kept("d1", "4", Snapshot { value: 1, name: None });
    };
    check(again, &["SnapshotLost", "Complaint"]);
}

#[test]
fn a_snapshot_that_was_given_back_and_lives_is_found() {
    let record = |_: &mut Told, found: &mut Found| {
        found.snapshots.insert(numbered("4"), "nightly".to_owned());
    };
    check(record, &["SnapshotLives"]);
    let file = |_: &mut Told, found: &mut Found| {
        found.files.insert(numbered("4"));
    };
    check(file, &["SnapshotLives", "Remains"]);
    let of_nobody = |_: &mut Told, found: &mut Found| {
        found.snapshots.insert(("d2".to_owned(), "5".to_owned()), "nightly".to_owned());
    };
    check(of_nobody, &["SnapshotLives"]);
    check(|_, found| found.shelves.extend(["d2".to_owned()]), &["Remains"]);
    let half = |_: &mut Told, found: &mut Found| {
        found.files.insert(numbered("9.part"));
    };
    check(half, &["Remains"]);
}

#[test]
fn a_purge_of_something_living_and_an_orphan_of_our_own_are_found() {
    let alive = |told: &mut Told, _: &mut Found| {
        told.purged.insert("b1".to_owned());
    };
    check(alive, &["PurgedAlive", "MadeAnOrphan"]);
    let own = |told: &mut Told, _: &mut Found| {
        told.purged.insert("d9".to_owned());
    };
    check(own, &["MadeAnOrphan"]);
    check(|_, found| found.reported.push("orphan d9".to_owned()), &["Reported"]);
}

#[test]
fn what_the_platform_was_not_told_is_found() {
    check(|_, found| drop(found.handles.remove("b1")), &["Handle"]);
    let other = |_: &mut Told, found: &mut Found| {
        found.handles.get_mut("d1").unwrap().insert("password".to_owned(), "else".into());
    };
    check(other, &["Handle"]);
    let gone = |_: &mut Told, found: &mut Found| {
        found.handles.insert("d2".to_owned(), response("d2").credentials);
    };
    check(gone, &["Handle"]);
}
