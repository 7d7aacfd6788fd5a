//! The node is killed at every step of every operation.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tenon_protocol::SnapshotId;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::{Classic, Options, Platform};

use crate::aftermath::{Promises, check_aftermath, come_to_rest};
use crate::crash::{Tenant, dies_at, hurry, insist, operation, points};
use crate::crash_packages::PACKAGES;

const SOURCE: &str = include_str!("../../../host-node/src/crash.rs");

/// Operations that are requests, each with its answer.
const REQUESTS: [&str; 4] = ["provision", "bind", "unbind", "unprovision"];

/// Operations that are jobs.
const JOBS: [&str; 2] = ["snapshot", "restore"];

/// Operations that are steps of a move; `crash_moves.rs` walks them.
pub(crate) const STEPS: [&str; 5] = ["disable", "enable", "import", "update", "cleanupnfs"];

/// Loading a periodic backup, and taking one; `backups.rs` walks them.
pub(crate) const BACKUPS: [&str; 2] = ["reload", "backup"];

/// What nobody orders; `quota.rs` walks it.
pub(crate) const QUOTA: [&str; 1] = ["quota"];

pub(crate) fn points_of(operations: &[&str]) -> Vec<&'static str> {
    let mut all = points(SOURCE);
    all.retain(|point| operations.contains(&operation(point)));
    all
}

#[test]
fn every_point_belongs_to_an_operation_that_is_interrupted_here() {
    let walked = [&REQUESTS[..], &JOBS, &STEPS, &BACKUPS, &QUOTA, &PACKAGES]
        .map(|operations| points_of(operations).len());
    assert_eq!(walked.iter().sum::<usize>(), points(SOURCE).len());
    for operation in
        REQUESTS.iter().chain(&JOBS).chain(&STEPS).chain(&BACKUPS).chain(&QUOTA).chain(&PACKAGES)
    {
        assert!(!points_of(&[operation]).is_empty(), "{operation}");
    }
}

async fn check_requests(offering: &str) {
    let platform = Platform::start(Options::of(&[offering])).await.unwrap();
    hurry(&platform, "gateway-1").await;
    let classic = platform.classic(offering).unwrap();
    let mut tenant = Tenant {
        platform: &platform,
        again: classic.clone(),
        classic,
        child: "node-1",
        promises: Promises::default(),
    };
    let records = platform.records().await.unwrap();
    for point in points_of(&REQUESTS) {
        // Else the node could meet the point in work that was left over.
        come_to_rest(&records).await;
        tenant.suffer(point).await;
    }
    check_aftermath(&platform, offering, &tenant.promises).await;
}

#[tokio::test]
async fn a_node_killed_at_any_step_of_a_request_loses_and_leaks_no_directory() {
    check_requests("files").await;
}

#[tokio::test]
async fn p26_a_node_killed_at_any_step_of_a_request_loses_and_leaks_no_database_or_account() {
    check_requests("mysql").await;
}

async fn instance_with_letter(classic: &Classic) -> ServiceResponse {
    let instance = insist(async || classic.provision().await).await.unwrap();
    directory(&instance).write("letter", "dear all").unwrap();
    instance
}

fn directory(instance: &ServiceResponse) -> Dir {
    let path = instance.credentials["internal"]["local_path"].as_str().unwrap();
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

async fn snapshot_of(classic: &Classic, instance: &str) -> SnapshotId {
    let job = classic.take_snapshot(instance).await.unwrap();
    classic.completed(instance, &job).await.unwrap();
    let mut snapshots = classic.snapshots(instance).await.unwrap();
    snapshots.pop().unwrap().snapshot_id
}

#[tokio::test]
async fn a_job_that_a_dying_node_leaves_is_finished_when_it_is_back() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let mut jobs = Vec::new();
    for point in points_of(&JOBS) {
        let made = instance_with_letter(&classic).await;
        let instance = &made.service_id;
        let ordered = if operation(point) == "snapshot" {
            dies_at(&platform, "node-1", point, classic.take_snapshot(instance)).await
        } else {
            let snapshot = snapshot_of(&classic, instance).await;
            directory(&made).write("letter", "lost").unwrap();
            dies_at(&platform, "node-1", point, classic.roll_back(instance, &snapshot)).await
        };
        let job = ordered.unwrap_or_else(|error| panic!("{point}: {error}"));
        jobs.push((point, made, job));
    }
    for (point, made, job) in &jobs {
        let instance = &made.service_id;
        let done = classic.completed(instance, job).await;
        done.unwrap_or_else(|error| panic!("{point}: {error}"));
        let snapshots = classic.snapshots(instance).await.unwrap();
        assert_eq!(snapshots.len(), 1, "{point}: {snapshots:?}");
        let stored = stored(&platform, instance);
        assert_eq!(stored.len(), 1, "{point}: {stored:?}");
        let letter = directory(made).read_to_string("letter").unwrap();
        assert_eq!(letter, "dear all", "{point}");
    }
}

/// Names in the instance's folder of the snapshot store.
fn stored(platform: &Platform, instance: &str) -> Vec<String> {
    let path = format!("snapshots/FilesystemaaS/{instance}");
    let entries = platform.dir().unwrap().read_dir(path).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
