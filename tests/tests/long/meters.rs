//! What hosts did unasked, counted over all their lives: a run in which nothing came due proves
//! nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tenon_protocol::Secret;
use tenon_tests::Platform;
use tokio::time::{Instant, sleep, timeout};

use super::timers::seconds;

/// Between two looks; what a host did after the last one before its death is not counted.
const PAUSE: Duration = Duration::from_millis(400);
/// A host that sleeps is not waited for.
const PATIENCE: Duration = Duration::from_millis(400);

/// Of this share of what healthy hosts would do, less would be suspicious.
const SHARE: u64 = 8;

/// A duty, the key of the timer that it comes due with, and who does it.
const DUTIES: [(&str, &str, u64); 9] = [
    ("gateway heartbeat", "heartbeat_interval_seconds", 4),
    ("gateway reconcile", "reconcile_interval_seconds", 2),
    ("gateway reread", "reread_interval_seconds", 2),
    ("gateway check_orphan", "check_orphan_interval_seconds", 4),
    ("node announce", "announce_interval_seconds", 6),
    ("node look", "look_interval_seconds", 6),
    ("node metering", "interval_seconds", 6),
    // These come with starts, and with backups that are asked for.
    ("gateway handles", "", 0),
    ("node backup", "", 0),
];

/// Sums of counters that begin anew with each process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {
    last: BTreeMap<(String, String), u64>,
    sums: BTreeMap<String, u64>,
}

impl Meters {
    /// What a page of `host` says now.
    fn take(&mut self, host: &str, page: &str) {
        let kind = host.split('-').next().unwrap_or_default();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, count)) = line.rsplit_once(' ') else { continue };
            let Some((_, duty)) = series.split_once("duty=\"") else { continue };
            let duty = format!("{kind} {}", duty.trim_end_matches("\"}"));
            let count: u64 = count.parse().unwrap();
            let last = self.last.insert((host.to_owned(), series.to_owned()), count).unwrap_or(0);
            let more = if count < last { count } else { count - last };
            *self.sums.entry(duty).or_default() += more;
        }
    }

    /// Duties that were done too seldom in `life`: how often, and how often they should have been.
    pub(crate) fn neglected(&self, life: Duration) -> Vec<String> {
        let mut neglected = Vec::new();
        for (duty, timer, hosts) in DUTIES {
            let due = if hosts == 0 { 0 } else { life.as_secs() * hosts / seconds(timer) / SHARE };
            let least = due.max(1);
            let done = self.sums.get(duty).copied().unwrap_or(0);
            if done < least {
                neglected.push(format!("{duty}: {done} times, not {least}"));
            }
        }
        neglected
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        let all = self.sums.iter().map(|(duty, count)| format!("{duty} {count}"));
        all.collect::<Vec<_>>().join(", ")
    }
}

/// Reads all pages until `end`.
pub(crate) async fn meter(platform: &Platform, end: Instant) -> Meters {
    let file = platform.dev_file().unwrap();
    let mut pages = BTreeMap::new();
    for gateway in &file.gateways {
        pages.insert(gateway.id.clone(), gateway.admin_url.clone());
    }
    for node in &file.nodes {
        pages.insert(node.id.clone(), node.health.clone());
    }
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let mut meters = Meters::default();
    while Instant::now() < end {
        for (host, base) in &pages {
            let page = read(&http, base, &file.admin.token);
            if let Ok(Some(page)) = timeout(PATIENCE, page).await {
                meters.take(host, &page);
            }
        }
        sleep(PAUSE).await;
    }
    meters
}

async fn read(http: &reqwest::Client, base: &str, token: &Secret) -> Option<String> {
    let request = http.get(format!("{base}/metrics")).bearer_auth(token.reveal());
    request.send().await.ok()?.error_for_status().ok()?.text().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP x\ntenon_gateway_duties_total{duty=\"reconcile\"} ";

    #[test]
    fn a_counter_that_begins_anew_goes_on_in_the_sum() {
        let mut meters = Meters::default();
        for count in [3, 5, 2, 2] {
            meters.take("gateway-1", &format!("{PAGE}{count}\nother 7\n"));
        }
        meters.take("gateway-2", &format!("{PAGE}4"));
        let node = "tenon_duties_total{offering=\"mysql\",duty=\"look\"} 6";
        meters.take("node-1", node);
        assert_eq!(meters.shown(), "gateway reconcile 11, node look 6");
    }

    #[test]
    fn what_was_never_due_is_named() {
        let mut meters = Meters::default();
        let all = DUTIES.iter().map(|(duty, ..)| ((*duty).to_owned(), 1_000));
        meters.sums.extend(all);
        assert_eq!(meters.neglected(Duration::from_secs(60)), [""; 0]);
        meters.sums.insert("node look".to_owned(), 2);
        meters.sums.remove("gateway handles");
        let expected = ["node look: 2 times, not 9", "gateway handles: 0 times, not 1"];
        assert_eq!(meters.neglected(Duration::from_secs(60)), expected);
    }
}
