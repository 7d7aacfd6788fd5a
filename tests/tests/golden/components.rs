//! A collector of 2013 looks at our processes, and a tool of 2011 asks for handles.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{RequestErrorKind, Subscriber};
use futures_util::StreamExt;
use reqwest::Client;
use serde_json::{Value, json};
use tenon_tests::wait_until;
use tokio::time::timeout;

use super::cloud_controller::CloudController;
use super::collector::{Collector, login};
use super::gateway_client::GatewayClient;
use super::rig::{Peers, Rig};

/// A message that is due has come by then.
const DEADLINE: Duration = Duration::from_secs(30);

/// Fields of the recorded page of a gateway, in their order.
const OF_A_GATEWAY: [&str; 20] = [
    "type",
    "index",
    "uuid",
    "host",
    "credentials",
    "start",
    "num_cores",
    "config",
    "nodes",
    "prov_svcs",
    "orphan_instances",
    "orphan_bindings",
    "plans",
    "responses_metrics",
    "uptime",
    "mem",
    "cpu",
    "mem_used_bytes",
    "mem_free_bytes",
    "cpu_load_avg",
];

/// Those of a node, without what only a MySQL service knows.
const OF_A_NODE: [&str; 20] = [
    "type",
    "index",
    "uuid",
    "host",
    "credentials",
    "start",
    "num_cores",
    "config",
    "available_capacity",
    "max_capacity",
    "capacity_unit",
    "used_capacity",
    "provision_served",
    "binding_served",
    "uptime",
    "mem",
    "cpu",
    "mem_used_bytes",
    "mem_free_bytes",
    "cpu_load_avg",
];

/// A gateway and a node of ours that take each other for original ones.
struct Stage {
    rig: Rig,
    url: String,
    http: Client,
    collector: Collector,
    announced: Subscriber,
    _cloud_controller: CloudController,
}

impl Stage {
    async fn set() -> Self {
        let mut rig = Rig::start().await;
        let announced = rig.listen("vcap.component.announce").await;
        rig.start_node(Peers::Original).await;
        let cloud_controller = CloudController::start().await;
        let nodes = rig.listen("MyaaS.announce").await;
        let url = rig.start_gateway(&cloud_controller.url, Peers::Original);
        GatewayClient::of(url.clone(), &rig, nodes).await;
        let http = Client::builder().no_proxy().build().unwrap();
        let collector = Collector::new();
        Self { rig, url, http, collector, announced, _cloud_controller: cloud_controller }
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        let response = request.header("x-vcap-service-token", "0xdeadbeef").send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{answer}\n{}", self.rig.logs());
        answer
    }

    /// An instance and a binding of it, as the platform got them.
    async fn order(&self) -> (Value, Value) {
        let order = json!({
            "label": "mysql-5.5", "name": "n", "email": "e", "plan": "free", "version": "5.5",
            "unique_id": "core_mysql_free",
        });
        let instance = self.post("/gateway/v1/configurations", &order).await;
        let id = instance["service_id"].as_str().unwrap();
        let bind = json!({
            "service_id": id, "label": "mysql-5.5", "email": "e", "binding_options": {},
        });
        let binding = self.post(&format!("/gateway/v1/configurations/{id}/handles"), &bind).await;
        (instance, binding)
    }

    /// `/varz` of a component, whose fields are `expected`.
    async fn varz(&self, component: &Value, expected: &[&str]) -> (Value, String) {
        let (status, text) = self.collector.page(component, "/varz", Some(login(component))).await;
        assert_eq!(status, 200, "{text}");
        let at = |field: &&str| {
            text.find(&format!("\n  \"{field}\": ")).unwrap_or_else(|| panic!("{field}: {text}"))
        };
        let places: Vec<usize> = expected.iter().map(at).collect();
        assert!(places.is_sorted(), "{text}");
        let varz: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(varz.as_object().unwrap().len(), expected.len(), "{text}");
        (varz, text)
    }

    async fn ask(&self, subject: &'static str, payload: String) -> Value {
        let answer = self.rig.bus.request(subject, payload.into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    }
}

async fn next(messages: &mut Subscriber) -> Value {
    let message = timeout(DEADLINE, messages.next()).await;
    let message = message.expect("it comes in time").expect("the bus stays");
    serde_json::from_slice(&message.payload).unwrap()
}

#[tokio::test]
async fn a_collector_of_2013_finds_both_processes_and_reads_them() {
    let mut stage = Stage::set().await;
    let (instance, binding) = stage.order().await;
    let mut found: BTreeMap<String, Value> = stage.collector.discover(&stage.rig, 2).await;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["MyaaS-Node", "MyaaS-Provisioner"]);
    for _ in 0..2 {
        let announced = next(&mut stage.announced).await;
        let answered = found.get_mut(announced["type"].as_str().unwrap()).unwrap();
        let uptime = answered.as_object_mut().unwrap().remove("uptime").unwrap();
        assert!(uptime.as_str().unwrap().starts_with("0d:0h:"), "{uptime}");
        assert_eq!(*answered, announced);
    }
    for component in found.values() {
        let page = |path, login| stage.collector.page(component, path, login);
        assert_eq!(page("/healthz", Some(login(component))).await, (200, "ok\n".to_owned()));
        assert_eq!(page("/varz", None).await, (401, String::new()));
        assert_eq!(page("/varz", Some((login(component).0, "guess"))).await.0, 401);
    }

    let (node, text) = stage.varz(&found["MyaaS-Node"], &OF_A_NODE).await;
    assert_eq!((&node["available_capacity"], &node["used_capacity"]), (&json!(199), &json!(1)));
    assert_eq!((&node["provision_served"], &node["binding_served"]), (&json!(1), &json!(1)));
    assert_eq!(node["config"]["mysql"]["5.5"]["user"], "root");
    // The password of everything on this stage.
    assert!(!text.contains("golden\""), "p29: {text}");

