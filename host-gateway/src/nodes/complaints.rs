//! What was complained of already: the same of the same sender fills no log.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// After that it is told again.
const AGAIN: Duration = Duration::from_secs(3_600);
/// Senders that are remembered; what others do wrong is told once these are forgotten.
const MAX_SENDERS: usize = 1_000;

/// Complaints of the last hour, by sender.
#[derive(Debug, Default)]
pub(super) struct Complaints(HashMap<String, (String, Instant)>);

impl Complaints {
    /// Whether `what` of `sender` is to be told now.
    pub(super) fn is_due(&mut self, sender: &str, what: &str) -> bool {
        self.0.retain(|_, (_, told)| told.elapsed() < AGAIN);
        if self.0.get(sender).is_some_and(|(known, _)| known == what) {
            return false;
        }
        if self.0.len() >= MAX_SENDERS && !self.0.contains_key(sender) {
            return false;
        }
        self.0.insert(sender.to_owned(), (what.to_owned(), Instant::now()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_is_told_once_an_hour() {
        let mut complaints = Complaints::default();
        assert!(complaints.is_due("n1", "bad"));
        assert!(!complaints.is_due("n1", "bad"));
        assert!(complaints.is_due("n1", "worse"));
        assert!(complaints.is_due("n2", "worse"));
        tokio::time::advance(AGAIN).await;
        assert!(complaints.is_due("n1", "worse"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_senders_are_remembered() {
        let mut complaints = Complaints::default();
        let told = (0..2_000).filter(|n| complaints.is_due(&n.to_string(), "bad")).count();
        assert_eq!(told, MAX_SENDERS);
    }
}
