//! Size, long statements and long transactions, and what happens beyond the operator's limits.

use expect_test::expect;
use tenon_guest::fake::World;
use tenon_guest::mysql::LongWork;
use tenon_guest::{ErrorKind, Maintenance, Metering, Parameters, Result, Usage, Writes, json};

use super::{Node, VERSION, instance};
use crate::MySql;

fn node(settings: &[(&str, &str)]) -> Node {
    let Node { mut world, owner } = Node::new();
    for (key, value) in settings {
        world = world.with_setting(key, value);
    }
    Node { world, owner }
}

fn measure(node: &Node) -> Result<Usage> {
    node.world.call(|cx| MySql::measure(cx, &instance("d1f")))
}

fn enforce(node: &Node, writes: Writes) -> Result<()> {
    node.world.call(|cx| MySql::enforce(cx, &instance("d1f"), &node.owner, &[], writes))
}

fn check_measure(bytes: usize, settings: &[(&str, &str)], expected: &expect_test::Expect) {
    let node = node(settings);
    node.world.mysql(VERSION).set_content("d1f", &vec![b'x'; bytes]);
    let usage = measure(&node).unwrap();
    let Usage { bytes_used, bytes_limit, over_quota, .. } = usage;
    expected.assert_eq(&format!("{bytes_used} of {bytes_limit}, over: {over_quota}"));
}

#[test]
fn a_database_is_over_its_quota_when_it_has_reached_it() {
    let two = [("max_db_size_mb", "2")];
    check_measure(2 << 20, &two, &expect!["2097152 of 2097152, over: true"]);
    check_measure((2 << 20) - 1, &two, &expect!["2097151 of 2097152, over: false"]);
    check_measure(7, &[], &expect!["7 of 0, over: false"]);
    check_measure(7, &[("max_db_size_mb", "0")], &expect!["7 of 0, over: false"]);
}

#[test]
fn limits_that_are_no_numbers_are_the_operators_fault() {
    let node = node(&[
        ("max_db_size_mb", "big"),
        ("max_long_query_seconds", "-1"),
        ("max_long_tx_seconds", "1"),
        ("kill_long_tx", "yes"),
    ]);
    assert_eq!(measure(&node).unwrap_err().kind(), ErrorKind::Internal);
    for task in MySql::tasks() {
        let run = node.world.call(|cx| MySql::run(cx, &task.name));
        assert_eq!(run.unwrap_err().kind(), ErrorKind::Internal, "{}", task.name);
    }
}

#[test]
fn p27_enforcing_limits_the_whole_database_and_says_so_once() {
    let node = node(&[]);
    let reader = Parameters::new().with("privileges", json!(["READ_ONLY"]));
    node.bind("b1", &reader).unwrap();
    enforce(&node, Writes::Blocked).unwrap();
    enforce(&node, Writes::Blocked).unwrap();
    node.check_server(&expect![[r#"
        d1f: 0 bytes, takes no new data
          uc9ee2d42f4fa9db5 reads, connections: 20
          ude5c024b3db26a27 reads and writes, connections: 20
    "#]]);
    enforce(&node, Writes::Allowed).unwrap();
    node.check_server(&expect![[r#"
        d1f: 0 bytes
          uc9ee2d42f4fa9db5 reads, connections: 20
          ude5c024b3db26a27 reads and writes, connections: 20
    "#]]);
    expect![[r#"
        [
            "info 1 accounts of d1f cannot write any more",
            "info 1 accounts of d1f can write again",
        ]
    "#]]
    .assert_debug_eq(&node.world.logged());
}

#[test]
fn a_database_that_is_gone_is_neither_measured_nor_limited() {
    let node = node(&[]);
    super::unprovision(&node.world, "d1f").unwrap();
    assert_eq!(measure(&node).unwrap_err().code(), 31002);
    assert_eq!(enforce(&node, Writes::Blocked).unwrap_err().code(), 31002);
}

fn work(id: &str, seconds: u64) -> LongWork {
    let (id, database, user) = (id.to_owned(), "d1f".to_owned(), "u1".to_owned());
    LongWork { id, database, user, seconds }
}

/// Runs both tasks; what they logged.
fn run(world: &World) -> Vec<String> {
    let before = world.logged().len();
    for task in MySql::tasks() {
        world.call(|cx| MySql::run(cx, &task.name)).unwrap();
    }
    world.logged().split_off(before)
}

fn with_work(settings: &[(&str, &str)]) -> World {
    let Node { world, .. } = node(settings);
    let server = world.mysql(VERSION);
    server.run_statement(work("1/1", 3));
    server.run_statement(work("2/1", 2));
    server.open_transaction(work("3/1", 5));
    world
}

#[test]
fn long_statements_are_ended_and_others_left() {
    let world = with_work(&[("max_long_query_seconds", "3")]);
    assert_eq!(run(&world), ["warn ended a statement of u1 in d1f after 3 s (1 now)"]);
    assert_eq!(run(&world), [""; 0]);
}

#[test]
fn without_limits_nothing_is_looked_at() {
    let world = with_work(&[("max_long_query_seconds", "0"), ("max_long_tx_seconds", "0")]);
    world.mysql(VERSION).stop();
    assert_eq!(run(&world), [""; 0]);
}

#[test]
fn a_long_transaction_is_told_of_once() {
    let world = with_work(&[("max_long_tx_seconds", "4")]);
    assert_eq!(run(&world), ["warn a transaction is open of u1 in d1f after 5 s (1 now)"]);
    assert_eq!(run(&world), [""; 0]);
    world.mysql(VERSION).open_transaction(work("4/1", 9));
    assert_eq!(run(&world), ["warn a transaction is open of u1 in d1f after 9 s (2 now)"]);
    assert_eq!(run(&world), [""; 0]);
}

#[test]
fn a_long_transaction_is_ended_if_the_operator_says_so() {
    let world = with_work(&[("max_long_tx_seconds", "4"), ("kill_long_tx", "true")]);
    assert_eq!(run(&world), ["warn ended a transaction of u1 in d1f after 5 s (1 now)"]);
    assert_eq!(run(&world), [""; 0]);
}

#[test]
fn a_server_that_is_away_hinders_no_other() {
    let world = World::new()
        .with_mysql("8.4")
        .with_mysql(VERSION)
        .with_setting("versions", "8.4,10.11")
        .with_setting("max_long_query_seconds", "1");
    world.mysql("8.4").stop();
    world.mysql(VERSION).run_statement(work("1/1", 3));
    let run = world.call(|cx| MySql::run(cx, "long-statements"));
    assert_eq!(run.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(world.logged(), ["warn ended a statement of u1 in d1f after 3 s (1 now)"]);
    let unknown = world.call(|cx| MySql::run(cx, "sweep")).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
}
