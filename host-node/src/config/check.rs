//! Values that have the right type and still cannot work.

use std::collections::HashSet;

use super::{Capability, Config, ConfigError, OfferingConfig};

/// Most calls at once: each takes a slot of 4 GiB of address space.
const MAX_CALLS: u32 = 1_000;

/// Largest memory ceiling of a call: also the longest `memory.fill`, which nothing interrupts.
const MAX_MEMORY_MIB: u32 = 1_024;

impl Config {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] names the key and what is allowed.
    pub(crate) fn check(&self, file: &str) -> Result<(), ConfigError> {
        let wrong = |key: String, message: String| {
            Err(ConfigError::Value { file: file.to_owned(), key, message })
        };
        for (key, value, least, most) in self.numbers() {
            if value < least || value > most {
                let message = format!("must be {least} to {most}, not {value}");
                return wrong(key.to_owned(), message);
            }
        }
        if self.offerings.is_empty() {
            return wrong("offerings".to_owned(), "must name at least one offering".to_owned());
        }
        let servers: HashSet<&str> = self.mysql.iter().map(|server| &*server.version).collect();
        if servers.len() != self.mysql.len() {
            return wrong("mysql.version".to_owned(), "two servers have the same".to_owned());
        }
        let mut seen = HashSet::new();
        for offering in &self.offerings {
            if !seen.insert((&offering.service, &offering.node_id)) {
                let message = format!("{} is served twice by this node id", offering.service);
                return wrong("offerings.service".to_owned(), message);
            }
            if let Err((key, message)) = offering.check(&servers) {
                return wrong(format!("offerings.{key}"), format!("{}: {message}", offering.label));
            }
        }
        self.check_prefixes().or_else(|message| wrong("offerings.mysql".to_owned(), message))
    }

    /// Key, value, least and most.
    fn numbers(&self) -> [(&'static str, u64, u64, u64); 6] {
        let guests = &self.guests;
        [
            ("guests.max_calls", guests.max_calls.into(), 1, MAX_CALLS.into()),
            ("guests.memory_mib", guests.memory_mib.into(), 2, MAX_MEMORY_MIB.into()),
            ("guests.cpu_budget_ms", guests.cpu_budget_ms, 10, 3_600_000),
            ("guests.call_timeout_seconds", guests.call_timeout_seconds, 1, 3_600),
            ("guests.job_timeout_seconds", guests.job_timeout_seconds, 1, 86_400),
            ("guests.drain_seconds", guests.drain_seconds, 0, 3_600),
        ]
    }

    /// A name must belong to one offering only: no prefix may be the beginning of another.
    fn check_prefixes(&self) -> Result<(), String> {
        let grants = |offering: &&OfferingConfig| offering.capabilities.contains(&Capability::Mysql);
        let users: Vec<&OfferingConfig> = self.offerings.iter().filter(grants).collect();
        for (index, one) in users.iter().enumerate() {
            for two in users.iter().skip(index + 1).filter(|two| two.label != one.label) {
                for (a, b) in [
                    (&one.mysql.database_prefix, &two.mysql.database_prefix),
                    (&one.mysql.account_prefix, &two.mysql.account_prefix),
                ] {
                    if a.starts_with(b.as_str()) || b.starts_with(a.as_str()) {
                        return Err(format!(
                            "prefixes {a:?} of {} and {b:?} of {} overlap",
                            one.label, two.label
                        ));
                    }
                }
            }
        }
        Ok(())
    }
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
        for prefix in [&self.mysql.database_prefix, &self.mysql.account_prefix] {
            let good = prefix.chars().all(|c| c.is_ascii_lowercase());
            if prefix.is_empty() || prefix.len() > 8 || !good {
                return Err(("mysql", format!("prefix must be [a-z]{{1,8}}, not {prefix:?}")));
            }
        }
        if self.capabilities.contains(&Capability::Mysql) {
            for version in &self.versions {
                if !servers.contains(version.as_str()) {
                    let known = servers.iter().copied().collect::<Vec<_>>().join(", ");
                    let message = format!("{version} has no [[mysql]] server; there are: {known}");
                    return Err(("versions", message));
                }
            }
        }
        Ok(())
    }
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
            .and_then(|config| config.check("node.toml"))
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
            "node.toml:3: unknown field `datadir`, expected `data_dir` or `drain_seconds`"
        );
    }

    #[test]
    fn an_impossible_value_is_named_with_what_is_allowed() {
        let text = GOOD.replace("plugins_dir", "max_calls = 0\nplugins_dir");
        assert_eq!(problem(&text), "node.toml: guests.max_calls: must be 1 to 1000, not 0");
        let text = GOOD.replace(r#"versions = ["10.11"]"#, r#"versions = ["5.5"]"#);
        assert_eq!(
            problem(&text),
            "node.toml: offerings.versions: mysql: 5.5 has no [[mysql]] server; there are: 10.11"
        );
        let text = GOOD.replace(r#"["mysql"]"#, r#"["mysq"]"#);
        assert!(problem(&text).contains("unknown variant `mysq`, expected one of `mysql`, `files`"));
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_repeated() {
        let text = GOOD.replace("\"hunter2\"", "12345");
        assert_eq!(
            problem(&text),
            "node.toml:12: a secret is a text in quotes, or { file = \"path\" }"
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
            "node.toml: offerings.mysql: prefixes \"d\" of mysql and \"dx\" of shop overlap"
        );
    }
}
