//! A gateway is killed at every step of every operation, and another one is asked instead.

use std::time::Duration;
use tenon_tests::{Classic, Options, Platform, wait_until};

use crate::aftermath::{Promises, check_aftermath, come_to_rest};
use crate::crash::{Tenant, dies_at, hurry, insist, operation, points};

const SOURCE: &str = include_str!("../../../host-gateway/src/crash.rs");

/// In this order, because removals need the records at rest, and the others leave work behind.
const REQUESTS: [&str; 4] = ["unprovision", "unbind", "bind", "provision"];

/// A queued job that lost its place in the queue gets it back after ten seconds.
const JOBS_DEADLINE: Duration = Duration::from_secs(90);

fn points_of(operation: &str) -> Vec<&'static str> {
    let mut all = points(SOURCE);
    all.retain(|point| self::operation(point) == operation);
    all
}

async fn two_gateways(offering: &str) -> Platform {
    let options = Options { gateways: 2, ..Options::of(&[offering]) };
    let platform = Platform::start(options).await.unwrap();
    hurry(&platform, "gateway-1").await;
    hurry(&platform, "gateway-2").await;
    platform
}

#[test]
fn every_point_belongs_to_an_operation_that_is_interrupted_here() {
    let operations = REQUESTS.iter().chain(&["snapshot"]);
    let walked: Vec<usize> = operations.map(|operation| points_of(operation).len()).collect();
    assert_eq!(walked.iter().sum::<usize>(), points(SOURCE).len());
    assert!(walked.iter().all(|points| *points >= 3), "{walked:?}");
}

#[tokio::test]
async fn a_gateway_killed_at_any_step_of_a_request_loses_and_leaks_nothing() {
    let platform = two_gateways("files").await;
    let records = platform.records().await.unwrap();
    let mut tenant = Tenant {
        platform: &platform,
        classic: platform.classic_at(1, "files").unwrap(),
        again: platform.classic_at(2, "files").unwrap(),
        child: "gateway-1",
        promises: Promises::default(),
    };
    for operation in REQUESTS {
        for point in points_of(operation) {
            if operation.starts_with("un") {
                // Else the gateway could meet the point in work that was left over.
                come_to_rest(&records).await;
            }
            tenant.suffer(point).await;
        }
    }
    check_aftermath(&platform, "files", &tenant.promises).await;
}

#[tokio::test]
async fn a_snapshot_that_a_dying_gateway_wrote_down_is_taken() {
    let platform = two_gateways("files").await;
    let classic = platform.classic_at(1, "files").unwrap();
    let again = platform.classic_at(2, "files").unwrap();
    let mut instances = Vec::new();
    for point in points_of("snapshot") {
        let instance = insist(async || again.provision().await).await.unwrap().service_id;
        let ordered = classic.take_snapshot(&instance);
        dies_at(&platform, "gateway-1", point, ordered).await.unwrap_err();
        instances.push((point, instance));
    }
    for (point, instance) in &instances {
        let expected = usize::from(*point != "snapshot.before-record");
        check_snapshots(&again, instance, expected, point).await;
    }
    for (point, instance) in &instances {
        let job = insist(async || again.take_snapshot(instance).await).await.unwrap();
        again.completed(instance, &job).await.unwrap();
        let expected = 1 + usize::from(*point != "snapshot.before-record");
        check_snapshots(&again, instance, expected, point).await;
    }
}

async fn check_snapshots(classic: &Classic, instance: &str, expected: usize, point: &str) {
    let what = format!("{expected} snapshots after {point}");
    wait_until(&what, JOBS_DEADLINE, async || {
        let taken = classic.snapshots(instance).await.unwrap();
        assert!(taken.len() <= expected, "{point}: {taken:?}");
        (taken.len() == expected).then_some(())
    })
    .await
    .unwrap();
}
