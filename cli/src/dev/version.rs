//! Versions that servers print: major and minor, which is what decisions need.

use std::fmt;

/// For example 2.12; ordered by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u32,
    /// After it.
    pub minor: u32,
}

impl Version {
    /// The version that follows `mark` in `text`, with or without a suffix.
    #[must_use]
    pub fn after(text: &str, mark: &str) -> Option<Self> {
        let (_, text) = text.split_once(mark)?;
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_after(text: &str, mark: &str, expected: Option<&str>) {
        let found = Version::after(text, mark).map(|version| version.to_string());
        assert_eq!(found.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn a_version_is_read_from_what_a_server_prints() {
        check_after("nats-server: v2.15.1\n", "nats-server: v", Some("2.15"));
        check_after("nats-server: v2.12.0-RC.1", "nats-server: v", Some("2.12"));
        check_after(
            "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)",
            "Ver ",
            Some("10.11"),
        );
        check_after("nats-server: v2", "nats-server: v", None);
        check_after("nats-server: vtwo.one", "nats-server: v", None);
        check_after("", "Ver ", None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(Version { major: 2, minor: 9 } < Version { major: 2, minor: 12 });
        assert!(Version { major: 3, minor: 0 } > Version { major: 2, minor: 12 });
    }
}
