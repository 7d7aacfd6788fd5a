//! What a gateway does with its cloud controller, of either version, and when one is away.

use reqwest::Method;
use serde_json::{Value, json};
use tenon::dev::Api;
use tenon_protocol::Secret;
use tenon_protocol::message::{Handle, ServiceResponse};
use tenon_tests::{
    Availability, Classic, Control, HarnessError, Options, Ordered, Platform, wait_until,
};

use crate::aftermath::{Promises, check_aftermath};
use crate::settings;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

async fn version_2(offerings: &[&str]) -> Platform {
    let options = Options { cc: Api::V2, ..Options::of(offerings) };
    let platform = Platform::start(options).await.unwrap();
    assert_eq!(platform.dev_file().unwrap().cloud_controller.api, "v2");
    platform
}

/// Starts the gateway anew with a heartbeat a second.
async fn hurry(platform: &Platform) {
    let hurry = "heartbeat_interval_seconds = 1";
    settings::set(platform, "gateway-1", "[cloud_controller]", hurry).await;
}

/// Waits until the cloud controller offers `label`, or not any more.
pub(crate) async fn offered(control: &Control, label: &str, active: bool) {
    wait_until("the catalog is as it should be", DEADLINE, async || {
        let offerings = control.offerings().await.unwrap();
        let offering = offerings.iter().find(|notice| notice.label == label)?;
        (offering.active == Some(active)).then_some(())
    })
    .await
    .unwrap();
}

/// How often a request that begins so was heard.
async fn count(control: &Control, request: &str) -> usize {
    let requests = control.requests().await.unwrap();
    requests.iter().filter(|line| line.starts_with(request)).count()
}

/// Waits until a request was heard `times` more than now.
pub(crate) async fn more(control: &Control, request: &str, times: usize) {
    let enough = count(control, request).await + times;
    wait_until(request, DEADLINE, async || (count(control, request).await >= enough).then_some(()))
        .await
        .unwrap();
}

#[tokio::test]
async fn p06_a_version_2_cloud_controller_is_told_once_and_served() {
    let platform = version_2(&["files", "echo"]).await;
    let control = platform.control().unwrap();
    offered(&control, "files-1.0", true).await;
    offered(&control, "echo-1.0", true).await;
    let classic = platform.classic("files").unwrap();
    let mut promises = Promises::default();
    let kept = classic.provision().await.unwrap();
    promises.instance(&kept);
    let binding = classic.bind(&kept.service_id).await.unwrap();
    classic.unbind(&kept.service_id, &binding.service_id).await.unwrap();
    let gone = classic.provision().await.unwrap();
    classic.unprovision(&gone.service_id).await.unwrap();
    promises.gone(&gone.service_id);
    check_aftermath(&platform, "files", &promises).await;

    hurry(&platform).await;
    offered(&control, "files-1.0", true).await;
    offered(&control, "echo-1.0", true).await;
    // Withdrawn at the stop, offered again at the start, for each offering; then nothing.
    let writes = count(&control, "PUT").await;
    more(&control, "GET /v2/services?", 6).await;
    assert_eq!(count(&control, "PUT").await, writes);
    assert_eq!(count(&control, "POST /v2/services").await, 2);
    assert_eq!(count(&control, "POST /v2/service_plans").await, 2);
    assert_eq!(count(&control, "DELETE").await, 0);
}

#[tokio::test]
async fn p07_what_stops_is_not_offered_any_more() {
    for cc in [Api::V1, Api::V2] {
        let options = Options { cc, ..Options::of(&["echo"]) };
        let platform = Platform::start(options).await.unwrap();
        let control = platform.control().unwrap();
        offered(&control, "echo-1.0", true).await;
        control.stop("gateway-1").await.unwrap();
        offered(&control, "echo-1.0", false).await;
        control.start("gateway-1", None).await.unwrap();
        offered(&control, "echo-1.0", true).await;
    }
}

#[tokio::test]
async fn p12_a_token_that_is_refused_in_the_middle_is_replaced() {
    let platform = version_2(&["echo"]).await;
    let control = platform.control().unwrap();
    hurry(&platform).await;
    offered(&control, "echo-1.0", true).await;
    for _ in 0..3 {
        let grants = count(&control, "POST /uaa").await;
        control.revoke_tokens().await.unwrap();
        more(&control, "GET /v2/services?", 4).await;
        assert_eq!(count(&control, "POST /uaa").await, grants + 1);
    }
    assert!(!platform.log("gateway-1").contains("heartbeat failed"));
}

