//! What happens to the platform meanwhile, on a schedule that a seed decides.

use std::time::Duration;

use tenon_tests::{Availability, Platform, with_custom_section};
use tokio::time::{Instant, sleep};

use super::dice::Dice;

/// Longest rest between two faults, and longest sleep of a process, in milliseconds.
const REST: usize = 1_500;
const SLEEP: usize = 3_000;

/// What needs nothing else, in the order in which it is started.
const SERVERS: [&str; 4] = ["nats", "mysql-1", "mysql-2", "mysql-3"];
/// Started in any order.
pub(crate) const HOSTS: [&str; 5] = ["gateway-1", "gateway-2", "node-1", "node-2", "node-3"];

/// Kills, starts, stops and swaps until `end`; then everything runs.
pub(crate) async fn torment(platform: &Platform, mut dice: Dice, end: Instant) -> u32 {
    let mut faults = 0;
    while Instant::now() < end {
        sleep(Duration::from_millis(dice.below(REST) as u64)).await;
        match dice.below(20) {
            0..=5 => kill(platform, &mut dice, &HOSTS).await,
            6 | 7 => kill(platform, &mut dice, &SERVERS).await,
            8 => restart(platform, &mut dice).await,
            9..=12 => pause(platform, &mut dice).await,
            13 | 14 => swap(platform, &mut dice, faults),
            15 | 16 => trouble_the_cloud_controller(platform, &mut dice).await,
            17 => back_up(platform),
            _ => kill_while_another_sleeps(platform, &mut dice).await,
        }
        faults += 1;
    }
    faults
}

/// One or two die at once. Whoever dies comes back after a while.
async fn kill(platform: &Platform, dice: &mut Dice, among: &[&str]) {
    let mut victims = vec![*dice.one_of(among)];
    let other = *dice.one_of(&HOSTS);
    if dice.falls(30) && victims[0] != other {
        victims.push(other);
    }
    eprintln!("kill {victims:?}");
    for victim in &victims {
        platform.kill(victim).await.unwrap();
    }
    sleep(Duration::from_millis(dice.below(REST) as u64)).await;
    start(platform, &victims).await;
}

async fn start(platform: &Platform, children: &[&str]) {
    let control = platform.control().unwrap();
    for child in children {
        let started = control.start(child, None).await;
        started.unwrap_or_else(|error| panic!("{child} is not started again: {error}"));
    }
}

async fn pause(platform: &Platform, dice: &mut Dice) {
    let all: Vec<&str> = SERVERS.into_iter().chain(HOSTS).collect();
    let sleeper = *dice.one_of(&all);
    let time = dice.below(SLEEP);
    eprintln!("pause {sleeper} for {time} ms");
    platform.pause(sleeper).unwrap();
    sleep(Duration::from_millis(time as u64)).await;
    platform.go_on(sleeper).unwrap();
}

/// A gateway dies while its node does not answer, or the other way round.
async fn kill_while_another_sleeps(platform: &Platform, dice: &mut Dice) {
    let (sleeper, victim) = (*dice.one_of(&HOSTS), *dice.one_of(&HOSTS));
    eprintln!("pause {sleeper}, kill {victim}");
    platform.pause(sleeper).unwrap();
    platform.kill(victim).await.unwrap();
    sleep(Duration::from_millis(dice.below(REST) as u64)).await;
    if sleeper != victim {
        platform.go_on(sleeper).unwrap();
    }
    start(platform, &[victim]).await;
}

/// As for an upgrade: what runs ends, and comes back.
async fn restart(platform: &Platform, dice: &mut Dice) {
    let all: Vec<&str> = SERVERS.into_iter().chain(HOSTS).collect();
    let child = *dice.one_of(&all);
    eprintln!("restart {child}");
    platform.control().unwrap().stop(child).await.unwrap();
    start(platform, &[child]).await;
}

/// It is away for a while, or its tokens are not good any more.
async fn trouble_the_cloud_controller(platform: &Platform, dice: &mut Dice) {
    let control = platform.control().unwrap();
    let time = Duration::from_millis(dice.below(SLEEP) as u64);
    match dice.below(3) {
        0 => {
            eprintln!("the cloud controller is away for {time:?}");
            control.set_cloud_controller(Availability::Away).await.unwrap();
            sleep(time).await;
            control.set_cloud_controller(Availability::Serving).await.unwrap();
        }
        1 => {
            eprintln!("no tokens for {time:?}");
            control.set_uaa(Availability::Away).await.unwrap();
            sleep(time).await;
            control.set_uaa(Availability::Serving).await.unwrap();
        }
        _ => {
            eprintln!("tokens are revoked");
            control.revoke_tokens().await.unwrap();
        }
    }
}

/// An operator wants backups of everything.
fn back_up(platform: &Platform) {
    eprintln!("back up");
    for host in HOSTS.iter().filter(|host| host.starts_with("node")) {
        platform.back_up(host).unwrap();
    }
}

/// Nodes notice it by themselves.
fn swap(platform: &Platform, dice: &mut Dice, number: u32) {
    let label = *dice.one_of(&["mysql", "files"]);
    eprintln!("swap {label}");
    let component = platform.component(label).unwrap();
    let other = with_custom_section(&component, &format!("build {number}"));
    platform.put_component(label, &other).unwrap();
}
