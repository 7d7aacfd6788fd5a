//! An instance that was taken for an orphan, and that the platform turns out to have.

use std::time::Duration;

use serde_json::json;
use tenon_tests::{Options, Platform, wait_until};

use crate::crash::insist;
use crate::letters::{letter, with_letter};
use crate::orphans::Operator;

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn p08_what_the_platform_turns_out_to_have_leaves_quarantine_with_its_record() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let operator = Operator::of(&platform).await;
    let made = with_letter(&classic, "dear all").await;
    let lost = made.service_id.clone();
    operator.lose(&lost).await;
    let (status, done) = operator.purge("", &[&lost]).await;
    assert_eq!(status, 200, "{done}");
    assert_eq!(operator.quarantine().await, std::slice::from_ref(&lost));

    // The platform had it all along: a gateway that fetches its handles has the node let it out.
    let handle = json!({"service_id": lost, "configuration": {}, "credentials": made.credentials});
    let control = platform.control().unwrap();
    control.put_handle("files", &serde_json::from_value(handle).unwrap()).await.unwrap();
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", None).await.unwrap();
    let released = async || {
        let seen = operator.inventory(None).await.instances.remove(0);
        seen.quarantined.is_none().then_some(())
    };
    wait_until("it is out of quarantine", DEADLINE, released).await.unwrap();
    assert_eq!(letter(&made), "dear all");
    insist(async || classic.bind(&lost).await).await.unwrap();
}
