//! Replies that come twice, late, or from whom nobody asked.

use async_nats::Message;
use serde_json::{Value, json};
use tenon_protocol::message::ServiceResponse;
use tenon_protocol::order::header;
use tenon_protocol::record::Phase;
use tenon_tests::{HarnessError, Options, Platform};

use crate::aftermath::come_to_rest;
use crate::node_stand_in::StandIn;

/// The answer to `request`, as a node of ours gives it.
fn credentials(request: &Message, password: &str) -> Value {
    let headers = request.headers.as_ref().unwrap();
    named(headers.get(header::INSTANCE).unwrap().as_str(), password)
}

fn named(name: &str, password: &str) -> Value {
    json!({ "success": true, "credentials": { "name": name, "password": password } })
}

fn done() -> Value {
    json!({ "success": true })
}

#[tokio::test]
async fn a_reply_that_comes_twice_counts_once() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let mut node = StandIn::replace(&platform).await;
    node.announce(&platform).await;
    let classic = platform.classic("echo").unwrap();
    let (made, request) = tokio::join!(classic.provision(), async {
        let request = node.next("provision").await;
        for password in ["first", "second", "third"] {
            node.reply(&request, &credentials(&request, password)).await;
        }
        request
    });
    let made = made.unwrap();
    assert_eq!(made.credentials["password"], "first");
    assert_eq!(made.credentials["node_id"], "node-1");

    // A reply to that request is none to the next one.
    let (bound, ()) = tokio::join!(classic.bind(&made.service_id), async {
        let bind = node.next("bind").await;
        node.reply(&request, &credentials(&request, "fourth")).await;
        node.reply(&bind, &credentials(&bind, "bound")).await;
    });
    assert_eq!(bound.unwrap().credentials["password"], "bound");
}

#[tokio::test]
async fn p02_a_late_reply_makes_nothing_and_what_the_node_made_is_removed() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let mut node = StandIn::replace(&platform).await;
    node.announce(&platform).await;
    let classic = platform.classic("echo").unwrap();
    let (ordered, request) = tokio::join!(classic.provision(), node.next("provision"));
    let Err(HarnessError::Refused(refusal)) = ordered else {
        panic!("a silent node made an instance");
    };
    assert_eq!((refusal.status, refusal.code), (504, 30700));
    node.reply(&request, &credentials(&request, "late")).await;
    // What it made, it is asked to remove, until it says so.
    let removal = node.next("unprovision").await;
    node.reply(&removal, &done()).await;
    let records = platform.records().await.unwrap();
    come_to_rest(&records).await;
    let instances = records.instances().await.unwrap();
    assert!(instances.values().all(|record| record.life.phase == Phase::Tomb), "{instances:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_no_success() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let mut node = StandIn::replace(&platform).await;
    node.announce(&platform).await;
    for answer in [json!(null), json!([]), json!({"success": true}), json!({"success": "no"})] {
        let classic = platform.classic("echo").unwrap();
        let (ordered, ()) = tokio::join!(classic.provision(), async {
            let request = node.next("provision").await;
            node.reply(&request, &answer).await;
            let removal = node.next("unprovision").await;
            node.reply(&removal, &done()).await;
        });
        let Err(HarnessError::Refused(refusal)) = ordered else {
            panic!("{answer} made an instance");
        };
        assert_eq!((refusal.status, refusal.code), (500, 30500), "{answer}");
    }
    let records = platform.records().await.unwrap();
    come_to_rest(&records).await;
    assert_eq!(records.living_instances().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn credentials_of_another_instance_are_no_answer() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let mut node = StandIn::replace(&platform).await;
    node.announce(&platform).await;
    let classic = platform.classic("echo").unwrap();
    let (ordered, ()) = tokio::join!(classic.provision(), async {
        let request = node.next("provision").await;
        node.reply(&request, &named("another", "secret")).await;
        let removal = node.next("unprovision").await;
        node.reply(&removal, &done()).await;
    });
    check_failed(ordered);

    let (made, ()) = tokio::join!(classic.provision(), async {
        let request = node.next("provision").await;
        node.reply(&request, &credentials(&request, "right")).await;
    });
    let made = made.unwrap();
    assert_eq!(made.credentials["name"], json!(made.service_id));
    let (bound, ()) = tokio::join!(classic.bind(&made.service_id), async {
        let request = node.next("bind").await;
        node.reply(&request, &named("another", "secret")).await;
        let removal = node.next("unbind").await;
        node.reply(&removal, &done()).await;
    });
    check_failed(bound);
}

fn check_failed(ordered: Result<ServiceResponse, HarnessError>) {
    let Err(HarnessError::Refused(refusal)) = ordered else {
        panic!("credentials of another instance were taken");
    };
    assert_eq!((refusal.status, refusal.code), (500, 30512), "{refusal}");
}
