//! The record protocol, explored to its last state.
//!
//! Gateways and nodes agree on what exists by a small protocol: write the *intent* before asking a
//! node, change records by *compare-and-set* only, number every order by a *generation* below
//! which nodes refuse (the *fence*), let nodes do a repeated command *once*, leave a *tomb* where
//! something was removed. Whether that is enough cannot be seen by testing: what breaks it is a
//! message that comes an hour late, just after a crash. So this is a model of it, and the checker
//! (`stateright`) goes through every order in which anything can happen:
//!
//! ```text
//! platform ─ order ×2, delete ×2 ─▶ gateway ┬─ record (compare-and-set) ─ store
//!                                   gateway ┘
//!                                      │ commands: lost, late, repeated
//!                                      ▼
//!                                 node  node
//! ```
//!
//! One instance; two gateways, one of which may die once at any point; two nodes, one of which may
//! die once at any point, and lose what it had only noted; one command may be refused; a reconciler
//! which may find any record abandoned at any time, whatever its deadline says, since clocks are not
//! to be trusted.
//!
//! - `rules.rs`: the protocol, and variants of it with one ingredient left out.
//! - `record.rs`: the record; its transitions are the real ones, [`tenon_protocol::record::Life`].
//! - `node.rs`, `gateway.rs`, `step.rs`: the rules of both hosts, as in their `operations/`.
//! - `moving.rs`: the move of an instance to the other node, a model of its own.
//! - `state.rs`, `protocol.rs`: all of it at one moment, what can happen next, what must hold.
//!
//! The whole protocol must hold in every state; each variant must be *found out*, which shows that
//! the model can see the difference. Who changes a rule in a host changes it here first: a
//! violation is shown as the list of actions that leads to it. The numbers are kept small enough
//! for every run of the tests; a broker with two orders and two deletes has 5.1 million states, in
//! which nothing is violated either.

#[cfg(test)]
mod model {
    pub(crate) mod gateway;
    pub(crate) mod moving;
    pub(crate) mod node;
    pub(crate) mod protocol;
    pub(crate) mod record;
    pub(crate) mod rules;
    pub(crate) mod state;
    pub(crate) mod step;
}

use std::fmt::Debug;
use std::hash::Hash;

use model::moving::{self, Moves};
use model::protocol::Protocol;
use model::rules::{Bounds, Front, Rules, Variant};
use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// The platform repeats itself.
const TWICE: Bounds = Bounds { orders: 2, deletes: 2 };
/// A broker platform may delete before anything was answered, which is many states more.
const ONCE: Bounds = Bounds { orders: 1, deletes: 1 };

/// Explores until `violation` of a broken protocol of moves was found.
fn check_broken_move(variant: moving::Variant, violation: &'static str) {
    let wanted = HasDiscoveries::AllOf([violation].into_iter().collect());
    let checker = Moves { variant }.checker().finish_when(wanted).spawn_bfs().join();
    let trace = checker.discovery(violation).map(|path| path.into_actions().len());
    let trace = trace.unwrap_or_else(|| panic!("{variant:?} does not violate: {violation}"));
    eprintln!("{variant:?}: {violation} violated in {trace} steps");
}

/// Explores everything, and demands that nothing is violated.
fn check_whole(front: Front, bounds: Bounds, at_least: usize) {
    let rules = Rules { front, variant: Variant::Whole, bounds };
    check_holds(&format!("{front:?}"), Protocol { rules }, at_least);
}