#[tokio::test]
async fn p12_a_gateway_starts_without_its_uaa() {
    let platform = version_2(&["files"]).await;
    let control = platform.control().unwrap();
    offered(&control, "files-1.0", true).await;
    control.set_uaa(Availability::Away).await.unwrap();
    let told = platform.log("gateway-1").len();
    hurry(&platform).await;
    let classic = platform.classic("files").unwrap();
    let mut promises = Promises::default();
    promises.instance(&classic.provision().await.unwrap());
    more(&control, "POST /uaa", 3).await;
    let log = platform.log("gateway-1").split_off(told);
    assert!(log.contains("no handles yet") && !log.contains("handles fetched"), "{log}");
    // With its cause, in JSON too.
    assert!(log.contains("the UAA gave no token: ") && log.contains("answered 503"), "{log}");
    control.set_uaa(Availability::Serving).await.unwrap();
    offered(&control, "files-1.0", true).await;
    platform.logs("gateway-1", "handles fetched").await.unwrap();
    check_aftermath(&platform, "files", &promises).await;
}

#[tokio::test]
async fn what_a_heartbeat_fails_of_is_told_once_for_each_outage() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let control = platform.control().unwrap();
    hurry(&platform).await;
    const HEARTBEAT: &str = "POST /services/v1/offerings";
    for outage in 1..=2 {
        more(&control, HEARTBEAT, 1).await;
        control.set_cloud_controller(Availability::Away).await.unwrap();
        more(&control, HEARTBEAT, 4).await;
        control.set_cloud_controller(Availability::Serving).await.unwrap();
        more(&control, HEARTBEAT, 2).await;
        let told = platform.log("gateway-1").matches("heartbeat failed").count();
        assert_eq!(told, outage);
    }
}

/// An instance on a node and a binding of it, as an original gateway left them.
fn left_behind() -> [Value; 2] {
    let credentials = json!({ "name": "dleft", "node_id": "node-1", "path": "/x" });
    let data = json!({ "binding_options": {} });
    [
        json!({
            "service_id": "dleft", "credentials": credentials,
            "configuration": { "plan": "free", "version": "1.0" },
        }),
        json!({
            "service_id": "bleft", "credentials": credentials,
            "configuration": { "plan": "free", "data": data },
        }),
    ]
}

#[tokio::test]
async fn p13_handles_of_a_version_2_cloud_controller_are_taken_over_and_nobody_elses_are_read() {
    let platform = version_2(&["files", "echo"]).await;
    let control = platform.control().unwrap();
    offered(&control, "files-1.0", true).await;
    offered(&control, "echo-1.0", true).await;
    for handle in left_behind() {
        control.put_handle("files", &serde_json::from_value(handle).unwrap()).await.unwrap();
    }
    let before = control.requests().await.unwrap().len();
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", None).await.unwrap();
    platform.logs("gateway-1", "new: 2").await.unwrap();
    let requests = control.requests().await.unwrap().split_off(before);
    let lists = |kind: &str| requests.iter().filter(|line| line.contains(kind)).count();
    // One list of each plan, and one of the one instance.
    assert_eq!(lists("GET /v2/service_instances?q=service_plan_guid:"), 2, "{requests:#?}");
    assert_eq!(lists("GET /v2/service_bindings?q=service_instance_guid:i-dleft"), 1);
    assert_eq!(lists("GET /v2/service_"), 3);
    let records = platform.records().await.unwrap();
    let instances = records.instances().await.unwrap();
    assert!(instances.values().any(|record| record.id.as_str() == "dleft"));
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", None).await.unwrap();
    platform.logs("gateway-1", "known: 2").await.unwrap();
}

