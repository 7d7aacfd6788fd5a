//! Unfinished records of one bucket, and which of them are looked at next.
//!
//! Most of them may be stuck for a long time: on a node that is silent, on a move that goes on, on
//! a job that waits. They take turns, and do not keep the others waiting.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Records of one bucket that a pass takes up; the rest waits for the next one.
pub(super) const MAX_DUE: usize = 128;
/// Longest pause before a record that failed is tried again.
const MAX_BACKOFF: Duration = Duration::from_secs(300);
/// First pause.
const MIN_BACKOFF: Duration = Duration::from_secs(5);
/// Pauses before one is looked at again that was not to be worked on.
const MIN_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Whether records that were looked at shortly before are looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eagerness {
    Patient,
    /// An operator asked.
    Eager,
}

/// Unfinished records by key.
#[derive(Debug, Default)]
pub(super) struct OpenRecords(HashMap<String, Open>);

#[derive(Debug, Clone, Copy)]
struct Open {
    failures: u32,
    /// How often it was not to be worked on.
    waits: u32,
    due: Instant,
}

impl OpenRecords {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A record was read, whose work is nobody's from `due` on.
    pub(super) fn found(&mut self, key: &str, due: Instant) {
        let open = self.0.entry(key.to_owned());
        let open = open.or_insert(Open { failures: 0, waits: 0, due });
        open.due = open.due.max(due);
    }

    /// There is no work.
    pub(super) fn finished(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// It is not to be worked on yet.
    pub(super) fn waits(&mut self, key: &str, now: Instant) {
        if let Some(open) = self.0.get_mut(key) {
            open.due = now + pause(MIN_WAIT, open.waits).min(MAX_WAIT);
            open.waits = open.waits.saturating_add(1);
        }
    }

    /// Work on it failed; how often before.
    pub(super) fn failed(&mut self, key: &str, now: Instant) -> u32 {
        let Some(open) = self.0.get_mut(key) else { return 0 };
        let failures = open.failures;
        open.due = now + pause(MIN_BACKOFF, failures).min(MAX_BACKOFF);
        open.failures = failures.saturating_add(1);
        failures
    }

    /// Keys of those to be looked at now, [`MAX_DUE`] at most: whoever waits longest is first, and
    /// half of the places are for those that were never looked at.
    pub(super) fn due(&self, eagerness: Eagerness, now: Instant) -> Vec<String> {
        let is_due = |open: &Open| eagerness == Eagerness::Eager || open.due <= now;
        let (mut again, mut first): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .filter(|(_, open)| is_due(open))
            .map(|(key, open)| (open.due, key, open.failures > 0 || open.waits > 0))
            .partition(|&(_, _, seen)| seen);
        again.sort_unstable();
        first.sort_unstable();
        let places = MAX_DUE - first.len().min(MAX_DUE / 2);
        again.truncate(places);
        first.truncate(MAX_DUE - again.len());
        first.into_iter().chain(again).map(|(_, key, _)| key.clone()).collect()
    }
}

fn pause(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(10))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const PASS: Duration = Duration::from_secs(10);

    /// Passes in which everything but `work` is stuck. Which one `work` was in, and what was looked
    /// at by the end.
    fn passes(
        open: &mut OpenRecords,
        number: u32,
        mut now: Instant,
    ) -> (Option<u32>, HashSet<String>) {
        let (mut worked, mut seen) = (None, HashSet::new());
        for pass in 1..=number {
            let due = open.due(Eagerness::Patient, now);
            assert!(due.len() <= MAX_DUE);
            for key in due {
                if key == "work" {
                    worked = worked.or(Some(pass));
                    open.finished(&key);
                } else if key.ends_with('7') {
                    open.failed(&key, now);
                } else {
                    open.waits(&key, now);
                }
                seen.insert(key);
            }
            now += PASS;
        }
        (worked, seen)
    }

    #[test]
    fn p05_records_that_are_stuck_keep_no_other_work_waiting_and_take_turns() {
        for stuck in [200, 5_000] {
            let mut open = OpenRecords::default();
            let now = Instant::now();
            (0..stuck).for_each(|number| open.found(&format!("inst.{number}"), now));
            open.found("work", now);
            let rounds = (stuck + 1_u32).div_ceil(64);
            let (worked, seen) = passes(&mut open, rounds, now);
            assert!(worked.is_some() && seen.len() > 200, "{stuck}: {} were seen", seen.len());

            // All are stuck by now; what is new is looked at in the next pass.
            let later = now + PASS * rounds;
            let (_, seen) = passes(&mut open, stuck / 32 + 4, later);
            assert_eq!(seen.len(), open.len(), "every one has its turn");
            let later = later + PASS * stuck;
            open.found("work", later);
            assert_eq!(passes(&mut open, 1, later).0, Some(1), "{stuck}");
        }
    }

    #[test]
    fn new_work_does_not_keep_what_failed_from_its_turn() {
        let mut open = OpenRecords::default();
        let now = Instant::now();
        open.found("old", now);
        open.failed("old", now);
        let later = now + MAX_BACKOFF;
        (0..1_000).for_each(|number| open.found(&format!("inst.{number}"), now));
        let due = open.due(Eagerness::Patient, later);
        assert_eq!(due.len(), MAX_DUE);
        assert!(due.contains(&"old".to_owned()));
    }

    #[test]
    fn a_record_that_fails_waits_longer_each_time_and_a_lease_is_waited_for() {
        let mut open = OpenRecords::default();
        let now = Instant::now();
        open.found("a", now);
        for (times, expected) in [(1, MIN_BACKOFF), (1, MIN_BACKOFF * 2), (20, MAX_BACKOFF)] {
            for _ in 0..times {
                open.failed("a", now);
            }
            let is_due = |at| !open.due(Eagerness::Patient, at).is_empty();
            assert!(is_due(now + expected) && !is_due(now + expected - MIN_WAIT));
        }
        let due = open.due(Eagerness::Eager, now);
        assert_eq!(due, ["a"], "an operator does not wait");
        open.found("a", now + MAX_BACKOFF * 2);
        assert!(open.due(Eagerness::Patient, now + MAX_BACKOFF).is_empty());
        open.finished("a");
        assert_eq!(open.len(), 0);
    }
}
