//! `X-VCAP-Request-ID`: one name finds a request in the logs of the gateway and of the node.

use std::time::Duration;

use serde_json::Value;
use tenon_tests::{Options, Platform, wait_until};

/// A log is written by then.
const DEADLINE: Duration = Duration::from_secs(10);

/// What the spans of the lines of `log` that have `request` say that was done.
fn operations(log: &str, request: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let spans = lines.map(|line| line["span"].clone());
    let ours = spans.filter(|span| span["request_id"] == request);
    let done = ours.map(|span| span.get("operation").unwrap_or(&span["name"]).clone());
    done.filter_map(|done| done.as_str().map(str::to_owned)).collect()
}

async fn check_logged(platform: &Platform, request: &str, at_the_gateway: &str, at_the_node: &str) {
    for (child, done) in [("gateway-1", at_the_gateway), ("node-1", at_the_node)] {
        let what = format!("{done} for {request} in the log of {child}");
        wait_until(&what, DEADLINE, async || {
            let found = operations(&platform.log(child), request);
            found.iter().any(|found| found == done).then_some(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn the_name_of_a_request_is_in_the_logs_of_gateway_and_node() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let asking = |request: &str| classic.asking_as(request);

    let instance = asking("r::provision").provision().await.unwrap().service_id;
    check_logged(&platform, "r::provision", "provision", "provision").await;

    let binding = asking("r::bind").bind(&instance).await.unwrap().service_id;
    check_logged(&platform, "r::bind", "bind", "bind").await;

    let job = asking("r::snapshot").take_snapshot(&instance).await.unwrap();
    classic.completed(&instance, &job).await.unwrap();
    check_logged(&platform, "r::snapshot", "create_snapshot", "job").await;

    asking("r::unbind").unbind(&instance, &binding).await.unwrap();
    check_logged(&platform, "r::unbind", "unbind", "unbind").await;

    asking("r::unprovision").unprovision(&instance).await.unwrap();
    check_logged(&platform, "r::unprovision", "unprovision", "unprovision").await;
}
