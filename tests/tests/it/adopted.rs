//! Handles of a platform that an original gateway served: what the records make of them.

use serde_json::json;
use tenon_tests::{Options, Platform};

#[tokio::test]
async fn a_handle_without_a_version_has_the_current_one_in_its_record_alone() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let control = platform.control().unwrap();
    let handle = json!({
        "service_id": "dold", "configuration": { "plan": "free" },
        "credentials": { "name": "dold", "node_id": "node-1", "path": "/x" },
    });
    control.put_handle("files", &serde_json::from_value(handle).unwrap()).await.unwrap();
    let before = control.requests().await.unwrap().len();
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", None).await.unwrap();
    platform.logs("gateway-1", "new: 1").await.unwrap();

    let records = platform.records().await.unwrap().instances().await.unwrap();
    let adopted = records.values().find(|record| record.id.as_str() == "dold").unwrap();
    assert_eq!(adopted.version, platform.dev_file().unwrap().nodes.first().unwrap().versions[0]);
    let sent = control.requests().await.unwrap().split_off(before);
    let to_handles = |line: &&String| line.starts_with("POST") && line.contains("/handles");
    assert_eq!(sent.iter().find(to_handles), None, "{sent:?}");
    let handles = control.handles().await.unwrap();
    assert_eq!(handles["files"]["dold"]["configuration"], json!({ "plan": "free" }), "{handles}");
}
