//! Orphans when records are not those that nodes obeyed: lost, or set back to an older copy, they
//! purge nothing.

use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::clock::Millis;
use tenon_protocol::record::StoreMark;
use tenon_tests::{Options, Platform, wait_until};

use crate::orphans::{DEADLINE, NODE, Operator, all, outcomes};

/// Where JetStream keeps its streams, below D.
const STORE: &str = "nats/jetstream";

/// Stops gateway and bus, lets `work` have the bus's files, and starts both again.
async fn with_files_of_the_store(platform: &Platform, work: impl AsyncFnOnce(&cap_std::fs::Dir)) {
    let control = platform.control().unwrap();
    control.stop("gateway-1").await.unwrap();
    control.stop("nats").await.unwrap();
    work(&platform.dir().unwrap()).await;
    control.start("nats", None).await.unwrap();
    control.start("gateway-1", None).await.unwrap();
}

/// All instances, as the records that are there now see them.
async fn check_until_heard(operator: &Operator) -> Value {
    wait_until("the gateway has heard of the node", DEADLINE, async || {
        let nodes = operator.get("/nodes").await;
        (!nodes.as_array()?.is_empty()).then_some(())
    })
    .await
    .unwrap();
    operator.check().await
}

#[tokio::test]
async fn p08_records_that_were_lost_purge_nothing_until_an_operator_accepts_the_new_ones() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(classic.provision().await.unwrap().service_id);
    }
    ids.sort();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    with_files_of_the_store(&platform, async |dir| dir.remove_dir_all(STORE).unwrap()).await;
    let operator = Operator::of(&platform).await;

    let report = check_until_heard(&operator).await;
    assert_eq!(report["orphan_instances"][NODE].as_array().unwrap().len(), 7, "{report}");
    let told = format!("node {NODE}: it obeys other records, and refuses purges");
    assert_eq!(report["problems"], json!([told]));
    for query in ["", "?dry_run=true", "?force=true"] {
        let (status, body) = operator.purge(query, &ids).await;
        assert_eq!((status, &body["code"]), (409, &json!(30302)), "{query} {body}");
    }
    let control = platform.control().unwrap();
    control.stop(NODE).await.unwrap();
    control.start(NODE, None).await.unwrap();
    check_until_heard(&operator).await;
    let (status, _) = operator.purge("?force=true", &ids[..1]).await;
    assert_eq!(status, 409, "a restart made the node trust");
    assert_eq!(operator.inventory(None).await.instances.len(), 7);

    // The operator says that they are right. Then it still is all of a node.
    let (status, mark) = operator.ask(Method::POST, "/orphans/store", &json!({})).await;
    assert_eq!(status, 200, "{mark}");
    let (status, body) = operator.purge("", &ids).await;
    assert_eq!((status, &body["code"]), (409, &json!(30303)), "{body}");
    let (status, done) = operator.purge("", &ids[..5]).await;
    assert_eq!((status, outcomes(&done)), (200, all(&ids[..5], "quarantined")));
    let (status, _) = operator.purge("", &ids[5..]).await;
    assert_eq!(status, 409, "a large purge went in small pieces");
    let (status, done) = operator.purge("?force=true", &ids).await;
    assert_eq!((status, outcomes(&done)), (200, all(&ids, "quarantined")));
}

#[tokio::test]
async fn p08_records_that_were_set_back_to_an_older_copy_purge_nothing() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let before = classic.provision().await.unwrap().service_id;
    with_files_of_the_store(&platform, async |dir| copy(dir, STORE, "copy")).await;
    let operator = Operator::of(&platform).await;
    let provisioned = async || classic.provision().await.ok();
    let after = wait_until("a node is there", DEADLINE, provisioned).await.unwrap().service_id;
    assert_eq!(operator.check().await["problems"], json!([]));
    // The clock of the gateway that asked then was late: no time passes in a test.
    let drawn = Millis::from_millis(Millis::now().as_millis() - 600_000);
    let mark = StoreMark { epoch: operator.epoch().await, position: 1_000_000, drawn };
    assert_eq!(operator.inventory(Some(mark)).await.trusts, None);

    with_files_of_the_store(&platform, async |dir| {
        dir.remove_dir_all(STORE).unwrap();
        copy(dir, "copy", STORE);
    })
    .await;
    let operator = Operator::of(&platform).await;
    let report = check_until_heard(&operator).await;
    assert_eq!(report["orphan_instances"], json!({NODE: [after]}), "{report}");
    let (status, body) = operator.purge("", &[&after]).await;
    assert_eq!((status, &body["code"]), (409, &json!(30302)), "{body}");
    assert_eq!(operator.inventory(None).await.instances.len(), 2);
    classic.unprovision(&before).await.unwrap();
}

fn copy(dir: &cap_std::fs::Dir, from: &str, to: &str) {
    dir.create_dir_all(to).unwrap();
    for entry in dir.read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let (from, to) = (format!("{from}/{name}"), format!("{to}/{name}"));
        if entry.file_type().unwrap().is_dir() {
            copy(dir, &from, &to);
        } else {
            dir.copy(&from, dir, &to).unwrap();
        }
    }
}
