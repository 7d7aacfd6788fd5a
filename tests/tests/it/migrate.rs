//! An instance moves to another node: through the gateways, with its data and its credentials.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tenon_protocol::job::{JobStatus, JobView};
use tenon_protocol::record::{MoveStep, key};
use tenon_protocol::{NodeId, ServiceName};
use tenon_tests::{Classic, HarnessError, Options, Platform, wait_until};

use crate::aftermath::come_to_rest;
use crate::crash::{dies_at, hurry, operation, points};
use crate::crash_node;
use crate::mover::{Moved, Operator};
use crate::settings;

/// A debug build takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

const GATEWAY: &str = include_str!("../../../host-gateway/src/crash.rs");

/// Points of a move that goes back; they need one that fails.
const BACK: [&str; 3] = ["move.returning", "move.return-asking", "move.returned"];

pub(crate) async fn platform() -> Platform {
    let options = Options { nodes: 2, gateways: 2, ..Options::of(&["mysql"]) };
    let platform = Platform::start(options).await.unwrap();
    hurry(&platform, "gateway-1").await;
    hurry(&platform, "gateway-2").await;
    platform
}

/// Nothing is left on the node that is not to have it.
pub(crate) async fn check_rest(platform: &Platform, moved: &Moved, home: &str) {
    come_to_rest(&platform.records().await.unwrap()).await;
    for (number, node) in [(1, "node-1"), (2, "node-2")] {
        let databases = platform.server(number).unwrap().databases().await.unwrap();
        assert_eq!(databases.contains(&moved.id), node == home, "{node}: {databases:?}");
    }
}

#[tokio::test]
async fn p10_an_instance_moves_with_its_data_and_the_platform_is_told() {
    let platform = platform().await;
    let classic = platform.classic("mysql").unwrap();
    let moved = Moved::order(&platform, &classic).await;
    let (_, to) = moved.nodes();
    let snapshot = classic.take_snapshot(&moved.id).await.unwrap();
    classic.completed(&moved.id, &snapshot).await.unwrap();
    let operator = Operator::at(&platform, 1);
    operator.order_move(&moved.id, to).await.unwrap();
    assert_eq!(operator.moved(&moved.id, to).await, MoveStep::Done);
    moved.check_moved("whole").await;
    check_rest(&platform, &moved, to).await;

    // Its snapshots came along.
    let owner = moved.logins_now().await.remove(0);
    owner.execute("DELETE FROM letters").await.unwrap();
    let taken = classic.snapshots(&moved.id).await.unwrap().pop().unwrap();
    let back = classic.roll_back(&moved.id, &taken.snapshot_id).await.unwrap();
    classic.completed(&moved.id, &back).await.unwrap();
    moved.check_moved("rolled back").await;

    // It is an instance like any other.
    let binding = classic.bind(&moved.id).await.unwrap();
    assert_eq!(
        binding.credentials["port"],
        json!(platform.dev_file().unwrap().mysql[if to == "node-1" { 0 } else { 1 }].port)
    );
    classic.unbind(&moved.id, &binding.service_id).await.unwrap();
    classic.unprovision(&moved.id).await.unwrap();
    for number in [1, 2] {
        assert_eq!(platform.server(number).unwrap().accounts().await.unwrap(), [""; 0]);
    }
}

/// Writes the record of `job` once more, under another node.
async fn write_twice(platform: &Platform, job: &JobView, from: &str, to: &str) {
    let nats = platform.dev_file().unwrap().nats;
    let login = (nats.user, nats.password.reveal().to_owned());
    let options = async_nats::ConnectOptions::with_user_and_password(login.0, login.1);
    let context = async_nats::jetstream::new(options.connect(nats.url).await.unwrap());
    let bucket = context.get_key_value(key::JOBS_BUCKET).await.unwrap();
    let service = ServiceName::new("MyaaS").unwrap();
    let key = |node: &str| key::job(&service, &NodeId::new(node).unwrap(), &job.job_id);
    let record = bucket.get(key(from)).await.unwrap().unwrap();
    bucket.put(key(to), record).await.unwrap();
}

