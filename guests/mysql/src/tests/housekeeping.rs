//! What is there, what should not be, and whether it works.

use expect_test::{Expect, expect};
use tenon_guest::fake::World;
use tenon_guest::mysql::Access;
use tenon_guest::{Error, ErrorKind, FoundBinding, Health, Instance, Parameters, Service};

use super::{Node, VERSION, instance, provision};
use crate::MySql;

fn check_inventory(world: &World, expected: &Expect) {
    let mut text = String::new();
    let mut token: Option<String> = None;
    loop {
        let page = world.call(|cx| MySql::inventory(cx, token.as_deref())).unwrap();
        let bindings: Vec<String> =
            page.bindings.iter().map(|one| format!("{}:{}", one.instance, one.user)).collect();
        text.push_str(&format!("{:?} {bindings:?} {:?}\n", page.instances, page.next));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn inventory_lists_instances_and_bindings_but_no_owners() {
    let node = Node::new();
    node.bind("b1", &Parameters::new()).unwrap();
    provision(&node.world, "d2", None).unwrap();
    check_inventory(
        &node.world,
        &expect![[r#"
        ["d1f", "d2"] [] Some("accounts/10.11")
        [] ["d1f:uc9ee2d42f4fa9db5"] None
    "#]],
    );
}

#[test]
fn inventory_looks_at_every_server() {
    let world =
        World::new().with_mysql("10.11").with_mysql("8.4").with_setting("versions", "10.11, 8.4");
    let old = Instance { version: "10.11".to_owned(), ..instance("d1") };
    let new = Instance { version: "8.4".to_owned(), ..instance("d2") };
    for instance in [old, new] {
        world.call(|cx| MySql::provision(cx, &instance, &Parameters::new(), None)).unwrap();
    }
    check_inventory(
        &world,
        &expect![[r#"
        ["d1"] [] Some("accounts/10.11")
        [] [] Some("databases/8.4")
        ["d2"] [] Some("accounts/8.4")
        [] [] None
    "#]],
    );
}

#[test]
fn inventory_of_more_than_a_page_goes_on_where_it_stopped() {
    let world = World::new().with_mysql(VERSION).with_setting("versions", VERSION);
    world
        .call(|cx| {
            let server = cx.mysql(VERSION)?;
            for number in 0..1_500 {
                server.create_database(&format!("{number:04}"))?;
            }
            Ok(())
        })
        .unwrap();
    let first = world.call(|cx| MySql::inventory(cx, None)).unwrap();
    assert_eq!(
        (first.instances.len(), first.next.as_deref()),
        (1_000, Some("databases/10.11/0999"))
    );
    let second = world.call(|cx| MySql::inventory(cx, first.next.as_deref())).unwrap();
    assert_eq!((second.instances.len(), second.next.as_deref()), (500, Some("accounts/10.11")));
}

#[test]
fn accounts_of_a_database_without_a_known_owner_are_not_taken_for_bindings() {
    let node = Node::new();
    node.world.call(|cx| Ok(cx.state().delete("owner/d1f")?)).unwrap();
    check_inventory(
        &node.world,
        &expect![[r#"
        ["d1f"] [] Some("accounts/10.11")
        [] [] None
    "#]],
    );
}

#[test]
fn a_token_that_is_none_is_refused() {
    let node = Node::new();
    for token in ["", "databases", "accounts/10.11/d1f", "rows/10.11"] {
        let refused = node.world.call(|cx| MySql::inventory(cx, Some(token))).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{token}");
    }
}

#[test]
fn inventory_without_the_name_of_a_server_is_the_operators_fault() {
    let refused = World::new().call(|cx| MySql::inventory(cx, None)).unwrap_err();
    assert_eq!(refused, Error::internal(0, "setting versions names no server"));
}

#[test]
fn purge_drops_what_it_is_told_and_says_so() {
    let node = Node::new();
    provision(&node.world, "d2", None).unwrap();
    let binding = node.bind("b1", &Parameters::new()).unwrap();
    let orphan =
        FoundBinding { instance: "d1f".to_owned(), user: binding.require("user").unwrap() };
    // Whoever found an orphan knows neither its plan nor its version.
    let lost = Instance { plan: String::new(), version: String::new(), ..instance("d2") };
    let purged = node.world.call(|cx| MySql::purge(cx, &[lost], &[orphan])).unwrap();
    assert_eq!(purged, 2);
    node.check_server(&expect![[r#"
        d1f: 0 bytes
          ude5c024b3db26a27 reads and writes, connections: 20
    "#]]);
    expect![[r#"
        [
            "warn dropped database d2, which nobody owned",
            "warn dropped account uc9ee2d42f4fa9db5, which nobody owned",
        ]
    "#]]
    .assert_debug_eq(&node.world.logged());
}

#[test]
fn purge_never_drops_an_owners_account() {
    let node = Node::new();
    let user = node.owner.require("user").unwrap();
    let mistaken = FoundBinding { instance: "d1f".to_owned(), user };
    let purge = || node.world.call(|cx| MySql::purge(cx, &[], std::slice::from_ref(&mistaken)));
    assert_eq!(purge(), Ok(0));
    assert_eq!(node.login(&node.owner), Some(Access::ReadWrite));
    // Nor when it is not known who the owner is.
    node.world.call(|cx| Ok(cx.state().delete("owner/d1f")?)).unwrap();
    assert_eq!(purge(), Ok(0));
    assert_eq!(node.login(&node.owner), Some(Access::ReadWrite));
}

#[test]
fn purge_of_what_is_gone_counts_nothing() {
    let node = Node::new();
    let gone = FoundBinding { instance: "d9".to_owned(), user: "u9".to_owned() };
    let purged = node.world.call(|cx| MySql::purge(cx, &[instance("d9")], &[gone]));
    assert_eq!(purged, Ok(0));
}

#[test]
fn health_names_the_servers_that_are_away() {
    let world =
        World::new().with_mysql("10.11").with_mysql("8.4").with_setting("versions", "10.11,8.4");
    let health = || {
        let report = world.call(|cx| MySql::health(cx, None)).unwrap();
        (report.status, report.detail)
    };
    assert_eq!(health(), (Health::Ok, String::new()));
    world.mysql("8.4").stop();
    let (status, detail) = health();
    assert_eq!(status, Health::Degraded);
    expect!["8.4: database server unavailable: connection refused"].assert_eq(&detail);
    world.mysql("10.11").stop();
    assert_eq!(health().0, Health::Failed);
}

#[test]
fn an_instance_without_its_database_has_failed() {
    let node = Node::new();
    let health = |id: &str| {
        let report = node.world.call(|cx| MySql::health(cx, Some(&instance(id)))).unwrap();
        (report.status, report.detail)
    };
    assert_eq!(health("d1f"), (Health::Ok, String::new()));
    assert_eq!(health("d2"), (Health::Failed, "database d2 is gone".to_owned()));
}
