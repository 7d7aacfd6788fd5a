//! Wall-clock time as it is written into records and messages.
//!
//! Used for deadlines and displays only: no safety property depends on two clocks agreeing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(u64);

impl Millis {
    /// The present moment; the epoch if the machine's clock is set before 1970.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// A moment given in milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `later` after this one; saturates.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long from `now` until this moment; zero when it has passed.
    #[must_use]
    pub const fn remaining(self, now: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(now.0))
    }

    /// How jobs show a time: `2013-07-10 08:15:30 +0000`.
    ///
    /// Source: Ruby's `Time#to_s`, which the original put into its job records.
    #[must_use]
    pub fn to_ruby(self) -> String {
        let t = Civil::of(self.0 / 1000);
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} +0000",
            t.year, t.month, t.day, t.hour, t.minute, t.second
        )
    }

    /// How snapshots show a time: `2013-07-10T08:15:30Z`.
    #[must_use]
    pub fn to_iso8601(self) -> String {
        let t = Civil::of(self.0 / 1000);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            t.year, t.month, t.day, t.hour, t.minute, t.second
        )
    }
}

struct Civil {
    year: i64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// Days-to-civil of the proleptic Gregorian calendar, eras of 400 years starting in March.
    fn of(seconds: u64) -> Self {
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = i64::try_from(year_of_era + era * 400).unwrap_or(i64::MAX);
        Self {
            year: if month <= 2 { year + 1 } else { year },
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: seconds % 86_400 / 3_600,
            minute: seconds % 3_600 / 60,
            second: seconds % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_the_original_showed_it() {
        let time = Millis::from_millis(1_373_444_130_250);
        assert_eq!(time.to_ruby(), "2013-07-10 08:15:30 +0000");
        assert_eq!(time.to_iso8601(), "2013-07-10T08:15:30Z");
        assert_eq!(Millis::from_millis(951_782_400_000).to_iso8601(), "2000-02-29T00:00:00Z");
        assert_eq!(Millis::default().to_iso8601(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_deadline_that_has_passed_leaves_no_time() {
        let now = Millis::from_millis(1_000);
        assert_eq!(now.after(Duration::from_millis(250)).remaining(now).as_millis(), 250);
        assert_eq!(now.remaining(now.after(Duration::from_secs(1))), Duration::ZERO);
    }
}