#[tokio::test]
async fn p31_a_job_that_is_ordered_again_after_a_move_runs_once() {
    let platform = platform().await;
    let classic = platform.classic("mysql").unwrap();
    let moved = Moved::order(&platform, &classic).await;
    let (from, to) = moved.nodes();
    let asking = classic.asking_as("r-1");
    let job = asking.take_snapshot(&moved.id).await.unwrap();
    classic.completed(&moved.id, &job).await.unwrap();
    let operator = Operator::at(&platform, 1);
    operator.order_move(&moved.id, to).await.unwrap();
    assert_eq!(operator.moved(&moved.id, to).await, MoveStep::Done);

    let again = asking.take_snapshot(&moved.id).await.unwrap();
    assert_eq!((again.job_id.clone(), again.status), (job.job_id.clone(), JobStatus::Completed));
    assert_eq!(classic.snapshots(&moved.id).await.unwrap().len(), 1);
    // One that was ordered twice before this was so is shown all the same.
    write_twice(&platform, &job, from, to).await;
    assert_eq!(classic.job(&moved.id, &job.job_id).await.unwrap().status, JobStatus::Completed);
}

#[tokio::test]
async fn p11_a_gateway_killed_at_any_step_of_a_move_leaves_it_to_the_other() {
    let platform = platform().await;
    let again = platform.classic_at(2, "mysql").unwrap();
    for point in points(GATEWAY).into_iter().filter(|point| operation(point) == "move") {
        if BACK.contains(&point) {
            continue;
        }
        let moved = Moved::order(&platform, &again).await;
        let (_, to) = moved.nodes();
        let first = Operator::at(&platform, 1);
        let _lost = dies_at(&platform, "gateway-1", point, async {
            let answer = first.order_move(&moved.id, to).await;
            platform.is_gone("gateway-1").await.unwrap();
            answer
        })
        .await;
        let step = Operator::at(&platform, 2).moved(&moved.id, to).await;
        assert_eq!(step, MoveStep::Done, "{point}");
        moved.check_moved(point).await;
        check_rest(&platform, &moved, to).await;
    }
}

#[tokio::test]
async fn p11_a_gateway_killed_while_a_move_goes_back_leaves_that_to_the_other() {
    let platform = platform().await;
    for gateway in ["gateway-1", "gateway-2"] {
        let short = "move_timeout_seconds = 1";
        settings::set(&platform, gateway, "[[offerings]]", short).await;
    }
    let again = platform.classic_at(2, "mysql").unwrap();
    for point in BACK {
        let moved = Moved::order(&platform, &again).await;
        let (from, to) = moved.nodes();
        platform.kill(to).await.unwrap();
        let first = Operator::at(&platform, 1);
        let _lost = dies_at(&platform, "gateway-1", point, async {
            let answer = first.order_move(&moved.id, to).await;
            platform.is_gone("gateway-1").await.unwrap();
            answer
        })
        .await;
        let step = Operator::at(&platform, 2).moved(&moved.id, to).await;
        assert_eq!(step, MoveStep::Failed, "{point}");
        moved.check_stayed(point).await;
        platform.control().unwrap().start(to, None).await.unwrap();
        check_rest(&platform, &moved, from).await;
    }
}

/// The node that takes a step.
fn node_of(step: &str, (from, to): (&'static str, &'static str)) -> &'static str {
    match step {
        "disable" => from,
        // The store is shared, and the old node may be gone.
        "import" | "update" | "cleanupnfs" => to,
        other => panic!("no step of a move that succeeds is called {other}"),
    }
}

#[tokio::test]
async fn p11_nodes_killed_at_any_step_of_a_move_take_it_again() {
    let platform = platform().await;
    let classic = platform.classic("mysql").unwrap();
    let operator = Operator::at(&platform, 1);
    for point in crash_node::points_of(&["disable", "import", "update", "cleanupnfs"]) {
        let moved = Moved::order(&platform, &classic).await;
        let nodes = moved.nodes();
        let child = node_of(operation(point), nodes);
        let ended = async {
            operator.order_move(&moved.id, nodes.1).await.unwrap();
            operator.moved(&moved.id, nodes.1).await
        };
        let step = dies_at(&platform, child, point, ended).await;
        assert_eq!(step, MoveStep::Done, "{point}");
        moved.check_moved(point).await;
        check_rest(&platform, &moved, nodes.1).await;
    }
}

