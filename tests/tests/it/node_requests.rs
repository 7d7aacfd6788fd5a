//! Requests that a node refuses: of gateways that it does not expect, or that make no sense; and
//! floods of questions.

use std::time::Duration;

use async_nats::HeaderMap;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tenon_protocol::message::InventoryPage;
use tenon_tests::{Options, Platform, wait_until};
use tokio::time::timeout;

use crate::bus::Bus;
use crate::node_stand_in::connect;

/// Long enough that nothing comes any more.
const QUIET: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_secs(60);

/// A platform whose node serves `echo`, and somebody on its bus.
struct Stage {
    platform: Platform,
    bus: async_nats::Client,
    service: String,
}

impl Stage {
    async fn set() -> Self {
        let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
        let bus = connect(&platform).await;
        let service = platform.dev_file().unwrap().nodes.first().unwrap().service.clone();
        Self { platform, bus, service }
    }

    /// The number that the node answers with; 0 for success.
    async fn ask(&self, operation: &str, headers: &[(&str, &str)], body: &str) -> u64 {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|&(name, value)| map.insert(name, value));
        let subject = format!("{}.{operation}.node-1", self.service);
        let asked = self.bus.request_with_headers(subject, map, body.to_owned().into());
        let answer: Value = serde_json::from_slice(&asked.await.unwrap().payload).unwrap();
        answer["error"]["msg"]["code"].as_u64().unwrap_or_default()
    }

    /// Lines of the node's log that are warnings about a request, and say `text`.
    fn warnings(&self, text: &str) -> Vec<String> {
        let log = self.platform.log("node-1");
        let lines = log.lines().filter(|line| line.contains("a request is refused"));
        lines.filter(|line| line.contains("WARN") && line.contains(text)).map(Into::into).collect()
    }
}

#[tokio::test]
async fn p03_a_node_with_native_peers_obeys_no_command_without_a_fence() {
    let stage = Stage::set().await;
    let classic = stage.platform.classic("echo").unwrap();
    let instance = classic.provision().await.unwrap();
    let id = &instance.service_id;
    let binding = classic.bind(id).await.unwrap();
    let handle = |id: &str, credentials: &Value| json!({"service_id": id, "configuration": {}, "credentials": credentials});
    let credentials = json!(binding.credentials);
    let pair = json!([handle(id, &json!(instance.credentials)), [handle("b", &credentials)]]);
    let before = Bus::open(&stage.platform, "echo").await.inventory().await;
    // A gateway of 2013 that runs on after the switch-over, or a command of it that is late.
    for (operation, body) in [
        ("provision", json!({"plan": "free"})),
        ("unprovision", json!({"name": id, "bindings": []})),
        ("bind", json!({"name": id, "bind_opts": {}})),
        ("unbind", json!({"credentials": credentials})),
        ("disable_instance", pair.clone()),
        ("enable_instance", pair.clone()),
        ("import_instance", pair.clone()),
        ("update_instance", pair.clone()),
        ("cleanupnfs_instance", pair),
        ("restore", json!({"instance_id": id, "backup_path": "x"})),
        ("purge_orphan", json!({"orphan_ins_list": [id], "orphan_binding_list": []})),
    ] {
        for _again in 0..3 {
            assert_eq!(stage.ask(operation, &[], &body.to_string()).await, 30304, "{operation}");
        }
        let told = stage.warnings(&format!("{}.{operation}.node-1\"", stage.service));
        assert_eq!(told.len(), 1, "{operation}: {told:?}");
        assert!(told[0].contains("_INBOX") && told[0].contains("peers are native"), "{told:?}");
    }
    assert_eq!(Bus::open(&stage.platform, "echo").await.inventory().await, before);
    classic.unbind(id, &binding.service_id).await.unwrap();
    classic.unprovision(id).await.unwrap();
}