    let (gateway, text) = stage.varz(&found["MyaaS-Provisioner"], &OF_A_GATEWAY).await;
    check_gateway(&gateway, &instance, &binding);
    for handle in [&instance, &binding] {
        let password = handle["credentials"]["password"].as_str().unwrap();
        assert!(!text.contains(password), "p29: {text}");
        assert!(!stage.rig.logs().contains(password), "p29: {}", stage.rig.logs());
    }
}

fn check_gateway(varz: &Value, instance: &Value, binding: &Value) {
    let node = &varz["nodes"]["mysql_node_free_1"];
    assert_eq!((&node["plan"], &node["max_capacity"]), (&json!("free"), &json!(200)));
    assert!(node["time"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!(varz["prov_svcs"].as_object().unwrap().len(), 2);
    for handle in [instance, binding] {
        let shown = &varz["prov_svcs"][handle["service_id"].as_str().unwrap()];
        assert_eq!(shown["credentials"]["user"], handle["credentials"]["user"]);
        assert_eq!(shown["credentials"]["password"], "********");
        assert_eq!(shown["credentials"]["uri"], "********");
        assert_eq!(shown["configuration"]["plan"], "free");
    }
    assert_eq!(varz["plans"][0]["plan"], "free");
    assert_eq!(varz["plans"][0]["max_capacity"], 200);
    assert_eq!(
        varz["plans"][1],
        json!({"plan": "expensive", "score": 0, "low_water": 1, "high_water": 20, "allow_over_provisioning": 0})
    );
    assert!(varz["responses_metrics"]["responses_2xx"].as_u64().unwrap() >= 2);
}

#[tokio::test]
async fn p16_whatever_is_asked_for_handles_the_gateway_answers_without_secrets() {
    let stage = Stage::set().await;
    let (instance, binding) = stage.order().await;
    let id = instance["service_id"].as_str().unwrap();
    let of_instance = stage.ask("MyaaS.handles", id.to_owned()).await;
    assert_eq!(of_instance[0]["service_id"], binding["service_id"]);
    assert_eq!(of_instance[0]["credentials"]["password"], "********");
    assert_eq!(of_instance.as_array().unwrap().len(), 1);
    let all = stage.ask("MyaaS.handles", String::new()).await;
    assert_eq!(all.as_object().unwrap().len(), 2);
    assert_eq!(all[id]["credentials"]["password"], "********");
    for nothing in ["{bad", "no such id", "\u{0}", "null"] {
        assert_eq!(stage.ask("MyaaS.handles", nothing.to_owned()).await, json!([]), "{nothing}");
    }
    // A question without an inbox, as the crashing one was.
    stage.rig.bus.publish("MyaaS.handles", "".into()).await.unwrap();

    let mut changed = instance.clone();
    changed["credentials"]["user"] = json!("changed");
    let update = |handle: &Value| stage.ask("MyaaS.update_service_handle", handle.to_string());
    assert_eq!(update(&changed).await, json!(true));
    let all = stage.ask("MyaaS.handles", String::new()).await;
    assert_eq!(all[id]["credentials"]["user"], "changed");
    let mut unknown = changed.clone();
    unknown["credentials"]["name"] = json!("d0");
    unknown["service_id"] = json!("d0");
    let broken = [unknown, json!(null), json!([]), json!({"service_id": id, "credentials": {}})];
    for handle in broken {
        assert_eq!(update(&handle).await, json!(false), "{handle}");
    }
}

#[tokio::test]
async fn a_collector_is_shown_a_thousand_handles_and_told_that_there_may_be_more() {
    let mut rig = Rig::start().await;
    let mut announced = rig.listen("vcap.component.announce").await;
    let cloud_controller = CloudController::start().await;
    let handle = |number: u32| {
        let id = format!("d{number}");
        json!({
            "service_id": id, "configuration": { "plan": "free", "version": "5.5" },
            "credentials": { "name": id, "node_id": "mysql_node_free_1" },
        })
    };
    let handles: Vec<Value> = (0..1_001).map(handle).collect();
    cloud_controller.list(&json!({ "handles": handles }).to_string());
    rig.start_gateway(&cloud_controller.url, Peers::Original);
    let component = next(&mut announced).await;
    let collector = Collector::new();
    let page = wait_until("all handles", DEADLINE, async || {
        let (_, text) = collector.page(&component, "/varz", Some(login(&component))).await;
        let varz: Value = serde_json::from_str(&text).unwrap();
        varz.get("prov_svcs_limit").is_some().then_some(varz)
    });
    let varz = page.await.unwrap();
    assert_eq!(varz["prov_svcs_limit"], 1_000);
    assert_eq!(varz["prov_svcs"].as_object().unwrap().len(), 1_000);
}

#[tokio::test]
async fn p15_beside_native_peers_nobody_can_ask_and_no_password_is_told() {
    let mut rig = Rig::start().await;
    let mut announced = rig.listen("vcap.component.announce").await;
    let mut stand_in = rig.listen("MyaaS.discover").await;
    let cloud_controller = CloudController::start().await;
    rig.start_gateway(&cloud_controller.url, Peers::Native);
    // It has begun: it looks for nodes.
    let asked = timeout(DEADLINE, stand_in.next()).await;
    assert!(matches!(asked, Ok(Some(_))), "{}", rig.logs());
    for subject in ["vcap.component.discover", "MyaaS.handles", "MyaaS.update_service_handle"] {
        let error = rig.bus.request(subject, "".into()).await.unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::NoResponders, "{subject}");
    }
    assert!(futures_util::FutureExt::now_or_never(announced.next()).is_none());
}
