//! The run itself: everything is started, lives, is left alone, and is looked at.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tenon_tests::{Options, Platform};
use tokio::time::Instant;

use super::dice::Dice;
use super::faults::torment;
use super::found::look;
use super::settings;
use super::tenant::Tenant;
use super::told::Told;
use super::verdict::judge;

/// How long things die.
const LOAD_SECONDS: u64 = 60;
/// Tenants of each offering.
const TENANTS: [&str; 6] = ["mysql", "mysql", "mysql", "mysql", "files", "files"];

/// Gateways and nodes forget and try again sooner than they would: there is an hour to live.
async fn hurry(platform: &Platform) {
    for gateway in ["gateway-1", "gateway-2"] {
        settings::set(platform, gateway, "[[offerings]]", "node_timeout_seconds = 2").await;
    }
}

#[tokio::test]
async fn whatever_dies_what_was_promised_is_there_and_nothing_else() {
    let seed = number("TENON_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let load = Duration::from_secs(number("TENON_LOAD_SECONDS").unwrap_or(LOAD_SECONDS));
    eprintln!("again with: TENON_SEED={seed}");
    let options = Options { gateways: 2, nodes: 3, ..Options::of(&["mysql", "files"]) };
    let platform = Platform::start(options).await.unwrap();
    hurry(&platform).await;

    let mut dice = Dice::new(seed);
    let end = Instant::now() + load;
    let torment = torment(&platform, dice.apart(), end);
    let tenants = TENANTS.iter().enumerate().map(|(number, offering)| {
        let name = format!("tenant-{number}");
        Tenant::new(&platform, (name, offering), dice.apart()).live(end)
    });
    let tenants: Vec<_> = tenants.collect();
    let (faults, lives) = join(torment, join_all(tenants)).await;
    let mut told = Told::default();
    lives.into_iter().for_each(|life| told.join(life));
    eprintln!(
        "{faults} faults, {} answers, {} instances live, {} things are gone",
        told.answers,
        told.living.len(),
        told.gone.len()
    );

    let found = look(&platform, &told).await;
    let violations = judge(&told, &found);
    assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
}

#[expect(clippy::disallowed_methods, reason = "whoever replays a run says so there")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
