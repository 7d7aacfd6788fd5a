//! Nodes that do not come back, and moves that meet what another one left behind.

use std::time::Duration;

use tenon_protocol::record::MoveStep;
use tenon_tests::{Classic, HarnessError, Platform, wait_until};

use crate::aftermath::come_to_rest;
use crate::crash::{dies_at, insist};
use crate::migrate::{check_rest, platform, step};
use crate::mover::{Moved, Operator};
use crate::recover::{Stage, recover};
use crate::settings;

/// A debug build takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kills a node together with its server.
async fn lose(platform: &Platform, node: &str) {
    platform.kill(node).await.unwrap();
    platform.kill(&node.replace("node", "mysql")).await.unwrap();
}

/// Says that a node will not come back, once gateways do not hear it any more.
async fn give_up(platform: &Platform, node: &str) {
    let operator = platform.operator(2).unwrap();
    wait_until("the node is given up", PATIENCE, async || operator.forget_node(node).await.ok())
        .await
        .unwrap();
}

fn number(node: &str) -> usize {
    node.trim_start_matches("node-").parse().unwrap()
}

async fn do_step(classic: &Classic, node: &str, id: &str, action: &str) {
    let done = insist(async || step(classic, node, id, action).await).await;
    assert!(done.unwrap(), "{action}");
}

#[tokio::test]
async fn what_was_recovered_from_a_lost_node_can_be_removed_without_it() {
    let stage = Stage::of_nodes(2).await;
    let (platform, classic) = (&stage.platform, &stage.classic);
    let (moved, backup) = stage.tenant().await;
    let (from, to) = moved.nodes();
    let Err(HarnessError::Refused(alive)) = platform.operator(2).unwrap().forget_node(from).await
    else {
        panic!("a node that is there was given up")
    };
    assert_eq!((alive.status, alive.code), (409, 30301));
    lose(platform, from).await;
    insist(async || recover(classic, &moved.id, &backup).await).await.unwrap();

    insist(async || classic.unprovision(&moved.id).await).await.unwrap();
    let server = platform.server(number(to)).unwrap();
    assert_eq!(server.databases().await.unwrap(), [""; 0]);
    assert_eq!(server.accounts().await.unwrap(), [""; 0]);

    // The record names the lost node for as long as that may come back, and no longer.
    give_up(platform, from).await;
    come_to_rest(&platform.records().await.unwrap()).await;
}

#[tokio::test]
async fn a_recovery_that_fails_opens_what_a_tool_had_shut() {
    let stage = Stage::of_nodes(2).await;
    let (moved, backup) = stage.tenant().await;
    do_step(&stage.classic, moved.nodes().0, &moved.id, "disable").await;
    let nothing = format!("{backup}0");
    assert_eq!(stage.recovered(&moved, &nothing).await, MoveStep::Failed);
    moved.check_stayed("shut by a tool").await;
    stage.check_rest(&moved, moved.nodes().0).await;
}

#[tokio::test]
async fn a_recovery_of_what_a_tool_had_shut_leaves_one_instance() {
    let stage = Stage::of_nodes(2).await;
    let (moved, backup) = stage.tenant().await;
    do_step(&stage.classic, moved.nodes().0, &moved.id, "disable").await;
    assert_eq!(stage.recovered(&moved, &backup).await, MoveStep::Done);
    moved.check_moved("shut by a tool").await;
    stage.check_rest(&moved, moved.nodes().1).await;
}

#[tokio::test]
async fn a_recovery_that_its_only_node_cannot_carry_out_destroys_nothing() {
    let stage = Stage::of_nodes(1).await;
    for gateway in ["gateway-1", "gateway-2"] {
        let short = "move_timeout_seconds = 1";
        settings::set(&stage.platform, gateway, "[[offerings]]", short).await;
    }
    let (moved, backup) = stage.tenant().await;
    stage.platform.kill("mysql-1").await.unwrap();
    assert_eq!(stage.recovered(&moved, &backup).await, MoveStep::Failed);
    // A node that starts removes at once what it had begun to remove.
    let control = stage.platform.control().unwrap();
    control.stop("node-1").await.unwrap();
    control.start("mysql-1", None).await.unwrap();
    control.start("node-1", None).await.unwrap();
    insist(async || stage.classic.bind(&moved.id).await).await.unwrap();
    moved.check_stayed("its node could not").await;
}

