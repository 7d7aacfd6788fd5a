//! The service over a fake node. `World::call` serves one call as a node does.

use tenon_guest::fake::{Blob, World};
use tenon_guest::{
    Binding, BindingRef, Credential, Error, ErrorKind, FoundBinding, Instance, Parameters, Result,
    Service, Snapshots,
};

use crate::Counter;

fn instance(id: &str) -> Instance {
    Instance { id: id.to_owned(), plan: "free".to_owned(), version: "1".to_owned() }
}

fn provision(world: &World, first: u64) -> Result<Credential> {
    let parameters = Parameters::new().with("first", first);
    world.call(|cx| Counter::provision(cx, &instance("c1"), &parameters, None))
}

/// The number that a binding draws.
fn bind(world: &World, id: &str) -> Result<u64> {
    let binding = BindingRef { id: id.to_owned(), instance: instance("c1") };
    world.call(|cx| Counter::bind(cx, &binding, &Parameters::new(), None))?.require("number")
}

fn unbind(world: &World, id: &str) -> Result<()> {
    let credential = Credential::new();
    let binding = Binding { id: id.to_owned(), instance: instance("c1"), credential };
    world.call(|cx| Counter::unbind(cx, &binding))
}

fn counter_from(first: u64) -> World {
    let world = World::new();
    provision(&world, first).unwrap();
    world
}

#[test]
fn each_binding_draws_the_next_number() {
    let world = counter_from(7);
    assert_eq!(bind(&world, "b1"), Ok(7));
    assert_eq!(bind(&world, "b2"), Ok(8));
}

#[test]
fn a_repeated_binding_has_the_number_that_it_drew_before() {
    let world = counter_from(7);
    assert_eq!(bind(&world, "b1"), Ok(7));
    assert_eq!(bind(&world, "b1"), Ok(7));
    assert_eq!(bind(&world, "b2"), Ok(8));
}

#[test]
fn a_repeated_provision_does_not_set_the_counter_back() {
    let world = counter_from(7);
    assert_eq!(bind(&world, "b1"), Ok(7));
    provision(&world, 7).unwrap();
    assert_eq!(bind(&world, "b2"), Ok(8));
}

#[test]
fn a_first_number_that_is_none_is_the_users_fault() {
    let wrong = Parameters::new().with("first", "seven");
    let refused =
        World::new().call(|cx| Counter::provision(cx, &instance("c1"), &wrong, None)).unwrap_err();
    assert_eq!(refused, Error::invalid_input(0, "parameter first: expected u64"));
}

#[test]
fn there_is_no_number_where_there_is_no_counter() {
    let refused = bind(&World::new(), "b1").unwrap_err();
    assert_eq!(refused, Error::not_found(0, "there is no counter c1"));
}

#[test]
fn the_last_number_is_not_followed_by_the_first() {
    let world = counter_from(u64::MAX);
    assert_eq!(bind(&world, "b1").unwrap_err().kind(), ErrorKind::QuotaExceeded);
}

#[test]
fn a_number_is_not_drawn_again_after_unbind() {
    let world = counter_from(1);
    assert_eq!(bind(&world, "b1"), Ok(1));
    assert_eq!(unbind(&world, "b1"), Ok(()));
    assert_eq!(unbind(&world, "b1"), Ok(()));
    assert_eq!(bind(&world, "b1"), Ok(2));
}

#[test]
fn unprovision_leaves_nothing_and_succeeds_when_nothing_is_there() {
    let world = counter_from(1);
    bind(&world, "b1").unwrap();
    let unprovision = || world.call(|cx| Counter::unprovision(cx, &instance("c1"), &[]));
    assert_eq!(unprovision(), Ok(()));
    assert_eq!(world.call(|cx| Ok(cx.state().keys("", None, 10)?)), Ok(Vec::new()));
    assert_eq!(unprovision(), Ok(()));
}

#[test]
fn inventory_lists_counters_and_who_has_a_number() {
    let world = counter_from(1);
    bind(&world, "b1").unwrap();
    let found = world.call(|cx| Counter::inventory(cx, None)).unwrap();
    assert_eq!(found.instances, ["c1"]);
    let user = |one: &FoundBinding| format!("{} {}", one.instance, one.user);
    assert_eq!(found.bindings.iter().map(user).collect::<Vec<_>>(), ["c1 b1"]);
    assert_eq!(found.next, None);
}

#[test]
fn purge_removes_what_inventory_named() {
    let world = counter_from(1);
    bind(&world, "b1").unwrap();
    let found = FoundBinding { instance: "c1".to_owned(), user: "b1".to_owned() };
    assert_eq!(world.call(|cx| Counter::purge(cx, &[instance("c1")], &[found])), Ok(2));
    assert_eq!(world.call(|cx| Ok(cx.state().keys("", None, 10)?)), Ok(Vec::new()));
}

#[test]
fn a_snapshot_brings_the_counter_back() {
    let world = counter_from(7);
    let blob = Blob::new();
    world.call(|cx| Counter::snapshot(cx, &instance("c1"), &blob.sink())).unwrap();
    assert_eq!(blob.bytes(), b"7");
    assert_eq!(bind(&world, "b1"), Ok(7));
    world.call(|cx| Counter::restore(cx, &instance("c1"), &blob.source(), "counter/1")).unwrap();
    assert_eq!(bind(&world, "b2"), Ok(7));
}

#[test]
fn a_damaged_snapshot_leaves_the_counter_as_it_was() {
    let world = counter_from(7);
    let restore = |bytes: &[u8]| {
        let blob = Blob::with_bytes(bytes);
        world
            .call(|cx| Counter::restore(cx, &instance("c1"), &blob.source(), "counter/1"))
            .unwrap_err()
            .kind()
    };
    assert_eq!(restore(b"seven"), ErrorKind::CorruptData);
    assert_eq!(restore(&[b'1'; 21]), ErrorKind::QuotaExceeded);
    assert_eq!(bind(&world, "b1"), Ok(7));
}