fn check_holds<M>(name: &str, model: M, at_least: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Debug + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Debug + Clone + PartialEq + Send + Sync + 'static,
{
    let started = std::time::Instant::now();
    let checker = model.checker().spawn_bfs().join();
    let states = checker.unique_state_count();
    eprintln!("{name}: {states} states in {} s", started.elapsed().as_secs());
    let found = checker.discoveries();
    for property in checker.model().properties() {
        let trace = found.get(property.name).map(|path| path.clone().into_actions());
        match property.expectation {
            Expectation::Always => assert!(trace.is_none(), "{}: {trace:#?}", property.name),
            Expectation::Sometimes => assert!(trace.is_some(), "never: {}", property.name),
            Expectation::Eventually => unreachable!("stateright misses these in cycles"),
        }
    }
    assert!(states > at_least, "only {states} states: the model has lost a part of itself");
}

/// Explores until each of `violations` was found.
fn check_broken(variant: Variant, front: Front, violations: &[&'static str]) {
    let rules = Rules { front, variant, bounds: TWICE };
    let wanted = HasDiscoveries::AllOf(violations.iter().copied().collect());
    let checker = Protocol { rules }.checker().finish_when(wanted).spawn_bfs().join();
    for name in violations {
        let trace = checker.discovery(name).map(|path| path.into_actions().len());
        let states = checker.unique_state_count();
        let trace = trace.unwrap_or_else(|| panic!("{variant:?} does not violate: {name}"));
        eprintln!("{variant:?}, {front:?}: {name} violated in {trace} steps ({states} states)");
    }
}

#[test]
fn nothing_is_lost_or_leaked_under_a_classic_platform() {
    check_whole(Front::Classic, TWICE, 290_000);
}

#[test]
fn nothing_is_lost_or_leaked_under_a_broker_platform() {
    check_whole(Front::Broker, ONCE, 760_000);
}

#[test]
fn p11_a_move_loses_nothing_whoever_dies_and_whatever_comes_late() {
    check_holds("moves", Moves { variant: moving::Variant::Whole }, 730_000);
}

#[test]
fn without_a_fence_late_orders_of_a_move_are_obeyed() {
    check_broken_move(moving::Variant::NoFence, "a ready record is true");
}

#[test]
fn without_compare_and_set_two_gateways_carry_a_move_to_two_ends() {
    check_broken_move(moving::Variant::NoCas, "the old node is shut once the new one serves");
}

#[test]
fn a_return_that_fences_nothing_is_shut_by_a_late_order() {
    check_broken_move(moving::Variant::ReturnUnfenced, "a ready record is true");
}

#[test]
fn a_gateway_that_does_not_ask_whose_a_move_is_takes_back_what_another_gave() {
    check_broken_move(moving::Variant::Unowned, "a ready record is true");
}

#[test]
fn p03_without_a_fence_late_commands_are_obeyed() {
    check_broken(Variant::NoFence, Front::Classic, &["no leak", "no second copy"]);
}

#[test]
fn without_compare_and_set_gateways_overwrite_each_other() {
    check_broken(
        Variant::NoCas,
        Front::Classic,
        &["no leak", "no lost result", "a ready record is true"],
    );
}

#[test]
fn p01_without_idempotent_nodes_there_are_copies() {
    check_broken(Variant::NotIdempotent, Front::Classic, &["no second copy"]);
}

#[test]
fn who_acts_before_recording_leaks() {
    check_broken(Variant::ActThenRecord, Front::Classic, &["no leak", "no second copy"]);
    check_broken(Variant::ActThenRecord, Front::Broker, &["no zombie"]);
}

#[test]
fn without_a_tomb_a_late_order_raises_the_dead() {
    check_broken(Variant::NoTombstone, Front::Broker, &["no zombie"]);
}

#[test]
fn a_node_that_answers_before_it_has_written_forgets() {
    check_broken(Variant::AnswerIsNoted, Front::Classic, &["a ready record is true"]);
}

#[test]
fn p02_who_takes_a_timeout_for_a_failure_leaks() {
    check_broken(Variant::TimeoutIsFailure, Front::Classic, &["no leak", "no second copy"]);
}

#[test]
fn who_takes_over_an_intent_and_finds_nobody_knows_nothing() {
    check_broken(Variant::NobodyIsNothing, Front::Broker, &["no leak"]);
}
