//! What nodes announce, and what others announce in their place.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tenon_tests::{HarnessError, Options, Platform};

use crate::node_stand_in::{StandIn, forgets, knows, nodes};
use crate::settings;

#[tokio::test]
async fn p16_broken_announcements_are_ignored_and_told_once() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let stand_in = StandIn::replace(&platform).await;
    forgets(&platform, "node-1").await;
    let long = json!({
        "id": "n", "plan": "free", "available_capacity": 1,
        "supported_versions": vec!["v".repeat(100); 900],
    });
    let broken = [
        "",
        "{bad",
        "[1]",
        r#"{"plan":"free","available_capacity":1}"#,
        r#"{"id":"n","plan":"free","available_capacity":"many"}"#,
        r#"{"id":"n","plan":"free","available_capacity":99999999999999999999999}"#,
        r#"{"id":"node-2","plan":"free","available_capacity":9}"#,
        &long.to_string(),
    ];
    for (number, payload) in broken.iter().enumerate() {
        for _again in 0..3 {
            stand_in.publish(&format!("n{number}"), payload).await;
        }
    }
    stand_in.announce(&platform).await;
    assert_eq!(nodes(&platform).await, ["node-1"]);
    let log = platform.log("gateway-1");
    for number in 0..broken.len() {
        let sender = format!("{}.announce.n{number}\"", stand_in.service);
        let told = log.lines().filter(|line| line.contains(&sender)).count();
        assert_eq!(told, 1, "{sender} in\n{log}");
    }
}

#[tokio::test]
async fn absurd_numbers_of_one_node_harm_no_other() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let file = platform.dev_file().unwrap();
    let node = file.nodes.first().unwrap();
    let bus = crate::node_stand_in::connect(&platform).await;
    for (number, (free, unit)) in
        [(i64::MIN, 1), (-5, i64::MIN), (i64::MIN, i64::MAX)].iter().enumerate()
    {
        let id = format!("n{number}");
        let body = json!({
            "available_capacity": free, "capacity_unit": unit, "id": id, "plan": node.plan,
            "supported_versions": node.versions,
        });
        let subject = format!("{}.announce.{id}", node.service);
        bus.publish(subject, body.to_string().into()).await.unwrap();
        knows(&platform, &id).await;
    }
    let made = platform.classic("echo").unwrap().provision().await.unwrap();
    assert_eq!(made.credentials["node_id"], "node-1");
}

#[tokio::test]
async fn a_silent_node_is_forgotten_and_one_that_stops_at_once() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    // The real node says that it stops: it is not waited for, as the stand-in is below.
    let stand_in = StandIn::replace(&platform).await;
    forgets(&platform, "node-1").await;
    platform.logs("gateway-1", "node takes nothing more").await.unwrap();
    assert!(!platform.log("gateway-1").contains("node is silent"));

    settings::set(&platform, "gateway-1", "[[offerings]]", "forget_node_seconds = 2").await;
    stand_in.announce(&platform).await;
    forgets(&platform, "node-1").await;
    let Err(HarnessError::Refused(refusal)) = platform.classic("echo").unwrap().provision().await
    else {
        panic!("placed on a node that is gone");
    };
    assert_eq!((refusal.status, refusal.code), (503, 30601));
}

#[tokio::test]
async fn a_node_announces_itself_as_often_as_it_is_told() {
    const PATIENCE: Duration = Duration::from_secs(15);
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    settings::set(&platform, "node-1", "[[offerings]]", "announce_interval_seconds = 1").await;
    let service = platform.dev_file().unwrap().nodes[0].service.clone();
    let bus = crate::node_stand_in::connect(&platform).await;
    let mut announced = bus.subscribe(format!("{service}.announce.node-1")).await.unwrap();
    // Unless it is told, twice a minute.
    for _ in 0..5 {
        tokio::time::timeout(PATIENCE, announced.next()).await.unwrap().unwrap();
    }
}
