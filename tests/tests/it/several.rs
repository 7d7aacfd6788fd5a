//! More than one gateway, more than one node.

use std::collections::BTreeSet;

use tenon_tests::{Options, Platform};

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
