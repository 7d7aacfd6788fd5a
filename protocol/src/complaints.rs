//! What was complained of already: the same fills no log. Time is a value here.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// After that it is told again.
const AGAIN: Duration = Duration::from_secs(3_600);
/// Complaints that are remembered; others are told once some of these are forgotten.
const MAX_TOLD: usize = 1_000;
/// Of a text that somebody else wrote.
const MAX_SHOWN: usize = 120;

/// Complaints of the last hour.
#[derive(Debug)]
pub struct Complaints<K> {
    told: HashMap<K, Instant>,
    /// No complaint is older; `None` when it is not known.
    oldest: Option<Instant>,
}

impl<K> Default for Complaints<K> {
    fn default() -> Self {
        Self { told: HashMap::new(), oldest: None }
    }
}

impl<K: Eq + Hash> Complaints<K> {
    /// Whether `what` is to be told at `now`. Cheap when it is not, however many there are.
    pub fn is_due(&mut self, what: K, now: Instant) -> bool {
        let known = self.told.get(&what);
        if known.is_some_and(|&told| is_fresh(told, now)) {
            return false;
        }
        if known.is_none() && self.told.len() >= MAX_TOLD && !self.forget(now) {
            return false;
        }
        self.told.insert(what, now);
        true
    }

    /// Makes room, and says whether there is any.
    fn forget(&mut self, now: Instant) -> bool {
        if self.oldest.is_some_and(|oldest| is_fresh(oldest, now)) {
            return false;
        }
        self.told.retain(|_, &mut told| is_fresh(told, now));
        self.oldest = self.told.values().min().copied();
        self.told.len() < MAX_TOLD
    }
}

fn is_fresh(told: Instant, now: Instant) -> bool {
    now.saturating_duration_since(told) < AGAIN
}

/// A text of somebody else's, for a line in a log: short, and on one line.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_an_hour() {
        let (mut complaints, now) = (Complaints::default(), Instant::now());
        assert!(complaints.is_due(("n1", "bad"), now));
        assert!(!complaints.is_due(("n1", "bad"), now));
        assert!(complaints.is_due(("n1", "worse"), now));
        assert!(!complaints.is_due(("n1", "bad"), now));
        assert!(complaints.is_due(("n2", "worse"), now));
        assert!(complaints.is_due(("n1", "worse"), now + AGAIN));
        assert!(!complaints.is_due(("n1", "worse"), now + AGAIN));
    }

    #[test]
    fn a_thousand_complaints_are_remembered() {
        let (mut complaints, now) = (Complaints::default(), Instant::now());
        let told = (0..2_000).filter(|n| complaints.is_due(*n, now)).count();
        assert_eq!(told, MAX_TOLD);
        assert!(complaints.is_due(1_999, now + AGAIN));
    }

    #[test]
    fn what_others_wrote_is_short_and_on_one_line() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "a?b?[31m");
        assert_eq!(shown(&"ä".repeat(500)).chars().count(), MAX_SHOWN);
    }
}