#[tokio::test]
async fn p14_both_tokens_of_a_change_are_accepted() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let old = platform.classic("files").unwrap();
    let next = "next_token = \"the-next-one\"";
    settings::set(&platform, "gateway-1", "[[offerings]]", next).await;
    let file = platform.dev_file().unwrap();
    let node = file.nodes.first().unwrap();
    let with = |token: &str| {
        let ordered = Ordered {
            label: "files".to_owned(),
            plan_unique_id: node.plan_unique_id.clone(),
            plan: node.plan.clone(),
            version: node.versions[0].clone(),
        };
        Classic::new(file.gateway.url.clone(), Secret::new(token.to_owned()), ordered).unwrap()
    };
    let made = with("the-next-one").provision().await.unwrap();
    old.unprovision(&made.service_id).await.unwrap();
    let Err(HarnessError::Refused(refused)) = with("another").provision().await else {
        panic!("a token of nobody's is accepted");
    };
    assert_eq!((refused.status, refused.code), (401, 30100));
}

#[tokio::test]
async fn p36_the_id_that_a_version_1_cloud_controller_derives_orders_the_plan() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let text = settings::read(&platform, "gateway-1");
    let changed = text.replace("core_files_free", "rds-files-free-7b1e5f1c");
    assert_ne!(text, changed);
    platform.dir().unwrap().write("gateway-1.toml", changed).unwrap();
    let control = platform.control().unwrap();
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", None).await.unwrap();
    // Its client still orders with the derived id.
    let made = platform.classic("files").unwrap().provision().await.unwrap();
    assert_eq!(made.configuration.plan.as_deref(), Some("free"));
}

#[tokio::test]
async fn p37_an_offering_is_told_when_a_node_serves_it() {
    for cc in [Api::V1, Api::V2] {
        let options = Options { cc, ..Options::of(&["echo"]) };
        let platform = Platform::start(options).await.unwrap();
        let control = platform.control().unwrap();
        offered(&control, "echo-1.0", true).await;
        control.stop("node-1").await.unwrap();
        control.stop("gateway-1").await.unwrap();
        let told = platform.log("gateway-1").matches("handles fetched").count();
        control.start("gateway-1", None).await.unwrap();
        wait_until("the gateway has its handles", DEADLINE, async || {
            let fetched = platform.log("gateway-1").matches("handles fetched").count();
            (fetched > told).then_some(())
        })
        .await
        .unwrap();
        offered(&control, "echo-1.0", false).await;
        control.start("node-1", None).await.unwrap();
        offered(&control, "echo-1.0", true).await;
    }
}

fn handle_of(made: &ServiceResponse) -> Handle {
    Handle {
        service_id: made.service_id.clone(),
        configuration: made.configuration.clone(),
        credentials: made.credentials.clone(),
    }
}

/// Moves an instance with a binding, and looks whether the cloud controller was told of both.
async fn check_told_of_a_move(cc: Api) {
    let options = Options { cc, nodes: 2, ..Options::of(&["mysql"]) };
    let platform = Platform::start(options).await.unwrap();
    let (control, classic) = (platform.control().unwrap(), platform.classic("mysql").unwrap());
    let instance = classic.provision().await.unwrap();
    let binding = classic.bind(&instance.service_id).await.unwrap();
    for made in [&instance, &binding] {
        control.put_handle("mysql", &handle_of(made)).await.unwrap();
    }
    let (source, id) = (instance.credentials["node_id"].as_str().unwrap(), &instance.service_id);
    let target = if source == "node-1" { "node-2" } else { "node-1" };
    for (node, step) in [(source, "disable"), (target, "import"), (target, "update")] {
        let path = format!("/service/internal/v1/migration/{node}/{id}/{step}");
        let done: Value = classic.send(Method::POST, &path, &json!({})).await.unwrap();
        assert_eq!(done, json!(true), "{step}");
    }
    let handles = control.handles().await.unwrap();
    let (moved, access) = (&handles["mysql"][id], &handles["mysql"][&binding.service_id]);
    assert_eq!(moved["credentials"]["node_id"], json!(target));
    assert_eq!(moved["configuration"], json!(instance.configuration));
    assert_ne!(moved["credentials"]["port"], instance.credentials["port"]);
    assert_eq!(access["credentials"]["port"], moved["credentials"]["port"]);
    assert_eq!(access["credentials"]["password"], binding.credentials["password"]);
}

#[tokio::test]
async fn p10_a_version_1_cloud_controller_is_told_of_a_move() {
    check_told_of_a_move(Api::V1).await;
}

#[tokio::test]
async fn p10_a_version_2_cloud_controller_is_told_of_a_move() {
    check_told_of_a_move(Api::V2).await;
}
