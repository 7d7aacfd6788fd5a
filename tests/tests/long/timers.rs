//! An hour in a minute: every timer that a configuration knows runs sixty times as fast.
//!
//! One table, printed at the start. What no configuration knows keeps its pace, and is named.

use std::time::Duration;

use tenon_tests::Platform;
use toml::{Table, Value};

use super::faults::HOSTS;

/// So many seconds of a platform's life pass in one of ours.
pub(crate) const FACTOR: u64 = 60;

/// Whose file a key stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Gateway,
    Node,
}

/// Why a timer is not set to its sixtieth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It is.
    Compressed,
    /// Files count whole seconds.
    Second,
    /// It bounds work that a processor or a disk does at its own pace.
    Work,
    /// It has to be longer than another one that is.
    Order,
    /// Nobody here lives as long as a sixtieth of it.
    Life,
    /// It is counted in hours, or not switched on unless somebody says so.
    Switched,
}

/// A timer: its section and key, what it is unless configured, and what it is here; seconds.
struct Timer {
    host: Host,
    section: &'static str,
    key: &'static str,
    real: i64,
    here: i64,
    why: Why,
}

const fn timer(
    (host, section, key): (Host, &'static str, &'static str),
    real: i64,
    (here, why): (i64, Why),
) -> Timer {
    Timer { host, section, key, real, here, why }
}

/// All of them.
#[rustfmt::skip]
const TIMERS: [Timer; 22] = {
    use Host::{Gateway, Node};
    use Why::{Compressed, Life, Order, Second, Switched, Work};
    [
        timer((Gateway, "http", "drain_seconds"), 10, (2, Work)),
        timer((Gateway, "state", "reconcile_interval_seconds"), 10, (1, Second)),
        timer((Gateway, "state", "reread_interval_seconds"), 3_600, (5, Life)),
        timer((Gateway, "state", "job_life_seconds"), 21_600, (360, Compressed)),
        timer((Gateway, "snapshots", "link_seconds"), 3_600, (60, Compressed)),
        timer((Gateway, "cloud_controller", "heartbeat_interval_seconds"), 60, (1, Compressed)),
        timer((Gateway, "cloud_controller", "handle_fetch_interval_seconds"), 1, (1, Second)),
        timer((Gateway, "offerings", "node_timeout_seconds"), 5, (2, Work)),
        timer((Gateway, "offerings", "move_timeout_seconds"), 1_800, (30, Compressed)),
        timer((Gateway, "offerings", "check_orphan_interval_seconds"), -1, (5, Switched)),
        timer((Gateway, "offerings", "double_check_orphan_interval_seconds"), 300, (5, Compressed)),
        timer((Gateway, "offerings", "forget_node_seconds"), 90, (3, Order)),
        timer((Node, "node", "drain_seconds"), 10, (2, Work)),
        timer((Node, "node", "look_interval_seconds"), 600, (5, Life)),
        timer((Node, "guests", "drain_seconds"), 10, (2, Work)),
        timer((Node, "guests", "job_timeout_seconds"), 600, (30, Work)),
        timer((Node, "guests", "call_timeout_seconds"), 10, (10, Work)),
        timer((Node, "snapshots", "import_timeout_seconds"), 300, (10, Work)),
        timer((Node, "backups", "every_hours"), 0, (0, Switched)),
        timer((Node, "offerings", "announce_interval_seconds"), 30, (1, Second)),
        timer((Node, "offerings", "quarantine_hours"), 24, (0, Switched)),
        timer((Node, "offerings.metering", "interval_seconds"), 30, (1, Second)),
    ]
};

/// What keeps its pace.
const PACES: [&str; 9] = [
    "bus: ping 5 s, reconnection after up to 4 s, requests to JetStream 5 s",
    "JetStream: a job that nobody acknowledges is given again after 30 s, duplicates are known for 120 s",
    "a node that works on a job says so each 8 s; it is once more itself each 30 s",
    "what failed at a gateway rests 5 s, then twice as long each time, up to 300 s",
    "what failed at a node rests 5 s; its guests are asked how they are each 5 s",
    "tokens of a UAA are renewed 60 s before they end: they are given 75 s instead of 3600",
    "MariaDB: connections 3 s, statements 30 s, idle connections 60 s",
    "HTTP and TCP: bodies 10 s, heads 60 s, the cloud controller 30 s",
    "tombs 7 days, markers 24 hours: longer than any run",
];

