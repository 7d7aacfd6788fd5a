//! `[offerings.metering]`: how often instances are measured, and when writes are allowed again.

use serde::Deserialize;

/// `[offerings.metering]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeteringConfig {
    /// From one round over all instances to the next, a fifth more or less.
    pub interval_seconds: u64,
    /// Share of its limit below which an instance that was over it may write again.
    pub allow_below_percent: u8,
}

impl Default for MeteringConfig {
    fn default() -> Self {
        Self { interval_seconds: 30, allow_below_percent: 90 }
    }
}

impl MeteringConfig {
    /// What is wrong with it, and with which key.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if !(1..=86_400).contains(&self.interval_seconds) {
            let text = format!("must be 1 to 86400, not {}", self.interval_seconds);
            return Some(("metering.interval_seconds", text));
        }
        if !(1..=100).contains(&self.allow_below_percent) {
            let text = format!("must be 1 to 100, not {}", self.allow_below_percent);
            return Some(("metering.allow_below_percent", text));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bounded() {
        let problem = |interval_seconds, allow_below_percent| {
            let config = MeteringConfig { interval_seconds, allow_below_percent };
            config.problem().map(|(key, _)| key)
        };
        assert_eq!(problem(30, 90), None);
        assert_eq!(problem(0, 90), Some("metering.interval_seconds"));
        assert_eq!(problem(86_401, 90), Some("metering.interval_seconds"));
        assert_eq!(problem(1, 0), Some("metering.allow_below_percent"));
        assert_eq!(problem(1, 101), Some("metering.allow_below_percent"));
    }
}
