//! What gateways remember of a platform: that its handles of an offering were taken over, and the
//! plans that it must go on hearing of.
//!
//! A version 1 cloud controller removes a plan that a notice leaves out, with all instances of it:
//! a plan is left out only when nobody has needed it for long.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::RECORD_VERSION;
use crate::clock::Millis;

/// A plan that no gateway is configured with is told for so long, and longer while it has instances.
/// Longer than any order is under way, and than clocks of gateways differ.
const PLAN_LIFE: Duration = Duration::from_secs(24 * 3_600);
/// That a plan is needed is written down no more often.
const RENEWAL: Duration = Duration::from_secs(3_600);
/// More plans, or longer names, are no plans.
const MAX_PLANS: usize = 1_000;
const MAX_NAME: usize = 255;

/// The handles of an offering were taken over: before, nothing is known of its instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformRecord {
    /// Version of its form.
    pub v: u32,
    /// Plans by name, and when each was last known to be needed: by a gateway's configuration, or
    /// by an instance.
    pub plans: BTreeMap<String, Millis>,
}

impl Default for PlatformRecord {
    fn default() -> Self {
        Self { v: RECORD_VERSION, plans: BTreeMap::new() }
    }
}

impl PlatformRecord {
    /// The same, with `plans` needed at `now`. It is equal when that was known shortly before.
    #[must_use]
    pub fn needing<'a>(mut self, plans: impl IntoIterator<Item = &'a str>, now: Millis) -> Self {
        for plan in plans {
            let room = self.plans.len() < MAX_PLANS && plan.len() <= MAX_NAME;
            match self.plans.get_mut(plan) {
                Some(seen) if seen.after(RENEWAL) <= now => *seen = now,
                None if room => {
                    self.plans.insert(plan.to_owned(), now);
                }
                Some(_) | None => {}
            }
        }
        self
    }

    /// Plans that nobody was known to need for so long that it has to be asked whether any instance
    /// has them.
    #[must_use]
    pub fn stale(&self, now: Millis) -> Vec<String> {
        let stale = self.plans.iter().filter(|(_, seen)| seen.after(PLAN_LIFE) <= now);
        stale.map(|(plan, _)| plan.clone()).collect()
    }

    /// The same without `plan`, unless somebody was known to need it since.
    #[must_use]
    pub fn without(mut self, plan: &str, now: Millis) -> Self {
        if self.stale(now).iter().any(|stale| stale == plan) {
            self.plans.remove(plan);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn at(hours: u64) -> Millis {
        Millis::from_millis(hours * HOUR)
    }

    #[test]
    fn what_is_needed_is_written_down_once_an_hour() {
        let first = PlatformRecord::default().needing(["free"], at(0));
        let soon = Millis::from_millis(HOUR - 1);
        assert_eq!(first.clone().needing(["free"], soon), first);
        assert_eq!(first.clone().needing(["free"], at(1)).plans["free"], at(1));
        let both = first.needing(["free", "gold"], soon);
        assert_eq!(both.plans, BTreeMap::from([("free".to_owned(), at(0)), ("gold".into(), soon)]));
    }

    #[test]
    fn p34_a_plan_is_asked_about_after_a_day_and_left_out_when_nobody_has_it() {
        let record = PlatformRecord::default().needing(["free", "gold"], at(0));
        assert!(record.stale(Millis::from_millis(24 * HOUR - 1)).is_empty());
        let record = record.needing(["free"], at(23));
        assert_eq!(record.stale(at(24)), ["gold"]);
        let kept = record.clone().needing(["gold"], at(24));
        assert!(kept.stale(at(46)).is_empty());
        assert_eq!(kept.clone().without("gold", at(25)), kept);
        let left = record.without("gold", at(24)).plans;
        assert_eq!(left.into_keys().collect::<Vec<_>>(), ["free"]);
    }

    #[test]
    fn names_are_bounded() {
        let names: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
        let record = PlatformRecord::default().needing(names.iter().map(String::as_str), at(0));
        assert_eq!(record.plans.len(), MAX_PLANS);
        let long = "x".repeat(MAX_NAME + 1);
        assert!(PlatformRecord::default().needing([&*long], at(0)).plans.is_empty());
    }

    #[test]
    fn an_unknown_field_is_accepted() {
        let text = r#"{"v":1,"plans":{"free":5},"later":{}}"#;
        let record: PlatformRecord = serde_json::from_str(text).unwrap();
        assert_eq!(record.plans["free"], Millis::from_millis(5));
    }
}
