//! A node is killed in the middle of provisions. What was promised is there, what was not is gone.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all, try_join_all};
use tenon_protocol::chain;
use tenon_protocol::message::ServiceResponse;

use super::DemoError;
use super::database::Tenant;
use super::narrator::{Narrator, Told};
use crate::classic::Classic;
use crate::error::HarnessError;
use crate::mysql::Login;
use crate::platform::Platform;
use crate::wait::wait_until;

const NODE: &str = "node-1";

/// Provisions at the same time.
const WORKERS: usize = 8;

/// Answers before the kill: it falls into the middle of the traffic.
const ANSWERS_BEFORE: usize = 12;

/// A busy machine takes a while to answer that often.
const BUSY_DEADLINE: Duration = Duration::from_secs(30);

/// What was begun when the node died is finished or undone by then.
const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// Requests that were sent and answered.
#[derive(Default)]
struct Traffic {
    sent: AtomicUsize,
    answered: AtomicUsize,
    is_over: AtomicBool,
}

/// What came of the provisions.
struct Aftermath {
    promised: Vec<ServiceResponse>,
    refused: Vec<HarnessError>,
}

/// Kills the node while it provisions, starts it again, and looks for what is lost or left over.
pub(super) async fn during_provisions(
    narrator: &mut Narrator,
    platform: &Platform,
    tenant: &Tenant,
) -> Result<(), DemoError> {
    let classic = platform.classic("mysql")?;
    let title = "kill -9 the node in the middle of provisions, start it again";
    let aftermath = narrator.step(title, kill(platform, &classic)).await?;
    let title = "Nothing is lost, nothing is left over";
    narrator.step(title, compare(platform, &aftermath, tenant)).await?;
    let remove = async {
        let all = aftermath.promised.iter().map(|i| classic.unprovision(&i.service_id));
        try_join_all(all).await?;
        Ok(Told::new(()))
    };
    let title = format!("Give those {} databases back", aftermath.promised.len());
    narrator.step(&title, remove).await
}

async fn kill(platform: &Platform, classic: &Classic) -> Result<Told<Aftermath>, DemoError> {
    let traffic = Traffic::default();
    let workers = (0..WORKERS).map(|_| provision(classic, &traffic));
    let (results, in_flight) = join(join_all(workers), strike(platform, &traffic)).await;
    let aftermath = Aftermath::of(results.into_iter().flatten());
    let in_flight = format!("{} provisions were in flight when it died", in_flight?);
    let (promised, refused) = (aftermath.promised.len(), aftermath.refused.len());
    let counts = format!("{promised} databases were promised in all, {refused} refused");
    let first = aftermath.refused.first().map(|error| format!("for example: {}", chain(error)));
    let mut told = Told::new(aftermath).with(in_flight).with(counts);
    if let Some(first) = first {
        told.line(first);
    }
    Ok(told)
}

/// Provisions until it is over, or until the platform refuses.
async fn provision(
    classic: &Classic,
    traffic: &Traffic,
) -> Vec<Result<ServiceResponse, HarnessError>> {
    let mut results = Vec::new();
    while !traffic.is_over.load(Ordering::Relaxed) {
        traffic.sent.fetch_add(1, Ordering::Relaxed);
        let result = classic.provision().await;
        traffic.answered.fetch_add(1, Ordering::Relaxed);
        let is_refused = result.is_err();
        results.push(result);
        if is_refused {
            break;
        }
    }
    results
}

/// Kills the node in the middle of the traffic and starts it again; the number of requests that
/// were under way.
async fn strike(platform: &Platform, traffic: &Traffic) -> Result<usize, HarnessError> {
    let is_busy = async || {
        let answered = traffic.answered.load(Ordering::Relaxed);
        let in_flight = traffic.sent.load(Ordering::Relaxed) - answered;
        (answered >= ANSWERS_BEFORE && in_flight > 0).then_some(in_flight)
    };
    let in_flight = wait_until("provisions are in flight", BUSY_DEADLINE, is_busy).await;
    let killed = platform.kill(NODE).await;
    // Whatever came of it: the workers stop.
    traffic.is_over.store(true, Ordering::Relaxed);
    killed?;
    platform.control()?.start(NODE, None).await?;
    in_flight
}

/// Waits until the records come to rest, and compares them with what was promised and with what is
/// on the server.
async fn compare(
    platform: &Platform,
    aftermath: &Aftermath,
    tenant: &Tenant,
) -> Result<Told<()>, DemoError> {
    let records = platform.records().await?;
    wait_until("the records come to rest", SETTLE_DEADLINE, async || {
        let is_settled = records.are_settled().await.ok()?;
        is_settled.then_some(())
    })
    .await?;
    let owned = aftermath.promised.iter().chain([&tenant.instance]);
    let promised: BTreeSet<String> = owned.map(|i| i.service_id.clone()).collect();
    let recorded = records.living_instances_of("MyaaS").await?.into_iter().collect();
    let there = platform.server(1)?.databases().await?.into_iter().collect();
    expect_same("in the records", &promised, &recorded)?;
    expect_same("on the server", &promised, &there)?;
    for instance in &aftermath.promised {
        Login::read(&instance.credentials)?.connect().await?.disconnect().await?;
    }
    let line = format!("{} databases promised, recorded, and on the server", promised.len());
    Ok(Told::new(()).with(line).with("every promised credential logs in"))
}

fn expect_same(
    place: &str,
    promised: &BTreeSet<String>,
    found: &BTreeSet<String>,
) -> Result<(), DemoError> {
    if promised == found {
        return Ok(());
    }
    let lost: Vec<_> = promised.difference(found).collect();
    let left: Vec<_> = found.difference(promised).collect();
    Err(DemoError::NotAsTold(format!("{place} are lost: {lost:?}, left over: {left:?}")))
}

impl Aftermath {
    fn of(results: impl Iterator<Item = Result<ServiceResponse, HarnessError>>) -> Self {
        let mut aftermath = Self { promised: Vec::new(), refused: Vec::new() };
        for result in results {
            match result {
                Ok(instance) => aftermath.promised.push(instance),
                Err(error) => aftermath.refused.push(error),
            }
        }
        aftermath
    }
}
