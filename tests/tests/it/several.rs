//! More than one gateway, more than one node.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tenon_tests::{HarnessError, Options, Platform, wait_until};

use crate::aftermath::{Promises, check_aftermath};

#[tokio::test]
async fn p18_what_one_gateway_did_another_knows() {
    let options = Options { gateways: 2, ..Options::of(&["files"]) };
    let platform = Platform::start(options).await.unwrap();
    let first = platform.classic_at(1, "files").unwrap();
    let second = platform.classic_at(2, "files").unwrap();

    let instance = first.provision().await.unwrap();
    let binding = second.bind(&instance.service_id).await.unwrap();
    platform.kill("gateway-2").await.unwrap();
    first.unbind(&instance.service_id, &binding.service_id).await.unwrap();
    first.unprovision(&instance.service_id).await.unwrap();
}

#[tokio::test]
async fn instances_are_spread_over_nodes() {
    let options = Options { nodes: 2, ..Options::of(&["files"]) };
    let platform = Platform::start(options).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let mut nodes = BTreeSet::new();
    // Chance sends 30 of them to one node once in 500 million runs.
    for _ in 0..30 {
        let instance = classic.provision().await.unwrap();
        nodes.insert(instance.credentials.get("node_id").unwrap().as_str().unwrap().to_owned());
    }
    assert_eq!(nodes.into_iter().collect::<Vec<_>>(), ["node-1", "node-2"]);
}

/// Both gateways reconcile and look for orphans all the while.
#[tokio::test]
async fn p18_two_gateways_serve_side_by_side_and_do_each_other_no_harm() {
    let options = Options { gateways: 2, ..Options::of(&["files"]) };
    let platform = Platform::start(options).await.unwrap();
    let file = platform.dev_file().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let clients = [1, 2, 1, 2].map(async |gateway| {
        let classic = platform.classic_at(gateway, "files").unwrap();
        let mut made = Vec::new();
        for _ in 0..10 {
            let instance = classic.provision().await.unwrap();
            let binding = classic.bind(&instance.service_id).await.unwrap();
            made.push((instance, binding));
        }
        made
    });
    let sweeps = async {
        for _ in 0..5 {
            let both = file.gateways.iter().map(async |gateway| {
                let token = file.admin.token.reveal();
                let reconcile = http.post(format!("{}/reconcile", gateway.admin_url));
                let answer = reconcile.bearer_auth(token).send().await.unwrap();
                assert!(answer.status().is_success(), "{answer:?}");
                let check = http.post(format!("{}/service/internal/v1/check_orphan", gateway.url));
                let token = file.gateway.tokens["files"].reveal();
                let check = check.header("X-VCAP-Service-Token", token).json(&Value::Null);
                assert!(check.send().await.unwrap().status().is_success());
            });
            futures_util::future::join_all(both).await;
        }
    };
    let (made, ()) = tokio::join!(futures_util::future::join_all(clients), sweeps);
    let mut promises = Promises::default();
    for (instance, binding) in made.iter().flatten() {
        promises.instance(instance);
        promises.binding(binding);
    }
    check_aftermath(&platform, "files", &promises).await;
    // Both told the platform of it, and it is one offering.
    let offerings = platform.control().unwrap().offerings().await.unwrap();
    let labels: Vec<&str> = offerings.iter().map(|offering| offering.label.as_str()).collect();
    assert_eq!(labels.len(), 1, "{labels:?}");
}

#[tokio::test]
async fn an_instance_that_cannot_move_serves_where_it_is() {
    const PATIENCE: Duration = Duration::from_secs(60);
    // Its service cannot be suspended.
    let options = Options { nodes: 2, ..Options::of(&["echo"]) };
    let platform = Platform::start(options).await.unwrap();
    let classic = platform.classic("echo").unwrap();
    let instance = classic.provision().await.unwrap();
    let here = instance.credentials["node_id"].as_str().unwrap();
    let there = if here == "node-1" { "node-2" } else { "node-1" };
    let operator = platform.operator(1).unwrap();
    operator.begin_move(&instance.service_id, there).await.unwrap();

    let bound = wait_until("it can be bound again", PATIENCE, async || {
        match classic.bind(&instance.service_id).await {
            Err(HarnessError::Refused(refusal)) if refusal.code == 30807 => None,
            answer => Some(answer),
        }
    });
    bound.await.unwrap().unwrap();
    let records = platform.records().await.unwrap().instances().await.unwrap();
    assert_eq!(records[&instance.service_id].life.node.as_str(), here);
}
