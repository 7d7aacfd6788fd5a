//! What was complained of already: the same fills no log.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// After that it is told again.
const AGAIN: Duration = Duration::from_secs(3_600);
/// Complaints that are remembered; others are told once some of these are forgotten.
const MAX_TOLD: usize = 1_000;

/// Complaints of the last hour.
#[derive(Debug)]
pub(crate) struct Complaints<K> {
    told: HashMap<K, Instant>,
    /// No complaint is older.
    oldest: Instant,
}

impl<K> Default for Complaints<K> {
    fn default() -> Self {
        Self { told: HashMap::new(), oldest: Instant::now() }
    }
}

impl<K: Eq + Hash> Complaints<K> {
    /// Whether `what` is to be told now. Cheap when it is not, however many there are.
    pub(crate) fn is_due(&mut self, what: K) -> bool {
        let known = self.told.get(&what);
        if known.is_some_and(|told| told.elapsed() < AGAIN) {
            return false;
        }
        if known.is_none() && self.told.len() >= MAX_TOLD && !self.forget() {
            return false;
        }
        self.told.insert(what, Instant::now());
        true
    }

    /// Makes room, and says whether there is any.
    fn forget(&mut self) -> bool {
        if self.oldest.elapsed() < AGAIN {
            return false;
        }
        self.told.retain(|_, told| told.elapsed() < AGAIN);
        self.oldest = self.told.values().min().copied().unwrap_or_else(Instant::now);
        self.told.len() < MAX_TOLD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_is_told_once_an_hour() {
        let mut complaints = Complaints::default();
        assert!(complaints.is_due(("n1", "bad")));
        assert!(!complaints.is_due(("n1", "bad")));
        assert!(complaints.is_due(("n1", "worse")));
        assert!(!complaints.is_due(("n1", "bad")));
        assert!(complaints.is_due(("n2", "worse")));
        tokio::time::advance(AGAIN).await;
        assert!(complaints.is_due(("n1", "worse")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_complaints_are_remembered() {
        let mut complaints = Complaints::default();
        let told = (0..2_000).filter(|n| complaints.is_due(*n)).count();
        assert_eq!(told, MAX_TOLD);
        tokio::time::advance(AGAIN).await;
        assert!(complaints.is_due(1_999));
    }
}
