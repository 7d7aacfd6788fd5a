//! Recoveries that fail, whose old node dies meanwhile, or that meet what a move left behind.

use std::time::Duration;

use tenon_protocol::record::MoveStep;
use tenon_tests::wait_until;

use crate::crash::insist;
use crate::migrate::step;
use crate::mover::{Moved, Operator};
use crate::recover::{Stage, recover};
use crate::settings;

/// A debug build takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// There is no backup in it.
fn nothing(backup: &str) -> String {
    format!("{backup}0")
}

#[tokio::test]
async fn p11_a_gateway_killed_while_a_recovery_fails_leaves_that_to_the_other() {
    let stage = Stage::set().await;
    for point in ["move.returning", "move.returned"] {
        let (moved, backup) = stage.tenant().await;
        let order = nothing(&backup);
        let recovery = stage.ordered_of_the_first(&moved, &order);
        stage.dies("gateway-1", point, recovery).await;
        assert_eq!(stage.recovered(&moved, &order).await, MoveStep::Failed, "{point}");
        stage.check_rest(&moved, moved.nodes().0).await;
        moved.check_stayed(point).await;
        insist(async || stage.classic.unprovision(&moved.id).await).await.unwrap();
    }
}

/// Has the first gateway die over the recovery of `moved` at `point`, and the old node after it.
async fn lose_both(stage: &Stage, moved: &Moved, backup: &str, point: &str) {
    // The other one must not go on before the node is lost.
    let control = stage.platform.control().unwrap();
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", Some(point)).await.unwrap();
    stage.platform.pause("gateway-2").unwrap();
    stage.ordered_of_the_first(moved, backup).await;
    stage.platform.is_gone("gateway-1").await.unwrap();
    stage.platform.kill(moved.nodes().0).await.unwrap();
    stage.platform.go_on("gateway-2").unwrap();
    control.start("gateway-1", None).await.unwrap();
}

#[tokio::test]
async fn p11_a_node_that_dies_while_its_instance_is_recovered_leaves_one_of_it() {
    let stage = Stage::set().await;
    let points =
        ["move.moving-written", "move.load-done", "move.adopt-done", "move.binding-switched"];
    for point in points {
        let (moved, backup) = stage.tenant().await;
        let (from, to) = moved.nodes();
        lose_both(&stage, &moved, &backup, point).await;
        assert_eq!(stage.recovered(&moved, &backup).await, MoveStep::Done, "{point}");
        stage.platform.control().unwrap().start(from, None).await.unwrap();
        stage.check_rest(&moved, to).await;
        moved.check_moved(point).await;
        insist(async || stage.classic.unprovision(&moved.id).await).await.unwrap();
    }
}

#[tokio::test]
async fn p11_a_node_that_dies_while_a_recovery_goes_back_to_it_serves_when_it_is_there_again() {
    let stage = Stage::set().await;
    for point in ["move.returning", "move.return-asking"] {
        let (moved, backup) = stage.tenant().await;
        let (from, _) = moved.nodes();
        // Only what was shut before is to be opened by the old node.
        let shut = async || step(&stage.classic, from, &moved.id, "disable").await;
        assert!(insist(shut).await.unwrap());
        let order = nothing(&backup);
        lose_both(&stage, &moved, &order, point).await;
        let operator = Operator::at(&stage.platform, 2);
        wait_until("it waits for the node", PATIENCE, async || {
            operator.step_of(&moved.id).await.filter(|step| *step == MoveStep::Return)
        })
        .await
        .unwrap();
        stage.platform.control().unwrap().start(from, None).await.unwrap();
        assert_eq!(stage.recovered(&moved, &order).await, MoveStep::Failed, "{point}");
        stage.check_rest(&moved, from).await;
        moved.check_stayed(point).await;
        insist(async || stage.classic.unprovision(&moved.id).await).await.unwrap();
    }
}

#[tokio::test]
async fn p11_what_a_move_left_on_a_node_makes_way_for_the_backup_that_is_loaded_there() {
    let stage = Stage::set().await;
    let platform = &stage.platform;
    // Nobody has the time to remove it before.
    for gateway in ["gateway-1", "gateway-2"] {
        let (often, seldom) =
            ("reconcile_interval_seconds = 2", "reconcile_interval_seconds = 3600");
        settings::change(platform, gateway, often, seldom).await;
    }
    let moved = Moved::order(platform, &stage.classic).await;
    let (from, to) = moved.nodes();
    let binding = stage.classic.bind(&moved.id).await.unwrap();
    let operator = Operator::at(platform, 2);
    assert_eq!(operator.moved(&moved.id, to).await, MoveStep::Done);
    stage.classic.unbind(&moved.id, &binding.service_id).await.unwrap();
    let owner = moved.logins_now().await.remove(0);
    owner.execute("INSERT INTO letters VALUES (4)").await.unwrap();
    let backup = stage.back_up(&moved, to).await;
    let left = platform.server(if from == "node-1" { 1 } else { 2 }).unwrap();
    let account = format!("{}@%", binding.credentials["user"].as_str().unwrap());
    assert!(left.accounts().await.unwrap().contains(&account));

    platform.kill(to).await.unwrap();
    let again = async || recover(&stage.classic, &moved.id, &backup).await;
    insist(again).await.unwrap();
    let home = moved.logins_now().await.remove(0);
    assert_eq!(home.number("SELECT COUNT(*) FROM letters").await.unwrap(), Some(4));
    // Who was unbound meanwhile has nothing there any more.
    let accounts = left.accounts().await.unwrap();
    assert!(!accounts.contains(&account), "{accounts:?}");
    home.execute("DELETE FROM letters WHERE id = 4").await.unwrap();
    moved.check_stayed("recovered where it was once").await;
}
