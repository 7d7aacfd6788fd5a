//! Guests that misbehave: each is contained, with its blame, while its neighbour is served.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::json;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::{Classic, HarnessError, Options, Platform};
use tokio::time::Instant;

use crate::bus::Bus;

const NODE: &str = "node-1";

/// Callers of the neighbour at the same time.
const NEIGHBOURS: usize = 2;

async fn told_to(classic: &Classic, deed: &str) -> Result<ServiceResponse, HarnessError> {
    let mut order = classic.order();
    order["plan_option"] = json!({ "do": deed });
    classic
        .send(Method::POST, "/gateway/v1/configurations", &order)
        .await
}

#[tokio::test]
async fn try_all() {
    let platform = Platform::start(Options::of(&["hostile", "echo"]))
        .await
        .unwrap();
    let classic = platform.classic("hostile").unwrap();
    for deed in [
        "loop",
        "hog",
        "recurse",
        "panic",
        "huge-result",
        "log-flood",
        "state-hog",
        "nothing",
    ] {
        let before = platform.log(NODE).len();
        let t = Instant::now();
        let r = told_to(&classic, deed).await;
        eprintln!(
            "=== {deed}: {:?} {:?}",
            t.elapsed(),
            r.map(|x| x.service_id).map_err(|e| e.to_string())
        );
        let log = platform.log(NODE);
        let log = &log[before..];
        eprintln!(
            "log {} bytes: {}",
            log.len(),
            log.chars()
                .rev()
                .take(1500)
                .collect::<String>()
                .chars()
                .rev()
                .collect::<String>()
        );
        eprintln!("rss {}", rss(&platform));
    }
}

fn rss(platform: &Platform) -> u64 {
    let pid = platform.dev_file().unwrap().pids[NODE];
    let dir = Dir::open_ambient_dir(format!("/proc/{pid}"), ambient_authority()).unwrap();
    let status = dir.read_to_string("status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
