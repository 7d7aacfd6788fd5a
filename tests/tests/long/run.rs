//! The run itself: everything is started, lives, is left alone, and is looked at.

use std::time::Duration;

use futures_util::future::{join, join_all, join3};
use tenon_tests::{Options, Platform};
use tokio::time::Instant;

use tenon::dev::Api;

use super::dice::Dice;
use super::faults::torment;
use super::found::look;
use super::meters::meter;
use super::tenant::Tenant;
use super::timers::{FACTOR, compress};
use super::told::Told;
use super::verdict::judge;
use super::warden::Warden;

/// How long things die: an hour of the platform's.
const LOAD_SECONDS: u64 = 3_600 / FACTOR;
/// Tenants of each offering.
const TENANTS: [&str; 6] = ["mysql", "mysql", "mysql", "mysql", "files", "files"];
/// Each has an operator.
const OFFERINGS: [&str; 2] = ["mysql", "files"];

#[tokio::test]
async fn whatever_dies_what_was_promised_is_there_and_nothing_else() {
    let seed = number("TENON_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let load = number("TENON_LOAD_SECONDS").unwrap_or(LOAD_SECONDS);
    let again = format!(
        "again with: TENON_SEED={seed} TENON_LOAD_SECONDS={load} \
         cargo test -p tenon-tests --test long whatever_dies -- --nocapture"
    );
    eprintln!("{again}");
    let began = Instant::now();
    let cc = if seed.is_multiple_of(2) { Api::V1 } else { Api::V2 };
    let options = Options { gateways: 2, nodes: 3, cc, ..Options::of(&OFFERINGS) };
    let platform = Platform::start(options).await.unwrap();
    compress(&platform).await;
    eprintln!("{:?} to start", began.elapsed());

    let load = Duration::from_secs(load);
    let (mut told, neglected) = live(&platform, Dice::new(seed), load).await;
    told.complaints.extend(neglected);
    let found = look(&platform, &told).await;
    let violations = judge(&told, &found);
    eprintln!("{:?} in all", began.elapsed());
    assert!(violations.is_empty(), "{again}\n{violations:#?}");
}

/// Things happen for as long as `load`; what was told, and what was not done.
async fn live(platform: &Platform, mut dice: Dice, load: Duration) -> (Told, Vec<String>) {
    let end = Instant::now() + load;
    let torment = torment(platform, dice.apart(), end);
    let tenants = TENANTS.iter().enumerate().map(|(number, offering)| {
        let name = format!("tenant-{number}");
        Tenant::new(platform, (name, offering), dice.apart()).live(end)
    });
    let tenants: Vec<_> = tenants.collect();
    let wardens = OFFERINGS.map(|offering| Warden::new(platform, offering, dice.apart()).live(end));
    let lives = join(join_all(tenants), join_all(wardens));
    let (faults, (tenants, wardens), meters) = join3(torment, lives, meter(platform, end)).await;
    let mut told = Told::default();
    tenants.into_iter().chain(wardens).for_each(|life| told.join(life));
    eprintln!(
        "{faults} faults, {} answers, {} instances live, {} things are gone, {} orphans were purged",
        told.answers,
        told.living.len(),
        told.gone.len(),
        told.purged.len(),
    );
    eprintln!("done unasked: {}", meters.shown());
    (told, meters.neglected(load))
}

#[expect(clippy::disallowed_methods, reason = "whoever replays a run says so there")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
