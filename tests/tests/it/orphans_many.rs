//! So many orphans that their purge takes several orders.

use std::time::Duration;

use serde_json::json;
use tenon_tests::{Options, Platform, wait_until};

use crate::orphans::{Operator, all, outcomes};
use crate::settings;

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn p08_a_purge_of_many_batches_is_done_or_refused_as_a_whole() {
    const MANY: usize = 401;
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    settings::set(&platform, "node-1", "[[offerings]]", "purge_share_percent = 99").await;
    let classic = platform.classic("echo").unwrap();
    let operator = Operator::of(&platform).await;
    let provisioned = async || classic.provision().await.ok();
    let kept = wait_until("a node is there", DEADLINE, provisioned).await.unwrap().service_id;
    let mut lost = Vec::new();
    for _ in 0..MANY {
        let id = classic.provision().await.unwrap().service_id;
        operator.lose(&id).await;
        lost.push(id);
    }
    let named: Vec<&str> = lost.iter().map(String::as_str).collect();
    // One more than the node's limit, and nothing is done; then all of it, and all of it again.
    let (status, body) = operator.purge("", &named).await;
    assert_eq!((status, &body["code"]), (409, &json!(30303)), "{body}");
    assert!(operator.quarantine().await.is_empty(), "a refused purge did something");
    for _ in 0..4 {
        classic.provision().await.unwrap();
    }
    for run in ["?dry_run=true", "", ""] {
        let (status, done) = operator.purge(run, &named).await;
        assert_eq!((status, outcomes(&done)), (200, all(&named, "quarantined")), "{run}");
    }
    assert_eq!(operator.quarantine().await.len(), MANY);
    classic.bind(&kept).await.unwrap();
}