pub(crate) async fn step(
    classic: &Classic,
    node: &str,
    id: &str,
    action: &str,
) -> Result<bool, HarnessError> {
    let path = format!("/service/internal/v1/migration/{node}/{id}/{action}");
    classic.send(Method::POST, &path, &json!({})).await
}

fn refused(answer: Result<bool, HarnessError>) -> (u16, u64) {
    match answer {
        Err(HarnessError::Refused(refusal)) => (refusal.status, refusal.code),
        other => panic!("{other:?}"),
    }
}

async fn instances(classic: &Classic, node: &str) -> Vec<String> {
    let path = format!("/service/internal/v1/migration/{node}/instances");
    classic.send(Method::GET, &path, &json!({})).await.unwrap()
}

#[tokio::test]
async fn the_rebalancing_tool_of_the_original_moves_an_instance_step_by_step() {
    let platform = platform().await;
    let classic = platform.classic("mysql").unwrap();
    let moved = Moved::order(&platform, &classic).await;
    let ((from, to), id) = (moved.nodes(), moved.id.as_str());
    assert_eq!(instances(&classic, from).await, [id]);
    assert_eq!(instances(&classic, "nosuch").await, [""; 0]);
    assert!(step(&classic, from, id, "check").await.unwrap());
    assert_eq!(refused(step(&classic, to, id, "check").await), (404, 30300));
    assert_eq!(refused(step(&classic, from, id, "fly").await), (404, 30300));
    assert_eq!(refused(step(&classic, from, "nope", "check").await), (404, 30300));
    // Where it lives it is neither imported nor removed by a tool.
    assert_eq!(refused(step(&classic, from, id, "import").await), (409, 30301));
    assert_eq!(refused(step(&classic, from, id, "unprovision").await), (409, 30301));

    assert!(step(&classic, from, id, "disable").await.unwrap());
    assert_eq!(refused(classic.bind(id).await.map(|_| true)), (500, 30807));
    assert!(step(&classic, to, id, "import").await.unwrap());
    // The tool calls it off, and begins anew.
    assert!(step(&classic, to, id, "unprovision").await.unwrap());
    assert!(step(&classic, from, id, "enable").await.unwrap());
    moved.check_stayed("called off").await;

    for (node, action) in [
        (from, "disable"),
        (to, "import"),
        (to, "update"),
        (from, "unprovision"),
        (from, "cleanupnfs"),
    ] {
        for _twice in 0..2 {
            let repeated = step(&classic, node, id, action).await;
            // What is done is done: an instance that arrived is not imported any more.
            assert!(repeated.as_ref().is_ok_and(|done| *done), "{action}: {repeated:?}");
        }
    }
    moved.check_moved("by the tool").await;
    assert_eq!(instances(&classic, to).await, [id]);
    check_rest(&platform, &moved, to).await;
}

#[tokio::test]
async fn an_instance_removed_while_it_moves_is_gone_from_both_nodes() {
    let platform = platform().await;
    let classic = platform.classic("mysql").unwrap();
    let moved = Moved::order(&platform, &classic).await;
    let ((from, to), id) = (moved.nodes(), moved.id.as_str());
    assert!(step(&classic, from, id, "disable").await.unwrap());
    assert!(step(&classic, to, id, "import").await.unwrap());
    classic.unprovision(id).await.unwrap();
    for number in [1, 2] {
        assert_eq!(platform.server(number).unwrap().databases().await.unwrap(), [""; 0]);
        assert_eq!(platform.server(number).unwrap().accounts().await.unwrap(), [""; 0]);
    }
    assert_eq!(refused(step(&classic, to, id, "update").await), (404, 30300));
    // Nor is its data left between them.
    let (dir, path) = (platform.dir().unwrap(), format!("snapshots/MyaaS/{id}"));
    let gone = async || (!dir.exists(&path)).then_some(());
    wait_until("the data is gone", PATIENCE, gone).await.unwrap();
}
