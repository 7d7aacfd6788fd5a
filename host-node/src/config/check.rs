//! Values that have the right type and still cannot work.

use std::collections::HashSet;

use super::{Capability, Config, ConfigError, MysqlServerConfig, OfferingConfig, SnapshotsConfig};
use tenon_protocol::position;

/// Most calls at once: each takes a slot of 4 GiB of address space.
const MAX_CALLS: u32 = 1_000;

/// Largest memory ceiling of a call: also the longest `memory.fill`, which nothing interrupts.
const MAX_MEMORY_MIB: u32 = 1_024;

/// A key, such as `offerings.0.label`, and what is wrong with it.
type Problem = (String, String);

impl Config {
    /// Checks what types cannot. `text` is what the configuration was read from.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] names line, key and what is allowed.
    pub(crate) fn check(&self, file: &str, text: &str) -> Result<(), ConfigError> {
        self.check_all().map_err(|(key, message)| ConfigError::Value {
            file: file.to_owned(),
            line: position::line_of(text, &key),
            key,
            message,
        })
    }

    fn check_all(&self) -> Result<(), Problem> {
        for (key, value, least, most) in self.numbers() {
            if value < least || value > most {
                let message = format!("must be {least} to {most}, not {value}");
                return Err((key.to_owned(), message));
            }
        }
        if self.nats.url.contains('@') {
            let message = "must not hold a login: nats.user and nats.password do".to_owned();
            return Err(("nats.url".to_owned(), message));
        }
        self.snapshots.as_ref().map_or(Ok(()), SnapshotsConfig::check)?;
        let servers = check_servers(&self.mysql)?;
        if self.offerings.is_empty() {
            let message = "must name at least one offering".to_owned();
            return Err(("offerings".to_owned(), message));
        }
        let mut seen = HashSet::new();
        for (index, offering) in self.offerings.iter().enumerate() {
            let at = |key: &str| format!("offerings.{index}.{key}");
            if !seen.insert((&offering.service, &offering.node_id)) {
                let message = format!("{} is served twice by this node id", offering.service);
                return Err((at("service"), message));
            }
            offering.check(&servers).map_err(|(key, message)| (at(key), message))?;
        }
        self.check_prefixes()
    }

    /// Key, value, least and most.
    fn numbers(&self) -> [(&'static str, u64, u64, u64); 8] {
        let guests = &self.guests;
        let every_hours = self.backups.as_ref().map_or(0, |backups| backups.every_hours);
        [
            ("node.look_interval_seconds", self.node.look_interval_seconds, 1, 86_400),
            ("guests.max_calls", guests.max_calls.into(), 1, MAX_CALLS.into()),
            ("guests.memory_mib", guests.memory_mib.into(), 2, MAX_MEMORY_MIB.into()),
            ("guests.cpu_budget_ms", guests.cpu_budget_ms, 10, 3_600_000),
            ("guests.call_timeout_seconds", guests.call_timeout_seconds, 1, 3_600),
            ("guests.job_timeout_seconds", guests.job_timeout_seconds, 1, 86_400),
            ("guests.drain_seconds", guests.drain_seconds, 0, 3_600),
            ("backups.every_hours", every_hours, 0, 24 * 365),
        ]
    }

    /// A name must belong to one offering only: no prefix may be the beginning of another.
    fn check_prefixes(&self) -> Result<(), Problem> {
        let all = self.offerings.iter().enumerate();
        let users: Vec<(usize, &OfferingConfig)> =
            all.filter(|(_, one)| one.capabilities.contains(&Capability::Mysql)).collect();
        for (position, (_, one)) in users.iter().enumerate() {
            for (index, two) in users.iter().skip(position + 1) {
                if let Some((a, b)) = overlap(one, two) {
                    let (first, second) = (&one.label, &two.label);
                    let message =
                        format!("prefixes {a:?} of {first} and {b:?} of {second} overlap");
                    return Err((format!("offerings.{index}.mysql"), message));
                }
            }
        }
        Ok(())
    }
}

impl SnapshotsConfig {
    fn check(&self) -> Result<(), Problem> {
        let numbers = [
            ("snapshots.max_mib", self.max_mib, 1, 1 << 24),
            ("snapshots.import_max_mib", self.import_max_mib, 1, 1 << 20),
            ("snapshots.import_max_redirects", self.import_max_redirects.into(), 0, 20),
            ("snapshots.import_timeout_seconds", self.import_timeout_seconds, 1, 86_400),
        ];
        numbers.into_iter().try_for_each(|(key, value, least, most)| {
            let message = format!("must be {least} to {most}, not {value}");
            let good = (least..=most).contains(&value);
            if good { Ok(()) } else { Err((key.to_owned(), message)) }
        })
    }
}

/// Two prefixes of which one is the beginning of the other; nodes of one offering share theirs.
fn overlap<'a>(one: &'a OfferingConfig, two: &'a OfferingConfig) -> Option<(&'a str, &'a str)> {
    if one.label == two.label {
        return None;
    }
    let pairs: [(&str, &str); 2] = [
        (&one.mysql.database_prefix, &two.mysql.database_prefix),
        (&one.mysql.account_prefix, &two.mysql.account_prefix),
    ];
    pairs.into_iter().find(|(a, b)| a.starts_with(b) || b.starts_with(a))
}

