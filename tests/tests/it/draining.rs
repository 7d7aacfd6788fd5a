//! Starting, stopping and being disabled: no request is lost, and none is served too early.

use std::time::Duration;

use reqwest::Client;
use tenon_protocol::OperationId;
use tenon_tests::{HarnessError, Options, Platform, wait_until};

use crate::aftermath::{Promises, check_aftermath};
use crate::crash::insist;
use crate::node_stand_in::{forgets, knows};
use crate::settings;

/// An operator's change is seen by then.
const SEEN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn p23_a_node_that_is_stopped_loses_no_request() {
    let options = Options { nodes: 2, ..Options::of(&["echo"]) };
    let platform = Platform::start(options).await.unwrap();
    let mut orders = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let classic = platform.classic("echo").unwrap();
        orders.spawn(async move {
            let mut made = Vec::new();
            for _ in 0..25 {
                made.push(classic.provision().await);
            }
            made
        });
    }
    let control = platform.control().unwrap();
    for _ in 0..3 {
        control.stop("node-1").await.unwrap();
        control.start("node-1", None).await.unwrap();
    }
    let mut made = 0;
    while let Some(results) = orders.join_next().await {
        for result in results.unwrap() {
            result.unwrap();
            made += 1;
        }
    }
    assert_eq!(made, 100);
    let log = platform.log("node-1");
    assert!(!log.contains("requests were cut off"), "{log}");
}

#[tokio::test]
async fn p22_a_node_answers_nothing_before_its_start_is_complete() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let classic = platform.classic("echo").unwrap();
    let before = classic.provision().await.unwrap();
    platform.kill("node-1").await.unwrap();
    let starts = |log: &str| log.matches("looked for what was left").count();
    assert_eq!(starts(&platform.log("node-1")), 1);
    let control = platform.control().unwrap();
    // Asked all the time: the first answer comes after the last step of the start.
    let (started, ()) = tokio::join!(control.start("node-1", None), async {
        insist(async || classic.bind(&before.service_id).await).await.unwrap();
        assert_eq!(starts(&platform.log("node-1")), 2);
    });
    started.unwrap();
}

async fn healthz(platform: &Platform) -> String {
    let config: toml::Table = settings::read(platform, "node-1").parse().unwrap();
    let url = format!("http://{}/healthz", config["health"]["listen"].as_str().unwrap());
    let client = Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

async fn says(platform: &Platform, expected: &str) {
    let what = format!("/healthz says {expected:?}");
    wait_until(&what, SEEN, async || (healthz(platform).await == expected).then_some(()))
        .await
        .unwrap();
}

#[tokio::test]
async fn p23_a_disabled_node_takes_nothing_new_and_serves_what_it_has() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let path = platform.root().join("DISABLED");
    let line = format!("disabled_file = {:?}", path.to_str().unwrap());
    settings::set(&platform, "node-1", "[node]", &line).await;
    let classic = platform.classic("echo").unwrap();
    let mut promises = Promises::default();
    let before = insist(async || classic.provision().await).await.unwrap();
    promises.instance(&before);

    platform.dir().unwrap().write("DISABLED", "").unwrap();
    forgets(&platform, "node-1").await;
    says(&platform, "ok, disabled: echo\n").await;
    let Err(HarnessError::Refused(refusal)) = classic.provision().await else {
        panic!("a disabled node took an instance");
    };
    assert_eq!((refusal.status, refusal.code), (503, 30601));
    // Who has not heard it is told by the node itself.
    let refused = ask_directly(&platform).await;
    assert_eq!(refused["error"]["msg"]["code"], 30600, "{refused}");
    promises.binding(&classic.bind(&before.service_id).await.unwrap());

    platform.dir().unwrap().remove_file("DISABLED").unwrap();
    knows(&platform, "node-1").await;
    says(&platform, "ok\n").await;
    promises.instance(&classic.provision().await.unwrap());
    check_aftermath(&platform, "echo", &promises).await;
}

/// The node's answer to a provision that no gateway sent.
async fn ask_directly(platform: &Platform) -> serde_json::Value {
    let service = platform.dev_file().unwrap().nodes.first().unwrap().service.clone();
    let bus = crate::node_stand_in::connect(platform).await;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Tenon-Operation", OperationId::random().as_str());
    let body = r#"{"plan":"free"}"#;
    let subject = format!("{service}.provision.node-1");
    let answer = bus.request_with_headers(subject, headers, body.into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}
