//! The plugin of a service is replaced again and again while it is used; no call is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{join, try_join_all};
use tokio::time::Instant;

use super::DemoError;
use super::narrator::{Narrator, Told};
use crate::classic::Classic;
use crate::component::with_custom_section;
use crate::error::HarnessError;
use crate::platform::Platform;

/// Instances that are bound and unbound at the same time.
const WORKERS: usize = 4;

/// Other builds that take over, one after the other.
const SWAPS: u32 = 5;

/// Calls of one worker, and those of them that failed.
#[derive(Default)]
struct Tally {
    calls: u64,
    lost: Vec<HarnessError>,
}

/// Replaces the plugin of `files` while its instances are used; returns them.
pub(super) async fn under_load(
    narrator: &mut Narrator,
    platform: &Platform,
) -> Result<Vec<String>, DemoError> {
    let title = format!("Replace the plugin of a service {SWAPS} times under load");
    narrator.step(&title, replace(platform)).await
}

async fn replace(platform: &Platform) -> Result<Told<Vec<String>>, DemoError> {
    let classic = platform.classic("files")?;
    let orders = (0..WORKERS).map(|_| classic.provision());
    let instances = try_join_all(orders).await?;
    let instances: Vec<String> = instances.into_iter().map(|i| i.service_id).collect();

    let began = Instant::now();
    let is_over = AtomicBool::new(false);
    let workers = instances.iter().map(|instance| work(&classic, instance, &is_over));
    let (tallies, swapped) =
        join(futures_util::future::join_all(workers), swap_often(platform, &is_over)).await;
    swapped?;

    let calls: u64 = tallies.iter().map(|tally| tally.calls).sum();
    let lost: Vec<&HarnessError> = tallies.iter().flat_map(|tally| &tally.lost).collect();
    if let Some(first) = lost.first() {
        return Err(DemoError::NotAsTold(format!("{} of {calls} calls lost: {first}", lost.len())));
    }
    let seconds = began.elapsed().as_secs_f64();
    let line = format!("{calls} calls in {seconds:.1} s from {WORKERS} callers, 0 lost");
    Ok(Told::new(instances).with(line).with(format!("{SWAPS} other builds took over")))
}

/// Binds and unbinds until it is over.
async fn work(classic: &Classic, instance: &str, is_over: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while !is_over.load(Ordering::Relaxed) {
        tally.calls += 1;
        match classic.bind(instance).await {
            Ok(binding) => {
                tally.calls += 1;
                let unbound = classic.unbind(instance, &binding.service_id).await;
                tally.lost.extend(unbound.err());
            }
            Err(error) => tally.lost.push(error),
        }
    }
    tally
}

async fn swap_often(platform: &Platform, is_over: &AtomicBool) -> Result<(), HarnessError> {
    let result = swap_all(platform).await;
    // Whatever came of it: the workers stop.
    is_over.store(true, Ordering::Relaxed);
    result
}

async fn swap_all(platform: &Platform) -> Result<(), HarnessError> {
    let component = platform.component("files")?;
    for number in 1..=SWAPS {
        let other = with_custom_section(&component, &format!("build {number}"));
        platform.swap("files", &other).await?;
    }
    Ok(())
}