#[tokio::test]
async fn a_gateway_killed_while_a_tool_switches_leaves_the_rest_to_the_other() {
    let platform = platform().await;
    let again = platform.classic_at(2, "mysql").unwrap();
    let moved = Moved::order(&platform, &again).await;
    let ((from, to), id) = (moved.nodes(), moved.id.as_str());
    do_step(&again, from, id, "disable").await;
    do_step(&again, to, id, "import").await;
    let first = platform.classic_at(1, "mysql").unwrap();
    let _lost = dies_at(&platform, "gateway-1", "move.binding-switched", async {
        let answer = step(&first, to, id, "update").await;
        platform.is_gone("gateway-1").await.unwrap();
        answer
    })
    .await;
    let done = Operator::at(&platform, 2).moved(id, to).await;
    assert_eq!(done, MoveStep::Done);
    do_step(&again, to, id, "update").await;
    moved.check_moved("by the other gateway").await;
    check_rest(&platform, &moved, to).await;
}

/// A gateway dies at `point` of a move, and `happens` before any gateway can go on with it.
async fn left_at(
    platform: &Platform,
    point: &str,
    (id, to): (&str, &str),
    happens: impl AsyncFnOnce(),
) {
    let control = platform.control().unwrap();
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", Some(point)).await.unwrap();
    platform.pause("gateway-2").unwrap();
    let _lost = Operator::at(platform, 1).order_move(id, to).await;
    platform.is_gone("gateway-1").await.unwrap();
    happens().await;
    platform.go_on("gateway-2").unwrap();
    control.start("gateway-1", None).await.unwrap();
}

#[tokio::test]
async fn a_move_whose_target_is_lost_at_the_switch_goes_back() {
    let platform = platform().await;
    let again = platform.classic_at(2, "mysql").unwrap();
    let moved = Moved::order(&platform, &again).await;
    let ((_, to), id) = (moved.nodes(), moved.id.as_str());
    left_at(&platform, "move.binding-switched", (id, to), async || lose(&platform, to).await).await;
    give_up(&platform, to).await;
    assert_eq!(Operator::at(&platform, 2).moved(id, to).await, MoveStep::Failed);
    moved.check_stayed("its target is lost").await;
    // Bindings too are the old node's again.
    let binding = insist(async || again.bind(id).await).await.unwrap();
    insist(async || again.unbind(id, &binding.service_id).await).await.unwrap();
    insist(async || again.unprovision(id).await).await.unwrap();
    let server = platform.server(number(moved.nodes().0)).unwrap();
    assert_eq!(server.accounts().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn p11_the_data_of_a_move_is_removed_once_its_node_is_there_again() {
    let platform = platform().await;
    let again = platform.classic_at(2, "mysql").unwrap();
    let moved = Moved::order(&platform, &again).await;
    let ((_, to), id) = (moved.nodes(), moved.id.as_str());
    left_at(&platform, "move.told", (id, to), async || platform.kill(to).await.unwrap()).await;
    let operator = Operator::at(&platform, 2);
    wait_until("all is done but that", PATIENCE, async || {
        operator.step_of(id).await.filter(|step| *step == MoveStep::Tidy)
    })
    .await
    .unwrap();
    let (dir, path) = (platform.dir().unwrap(), format!("snapshots/MyaaS/{id}/move.data"));
    assert!(dir.exists(&path));

    platform.control().unwrap().start(to, None).await.unwrap();
    assert_eq!(operator.moved(id, to).await, MoveStep::Done);
    assert!(!dir.exists(&path));
    moved.check_moved("tidied late").await;
    check_rest(&platform, &moved, to).await;
}