/// The versions of the servers.
fn check_servers(servers: &[MysqlServerConfig]) -> Result<HashSet<&str>, Problem> {
    let mut versions = HashSet::new();
    for (index, server) in servers.iter().enumerate() {
        if !versions.insert(&*server.version) {
            let message = "another server has the same".to_owned();
            return Err((format!("mysql.{index}.version"), message));
        }
        if server.pool_size == 0 {
            return Err((format!("mysql.{index}.pool_size"), "must be at least 1".to_owned()));
        }
    }
    Ok(versions)
}

impl OfferingConfig {
    fn check(&self, servers: &HashSet<&str>) -> Result<(), (&'static str, String)> {
        let label_ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if self.label.is_empty() || self.label.len() > 40 || !self.label.chars().all(label_ok) {
            return Err(("label", "must be 1 to 40 of a-z 0-9 _ -".to_owned()));
        }
        if self.versions.is_empty() {
            return Err(("versions", "must name at least one version".to_owned()));
        }
        if self.quarantine_hours > 8_760 {
            let message = format!("must be 0 to 8760, not {}", self.quarantine_hours);
            return Err(("quarantine_hours", message));
        }
        if self.purge_share_percent > 100 {
            let message = format!("must be 0 to 100, not {}", self.purge_share_percent);
            return Err(("purge_share_percent", message));
        }
        if !(1..=3_600).contains(&self.announce_interval_seconds) {
            let message = format!("must be 1 to 3600, not {}", self.announce_interval_seconds);
            return Err(("announce_interval_seconds", message));
        }
        if let Some(problem) = self.metering.problem() {
            return Err(problem);
        }
        for prefix in [&self.mysql.database_prefix, &self.mysql.account_prefix] {
            let good = prefix.chars().all(|c| c.is_ascii_lowercase());
            if prefix.is_empty() || prefix.len() > 8 || !good {
                return Err(("mysql", format!("prefix must be [a-z]{{1,8}}, not {prefix:?}")));
            }
        }
        if self.capabilities.contains(&Capability::Mysql) {
            for version in &self.versions {
                if !servers.contains(version.as_str()) {
                    return Err(("versions", no_server(version, servers)));
                }
            }
        }
        Ok(())
    }
}

fn no_server(version: &str, servers: &HashSet<&str>) -> String {
    let mut known: Vec<&str> = servers.iter().copied().collect();
    known.sort_unstable();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("{version} has no [[mysql]] server; there are: {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[node]
data_dir = "/d"
[nats]
url = "nats://127.0.0.1:4222"
[guests]
plugins_dir = "/p"
[[mysql]]
version = "10.11"
host = "127.0.0.1"
user = "root"
password = "hunter2"
[[offerings]]
label = "mysql"
service = "MyaaS"
node_id = "n1"
plan = "free"
versions = ["10.11"]
capabilities = ["mysql"]
"#;

    fn problem(text: &str) -> String {
        Config::parse("node.toml", text)
            .and_then(|config| config.check("node.toml", text))
            .map_or_else(|error| error.to_string(), |()| "none".to_owned())
    }

    #[test]
    fn a_good_configuration_is_accepted() {
        assert_eq!(problem(GOOD), "none");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
        let text = GOOD.replace("data_dir", "datadir");
        assert_eq!(
            problem(&text),
            "node.toml:3: unknown field `datadir`, expected one of `data_dir`, `drain_seconds`, `look_interval_seconds`, `disabled_file`"
        );
    }

    #[test]
    fn an_impossible_value_is_named_with_what_is_allowed() {
        let text = GOOD.replace("plugins_dir", "max_calls = 0\nplugins_dir");
        assert_eq!(problem(&text), "node.toml:7: guests.max_calls: must be 1 to 1000, not 0");
        let text = GOOD.replace(r#"versions = ["10.11"]"#, r#"versions = ["5.5"]"#);
        assert_eq!(
            problem(&text),
            "node.toml:18: offerings.0.versions: 5.5 has no [[mysql]] server; there are: 10.11"
        );
        let text = GOOD.replace(r#"["mysql"]"#, r#"["mysq"]"#);
        assert!(
            problem(&text).contains("unknown variant `mysq`, expected one of `mysql`, `files`")
        );
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_repeated() {
        let text = GOOD.replace("\"hunter2\"", "12345");
        assert_eq!(
            problem(&text),
            "node.toml:12: password: a secret is a text in quotes, or { file = \"path\" }"
        );
    }

    #[test]
    fn the_url_of_the_bus_holds_no_login_and_none_is_shown() {
        let text = GOOD.replace("nats://", "nats://u:hunter2@");
        assert_eq!(
            problem(&text),
            "node.toml:5: nats.url: must not hold a login: nats.user and nats.password do"
        );
    }

    #[test]
    fn prefixes_that_overlap_are_refused() {
        let second = r#"
[[offerings]]
label = "shop"
service = "ShopaaS"
node_id = "n1"
plan = "free"
versions = ["10.11"]
capabilities = ["mysql"]
[offerings.mysql]
database_prefix = "dx"
account_prefix = "w"
"#;
        assert_eq!(
            problem(&format!("{GOOD}{second}")),
            "node.toml:28: offerings.1.mysql: prefixes \"d\" of mysql and \"dx\" of shop overlap"
        );
    }
}
