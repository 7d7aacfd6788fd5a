//! What is odd about what a cloud controller has: counted, and told once an hour, with the first
//! few, by whom it was sent and what becomes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tenon_protocol::chain::without_logins;
use tenon_protocol::complaints::{Complaints, shown};

/// So many of a kind are named; the rest is counted.
const NAMED: usize = 3;

/// A kind of what is odd about an entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Oddity {
    /// It does not have the form of one.
    Unreadable,
    /// It was there before, word for word.
    Repeated,
    /// It was there before, in other words.
    Contradicted,
    /// A record says that it is another offering's.
    Foreign,
    /// An instance on no node.
    Placeless,
    /// A binding of no instance.
    Ownerless,
    /// An instance without a version.
    Versionless,
}

impl Oddity {
    const fn wrong(self) -> &'static str {
        match self {
            Self::Unreadable => "cannot be read: nothing is done with it",
            Self::Repeated => "is there more than once: it counts once",
            Self::Contradicted => "is there more than once, with other words: the first count",
            Self::Foreign => "is another offering's by its record: it stays that",
            Self::Placeless => "names no instance and node: it is not served",
            Self::Ownerless => "is a binding of no instance that is served: it is not served",
            Self::Versionless => "has no version: its record has the current one",
        }
    }
}

/// How many entries are odd, and in which way.
#[derive(Debug, Default)]
pub(crate) struct Odd(BTreeMap<Oddity, Seen>);

#[derive(Debug, Default)]
struct Seen {
    count: usize,
    first: Vec<String>,
}

impl Odd {
    /// One more. `name` is asked of the first few.
    pub(crate) fn note(&mut self, what: Oddity, name: impl FnOnce() -> String) {
        let seen = self.0.entry(what).or_default();
        seen.count += 1;
        if seen.first.len() < NAMED {
            seen.first.push(shown(&name()));
        }
    }

    /// An entry of a list that is not of its form, because of `error`.
    pub(super) fn note_unreadable(&mut self, entry: &str, error: &serde_json::Error) {
        // Not the error's text: it quotes what it found, which may be a password.
        let (class, column) = (error.classify(), error.column());
        self.note(Oddity::Unreadable, || format!("{} ({class:?} at {column})", name_of(entry)));
    }

    /// What is odd about another part of the same list.
    pub(super) fn add(&mut self, other: Self) {
        for (what, more) in other.0 {
            let seen = self.0.entry(what).or_default();
            seen.count += more.count;
            let room = NAMED.saturating_sub(seen.first.len());
            seen.first.extend(more.first.into_iter().take(room));
        }
    }

    /// How many are odd in this way.
    pub(crate) fn count(&self, what: Oddity) -> usize {
        self.0.get(&what).map_or(0, |seen| seen.count)
    }
}

/// What an entry calls itself that has not the form of one.
fn name_of(entry: &str) -> String {
    let entry: Value = serde_json::from_str(entry).unwrap_or_default();
    let named = entry.get("service_id").or_else(|| entry.pointer("/metadata/guid"));
    named.and_then(Value::as_str).unwrap_or("without a name").to_owned()
}

/// What was told of one cloud controller. Clones share it.
#[derive(Clone)]
pub(super) struct Remarks {
    from: String,
    told: Arc<Mutex<Complaints<(String, Oddity)>>>,
}

impl Remarks {
    /// On the one at `url`.
    pub(super) fn new(url: &str) -> Self {
        Self { from: without_logins(url), told: Arc::default() }
    }

    /// Tells what is odd about the list of `what`, unless it was told within the hour.
    pub(super) fn tell(&self, what: &str, odd: &Odd) {
        for (&oddity, Seen { count, first }) in &odd.0 {
            let is_due = {
                // A panic while it is held leaves whole complaints behind.
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                told.is_due((what.to_owned(), oddity), Instant::now())
            };
            let (from, first, wrong) = (&self.from, first.join(", "), oddity.wrong());
            if is_due {
                tracing::warn!(what, from, wrong, count, first, "odd: what the platform has");
            } else {
                tracing::debug!(what, from, wrong, count, first, "odd: what the platform has");
            }
        }
    }
}

#[cfg(test)]
pub(in crate::cloud_controller) mod tests {
    use super::*;

    /// What `work` logs.
    pub(in crate::cloud_controller) fn logged(work: impl FnOnce()) -> String {
        use std::io::{Seek, read_to_string};
        let mut file = tempfile::tempfile().unwrap();
        let writer = Arc::new(file.try_clone().unwrap());
        let log = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).without_time();
        tracing::subscriber::with_default(log.with_target(false).finish(), work);
        file.rewind().unwrap();
        read_to_string(file).unwrap()
    }

    #[test]
    fn a_hundred_thousand_of_a_kind_are_one_line_with_their_number_and_sender() {
        let remarks = Remarks::new("http://gateway:hunter2@cc.example:9022");
        let mut odd = Odd::default();
        for number in 0..100_000 {
            odd.note(Oddity::Placeless, || format!("d{number}"));
        }
        odd.note(Oddity::Ownerless, || format!("b\n{}", "1".repeat(1_000)));
        let told = logged(|| {
            for _ in 0..10 {
                remarks.tell("mysql-5.5", &odd);
            }
            remarks.tell("files-1.0", &odd);
        });
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        let [placeless, ownerless, ..] = *lines else { panic!("{told}") };
        assert_eq!(
            placeless,
            " WARN odd: what the platform has what=\"mysql-5.5\" from=\"http://cc.example:9022\" \
             wrong=\"names no instance and node: it is not served\" count=100000 \
             first=\"d0, d1, d2\""
        );
        assert!(ownerless.contains("count=1 ") && ownerless.len() < 400, "{ownerless}");
    }

    #[test]
    fn parts_of_a_list_are_told_as_one() {
        let (mut all, mut names) = (Odd::default(), 0..);
        for _part in 0..4 {
            let mut odd = Odd::default();
            for _entry in 0..2 {
                odd.note(Oddity::Repeated, || names.next().unwrap().to_string());
            }
            all.add(odd);
        }
        assert_eq!(all.count(Oddity::Repeated), 8);
        assert_eq!(all.0[&Oddity::Repeated].first, ["0", "1", "2"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_quoted() {
        let mut odd = Odd::default();
        for entry in [
            r#"{"service_id":"d1","credentials":"hunter2"}"#,
            r#"{"metadata":{"guid":"g1"},"entity":"hunter2"}"#,
            r#""hunter2""#,
        ] {
            let error = serde_json::from_str::<BTreeMap<String, u8>>(entry).unwrap_err();
            odd.note_unreadable(entry, &error);
        }
        let first = odd.0[&Oddity::Unreadable].first.join("; ");
        assert_eq!(first, "d1 (Data at 18); g1 (Data at 12); without a name (Data at 9)");
    }
}