#[tokio::test]
async fn p16_what_is_wrong_with_requests_is_told_once_with_subject_and_sender() {
    let stage = Stage::set().await;
    let whole = [
        ("Tenon-Operation", "o1"),
        ("Tenon-Generation", "1"),
        ("Tenon-Deadline", "99999999999999"),
        ("Tenon-Instance", "d1"),
    ];
    let with = |name: &'static str, value: &'static str| {
        let mut headers = whole.to_vec();
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value));
        headers
    };
    let pair = json!([{"service_id": "d2", "configuration": {}, "credentials": {}}, []]);
    let bind = r#"{"name":"d1","bind_opts":{}}"#;
    for (operation, headers, body, wrong) in [
        ("bind", whole.to_vec(), "", "it cannot be read: Eof"),
        ("bind", whole.to_vec(), "{bad", "it cannot be read: Syntax"),
        ("bind", whole.to_vec(), r#"{"name":["hunter2"]}"#, "it cannot be read: Data"),
        ("unbind", vec![("Tenon-Operation", "o1")], r#"{"credentials":{}}"#, "is missing"),
        ("bind", with("Tenon-Generation", "hunter2"), bind, "Tenon-Generation is not a number"),
        ("bind", with("Tenon-Instance", "not an id"), bind, "Tenon-Instance is not an id"),
        ("disable_instance", whole.to_vec(), &pair.to_string(), "another instance"),
    ] {
        for _again in 0..3 {
            assert_eq!(stage.ask(operation, &headers, body).await, 30001, "{wrong}");
        }
        let told = stage.warnings(wrong);
        assert_eq!(told.len(), 1, "{wrong}: {told:?}");
        let subject = format!("{}.{operation}.node-1", stage.service);
        assert!(told[0].contains(&subject) && told[0].contains("_INBOX"), "{told:?}");
    }
    let subject = format!("tenon.inventory.{}.node-1", stage.service);
    stage.bus.request(subject.clone(), "[".into()).await.unwrap();
    assert_eq!(stage.warnings(&subject).len(), 1);
    let subject = format!("{}.discover", stage.service);
    stage.bus.publish(subject.clone(), "{bad".into()).await.unwrap();
    let told = async || (stage.warnings(&subject).len() == 1).then_some(());
    wait_until("the discover is told", DEADLINE, told).await.unwrap();
    assert!(!stage.platform.log("node-1").contains("hunter2"));
}

#[tokio::test]
async fn p24_a_flood_of_questions_is_answered_by_few_reports() {
    const FLOOD: usize = 1_000;
    let stage = Stage::set().await;
    let classic = stage.platform.classic("echo").unwrap();
    let id = classic.provision().await.unwrap().service_id;
    let subject = format!("{}.node_handles.*", stage.service);
    let mut reports = stage.bus.subscribe(subject).await.unwrap();
    for _ in 0..FLOOD {
        let subject = format!("{}.check_orphan", stage.service);
        stage.bus.publish(subject, "Send Me Handles".into()).await.unwrap();
    }
    let mut count = 0;
    while let Ok(Some(report)) = timeout(QUIET, reports.next()).await {
        let report: Value = serde_json::from_slice(&report.payload).unwrap();
        assert_eq!(report["instances_list"], json!([id]));
        count += 1;
    }
    assert!((1..FLOOD / 4).contains(&count), "{count} reports");

    // Whole inventories likewise: each is answered, as soon as there is room for it.
    let subject = format!("tenon.inventory.{}.node-1", stage.service);
    let asked = (0..200).map(|_| stage.bus.request(subject.clone(), "".into()));
    let answers = futures_util::future::join_all(asked).await;
    let mut whole = 0;
    for answer in answers {
        let answer = answer.unwrap().payload;
        match serde_json::from_slice::<InventoryPage>(&answer) {
            Ok(page) if page.instances.len() == 1 => whole += 1,
            other => {
                let refused: Value = serde_json::from_slice(&answer).unwrap();
                assert_eq!(refused["error"]["msg"]["code"], 30600, "{other:?}");
            }
        }
    }
    assert!(whole > 0);
    classic.unprovision(&id).await.unwrap();
}