/// What tokens of the stand-in's UAA are good for.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(75);

/// Sets the timers, and starts all hosts with them.
pub(crate) async fn compress(platform: &Platform) {
    eprintln!("{}", table());
    let control = platform.control().unwrap();
    control.set_token_life(TOKEN_LIFE).await.unwrap();
    for host in HOSTS {
        set_all(platform, host);
        // Nothing was ordered yet: there is nothing to end in order.
        platform.kill(host).await.unwrap();
    }
    for host in HOSTS {
        control.start(host, None).await.unwrap();
    }
}

/// What the timer of `key` is here.
pub(crate) fn seconds(key: &str) -> u64 {
    let timer = TIMERS.iter().find(|timer| timer.key == key).unwrap();
    u64::try_from(timer.here).unwrap()
}

fn table() -> String {
    let mut text = format!("{FACTOR} s of a platform's life in one of ours:\n");
    for Timer { host, section, key, real, here, why } in &TIMERS {
        text += &format!("  {host:?} {section}.{key}: {real} -> {here} ({why:?})\n");
    }
    PACES.iter().for_each(|pace| text += &format!("  at its own pace: {pace}\n"));
    text
}

fn set_all(platform: &Platform, child: &str) {
    let (dir, file) = (platform.dir().unwrap(), format!("{child}.toml"));
    let mut config: Table = toml::from_str(&dir.read_to_string(&file).unwrap()).unwrap();
    let host = if child.starts_with("gateway") { Host::Gateway } else { Host::Node };
    for timer in TIMERS.iter().filter(|timer| timer.host == host) {
        for section in sections(&mut config, timer.section) {
            section.insert(timer.key.to_owned(), timer.here.into());
        }
    }
    if host == Host::Node {
        // Packages are fetched from this machine's gateways.
        let [section] = &mut sections(&mut config, "snapshots")[..] else { panic!("{config}") };
        let networks = Value::Array(vec!["127.0.0.0/8".into()]);
        section.insert("import_networks".to_owned(), networks);
    }
    dir.write(&file, config.to_string()).unwrap();
}

/// The tables that a section is: one, or one for each offering; made when they are not there.
fn sections<'a>(config: &'a mut Table, path: &str) -> Vec<&'a mut Table> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let found = config.entry(first).or_insert_with(|| Table::new().into());
    let tables: Vec<&mut Table> = if found.is_array() {
        let all = found.as_array_mut().unwrap().iter_mut();
        all.map(|one| one.as_table_mut().unwrap()).collect()
    } else {
        vec![found.as_table_mut().unwrap()]
    };
    match rest {
        Some(rest) => tables.into_iter().flat_map(|table| sections(table, rest)).collect(),
        None => tables,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_timer_is_its_sixtieth_and_others_say_why_not() {
        for Timer { key, real, here, why, .. } in &TIMERS {
            let sixtieth = i64::try_from(FACTOR).unwrap() * here == *real;
            match why {
                Why::Compressed => assert!(sixtieth, "{key}"),
                Why::Second => assert!(*here == 1 && *real < 60, "{key}"),
                Why::Work | Why::Order => assert!(here <= real && here * 60 >= *real, "{key}"),
                Why::Life => assert!(here * 60 < *real, "{key}"),
                Why::Switched => {}
            }
        }
    }

    #[test]
    fn a_key_is_set_in_each_table_of_its_section() {
        let mut config: Table = toml::from_str("[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]\n[c]").unwrap();
        for (path, expected) in [("a", 2), ("a.b", 2), ("c", 1), ("d", 1)] {
            assert_eq!(sections(&mut config, path).len(), expected, "{path}");
        }
    }
}
