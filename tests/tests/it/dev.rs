//! `tenon dev` itself: what it starts, what it finds again, what it leaves behind.

use std::time::Duration;

use tenon_tests::{HarnessError, Options, Platform, wait_until};

const DEADLINE: Duration = Duration::from_secs(10);

/// What was asked of the bus while it went away is given up and asked again.
const RECONNECT_DEADLINE: Duration = Duration::from_secs(60);

fn is_running(pid: u32) -> bool {
    std::path::Path::new("/proc").join(pid.to_string()).join("exe").read_link().is_ok()
}

#[tokio::test]
async fn a_restart_finds_instances_and_addresses_again() {
    let mut platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let before = platform.dev_file().unwrap();
    let instance = platform.classic("files").unwrap().provision().await.unwrap();

    platform.restart().await.unwrap();
    let after = platform.dev_file().unwrap();
    assert_eq!(after.gateway.url, before.gateway.url);
    assert_ne!(after.gateway.pid, before.gateway.pid);
    let classic = platform.classic("files").unwrap();
    classic.bind(&instance.service_id).await.unwrap();
    classic.unprovision(&instance.service_id).await.unwrap();
}

#[tokio::test]
async fn without_mysql_no_database_server_is_started() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let file = platform.dev_file().unwrap();
    assert_eq!(file.mysql, []);
    let names: Vec<&str> = file.pids.keys().map(String::as_str).collect();
    assert_eq!(names, ["gateway-1", "nats", "node-1", "tenon"]);
}

#[tokio::test]
async fn a_stop_is_in_order_and_leaves_no_process() {
    let mut platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let pids = platform.dev_file().unwrap().pids;
    platform.stop().await.unwrap();
    assert!(matches!(platform.dev_file(), Err(HarnessError::NotRunning(_))));
    assert!(!pids.values().any(|pid| is_running(*pid)), "{pids:?}");
    assert!(platform.output().ends_with("Stopping ...\nStopped.\n"), "{}", platform.output());
}

#[tokio::test]
async fn when_it_is_killed_its_children_die_with_it() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let pids = platform.dev_file().unwrap().pids;
    platform.kill_tenon_dev().unwrap();
    wait_until("the end of all children", DEADLINE, async || {
        (!pids.values().any(|pid| is_running(*pid))).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_killed_child_is_reported_and_started_again_when_asked() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let instance = classic.provision().await.unwrap();
    for child in ["node-1", "gateway-1", "nats"] {
        platform.kill(child).await.unwrap();
        assert!(platform.output().contains(&format!("{child} ended with signal: 9")));
        platform.control().unwrap().start(child, None).await.unwrap();
    }
    let twice = platform.control().unwrap().start("node-1", None).await;
    assert!(matches!(twice, Err(HarnessError::Control { .. })));
    // Both take a moment to notice that the bus is back, and answer 503 until then.
    wait_until("the platform serves again", RECONNECT_DEADLINE, async || {
        classic.unprovision(&instance.service_id).await.ok()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_plugin_that_is_refused_is_named_and_the_others_serve() {
    let options = Options::of(&["files", "broken=hostile-incomplete"]);
    let platform = Platform::start(options).await.unwrap();
    let output = platform.output();
    assert!(output.contains("node-1 does not serve broken: it refused"), "{output}");
    platform.classic("files").unwrap().provision().await.unwrap();
}

#[tokio::test]
async fn the_cloud_controller_hears_of_every_offering() {
    let platform = Platform::start(Options::of(&["files", "echo"])).await.unwrap();
    let control = platform.control().unwrap();
    let expected = [("echo-1.0", Some(true)), ("files-1.0", Some(true))];
    wait_until("both offerings are heard of", DEADLINE, async || {
        let offerings = control.offerings().await.unwrap();
        let mut heard: Vec<(&str, Option<bool>)> =
            offerings.iter().map(|notice| (notice.label.as_str(), notice.active)).collect();
        heard.sort_unstable();
        (heard == expected).then_some(())
    })
    .await
    .unwrap();
}
