//! A gateway is killed at every step of every operation, and another one is asked instead.

use std::collections::BTreeSet;
use std::time::Duration;

use tenon_protocol::message::ServiceResponse;
use tenon_tests::{Classic, Options, Platform, wait_until};

use crate::aftermath::{Promises, check_aftermath, come_to_rest};
use crate::crash::{INSISTENCE, Tenant, dies_at, hurry, insist, operation, points};

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
    let operations = REQUESTS.iter().chain(&["snapshot", "move"]);
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

/// Orders an instance under the platform's own id for the request. `None` when the gateway dies,
/// or has just begun and knows no node yet.
async fn provision_as(platform: &Platform, gateway: usize, request: &str) -> Option<String> {
    let file = platform.dev_file().unwrap();
    let url = format!("{}/gateway/v1/configurations", file.gateways[gateway - 1].url);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let order = platform.classic("files").unwrap().order();
    let order = client.post(url).json(&order).header("X-VCAP-Request-ID", request);
    let order = order.header("X-VCAP-Service-Token", file.gateway.tokens["files"].reveal());
    let answer = order.send().await.ok().filter(|answer| answer.status() != 503)?;
    assert_eq!(answer.status(), 200);
    Some(answer.json::<ServiceResponse>().await.unwrap().service_id)
}

#[tokio::test]
async fn p01_a_request_whose_answer_was_lost_is_answered_by_another_gateway_with_the_same_instance()
{
    let platform = two_gateways("files").await;
    let point = "provision.ready-written";
    let request = provision_as(&platform, 1, "request-1");
    assert_eq!(dies_at(&platform, "gateway-1", point, request).await, None);

    let again = async |gateway, request| {
        let ask = async || provision_as(&platform, gateway, request).await;
        wait_until(request, INSISTENCE, ask).await.unwrap()
    };
    let made = again(2, "request-1").await;
    assert_eq!(again(1, "request-1").await, made);
    let other = again(1, "request-2").await;
    let records = platform.records().await.unwrap();
    let living: BTreeSet<String> = records.living_instances().await.unwrap().into_iter().collect();
    assert_eq!(living, BTreeSet::from([made, other]));
}

#[tokio::test]
async fn p39_a_snapshot_that_a_dying_gateway_wrote_down_is_taken() {
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
