//! The instances of a lost node come back on another one, from a backup.

use std::future::Future;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::record::MoveStep;
use tenon_tests::{Classic, HarnessError, Options, Platform, wait_until};

use crate::aftermath::come_to_rest;
use crate::crash::{dies_at, hurry, insist, operation, points};
use crate::crash_node;
use crate::mover::{Moved, Operator};

const GATEWAY: &str = include_str!("../../../host-gateway/src/crash.rs");

/// Points that a recovery does not pass: the old node is not asked for anything.
const NOT_PASSED: [&str; 5] =
    ["move.away-asking", "move.away-done", "move.returning", "move.return-asking", "move.returned"];

/// A debug build takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nodes behind two gateways, and a tenant with a backup.
pub(crate) struct Stage {
    pub(crate) platform: Platform,
    /// Of the second gateway, which nobody kills.
    pub(crate) classic: Classic,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::of_nodes(2).await
    }

    pub(crate) async fn of_nodes(nodes: u32) -> Self {
        let options = Options { nodes, gateways: 2, ..Options::of(&["mysql"]) };
        let platform = Platform::start(options).await.unwrap();
        hurry(&platform, "gateway-1").await;
        hurry(&platform, "gateway-2").await;
        let classic = platform.classic_at(2, "mysql").unwrap();
        Self { platform, classic }
    }

    /// A tenant, and the directory of a backup of its letters.
    pub(crate) async fn tenant(&self) -> (Moved, String) {
        let moved = Moved::order(&self.platform, &self.classic).await;
        let backup = self.back_up(&moved, moved.nodes().0).await;
        (moved, backup)
    }

    /// The directory of a backup that `node` takes of the letters of `moved`.
    pub(crate) async fn back_up(&self, moved: &Moved, node: &str) -> String {
        self.platform.back_up(node).unwrap();
        let backup = wait_until("a backup", PATIENCE, async || self.backup_of(&moved.id));
        backup.await.unwrap()
    }

    fn backup_of(&self, id: &str) -> Option<String> {
        let part = |at: usize| id.get(at..at + 2).unwrap();
        let path = format!("backups/backups/MyaaS/{}/{}/{}/{id}", part(0), part(2), part(4));
        let entries = self.platform.dir().unwrap().read_dir(&path).ok()?;
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let name = names.filter(|name| name.parse::<u64>().is_ok()).max()?;
        Some(format!("{}/{path}/{name}", self.platform.root().display()))
    }

    /// The recovery of `moved`, in the middle of which `child` dies at `point`.
    pub(crate) async fn dies(&self, child: &str, point: &str, recovery: impl Future<Output = ()>) {
        dies_at(&self.platform, child, point, recovery).await;
    }

    /// Orders the recovery of `moved` from the first gateway, which may die over it.
    pub(crate) async fn ordered_of_the_first(&self, moved: &Moved, backup: &str) {
        let first = self.platform.classic_at(1, "mysql").unwrap();
        wait_until("the gateway takes the order", PATIENCE, async || {
            let answer = recover(&first, &moved.id, backup).await;
            // It has just begun, and knows no node yet.
            let refused = matches!(&answer, Err(HarnessError::Refused(r)) if r.code == 30601);
            (!refused).then_some(())
        })
        .await
        .unwrap();
    }

    /// Waits for the end of the recovery, which is asked for until it has begun.
    pub(crate) async fn recovered(&self, moved: &Moved, backup: &str) -> MoveStep {
        let operator = Operator::at(&self.platform, 2);
        wait_until("the end of the recovery", PATIENCE * 2, async || {
            let step = operator.step_of(&moved.id).await;
            if step.is_none() {
                let _begun = recover(&self.classic, &moved.id, backup).await;
            }
            step.filter(|step| step.is_final())
        })
        .await
        .unwrap()
    }

    pub(crate) async fn check_rest(&self, moved: &Moved, home: &str) {
        come_to_rest(&self.platform.records().await.unwrap()).await;
        for (number, node) in [(1, "node-1"), (2, "node-2")] {
            let databases = self.platform.server(number).unwrap().databases().await.unwrap();
            assert_eq!(databases.contains(&moved.id), node == home, "{node}: {databases:?}");
        }
    }
}

pub(crate) async fn recover(
    classic: &Classic,
    id: &str,
    backup: &str,
) -> Result<Value, HarnessError> {
    let body = json!({ "instance_id": id, "backup_path": backup });
    classic.send(Method::POST, "/service/internal/v1/recover", &body).await
}

#[tokio::test]
async fn p10_the_instance_of_a_lost_node_comes_back_on_another_and_the_platform_is_told() {
    let stage = Stage::set().await;
    let (moved, backup) = stage.tenant().await;
    let (from, to) = moved.nodes();
    let server = from.replace("node", "mysql");
    stage.platform.kill(from).await.unwrap();
    stage.platform.kill(&server).await.unwrap();
    let again = async || recover(&stage.classic, &moved.id, &backup).await;
    assert_eq!(insist(again).await.unwrap(), json!({}));
    moved.check_moved("lost").await;

    // The lost node comes back, with what it had: that goes.
    let control = stage.platform.control().unwrap();
    control.start(&server, None).await.unwrap();
    control.start(from, None).await.unwrap();
    stage.check_rest(&moved, to).await;
}

#[tokio::test]
async fn a_recovery_without_a_backup_fails_and_leaves_the_instance_where_it_is() {
    let stage = Stage::set().await;
    let (moved, backup) = stage.tenant().await;
    let nothing = format!("{backup}0");
    let refused = insist(async || recover(&stage.classic, &moved.id, &nothing).await).await;
    let Err(HarnessError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert!((400..500).contains(&refusal.status), "{refusal}");
    assert_eq!(stage.recovered(&moved, &nothing).await, MoveStep::Failed);
    moved.check_stayed("no backup").await;
    stage.check_rest(&moved, moved.nodes().0).await;
    for (id, path) in [("nope", backup.as_str()), ("", "")] {
        let Err(HarnessError::Refused(refusal)) = recover(&stage.classic, id, path).await else {
            panic!("{id} was recovered")
        };
        assert_eq!((refusal.status, refusal.code), (404, 30300));
    }
}

#[tokio::test]
async fn p11_a_gateway_killed_at_any_step_of_a_recovery_leaves_it_to_the_other() {
    let stage = Stage::set().await;
    let passed = |point: &&str| operation(point) == "move" && !NOT_PASSED.contains(point);
    for point in points(GATEWAY).into_iter().filter(passed) {
        let (moved, backup) = stage.tenant().await;
        let recovery = stage.ordered_of_the_first(&moved, &backup);
        stage.dies("gateway-1", point, recovery).await;
        assert_eq!(stage.recovered(&moved, &backup).await, MoveStep::Done, "{point}");
        // The old node lives: what it had goes when there is time.
        stage.check_rest(&moved, moved.nodes().1).await;
        moved.check_moved(point).await;
    }
}

#[tokio::test]
async fn p11_a_node_killed_at_any_step_of_a_recovery_takes_it_again() {
    let stage = Stage::set().await;
    for point in crash_node::points_of(&["provision", "reload", "update"]) {
        let (moved, backup) = stage.tenant().await;
        let recovery = async {
            assert_eq!(stage.recovered(&moved, &backup).await, MoveStep::Done, "{point}");
        };
        stage.dies(moved.nodes().1, point, recovery).await;
        // The old node lives: what it had goes when there is time.
        stage.check_rest(&moved, moved.nodes().1).await;
        moved.check_moved(point).await;
    }
}
