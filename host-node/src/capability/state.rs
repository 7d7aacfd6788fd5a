//! `tenon:host/state`: a plugin's small durable state.
//!
//! Writes are staged, seen by the same call, and handed to the ledger with the call's result.

use tenon_protocol::chain;
use wasmtime::component::{HasData, Linker};

use crate::guest::bindings::tenon::host::state::{Entry, Failure, Host, add_to_linker as link};
use crate::ledger::{Ledger, LedgerError, StateWrite, StateWrites};

/// Bounds: longest key, largest value, all of a plugin, keys in one listing, writes of one call.
const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 64 << 10;
const MAX_PLUGIN: u64 = 16 << 20;
const MAX_LIST: u32 = 1_000;
const MAX_WRITES: usize = 1_000;

/// A staged write has this revision until the ledger gives it a real one.
const STAGED: u64 = u64::MAX;

/// The state as one call sees it.
pub(crate) struct StateSession {
    ledger: Ledger,
    granted: bool,
    staged: StateWrites,
    staged_bytes: u64,
}

impl StateSession {
    pub(crate) fn new(ledger: &Ledger, plugin: &str, granted: bool) -> Self {
        let staged = StateWrites { plugin: plugin.to_owned(), writes: Vec::new() };
        Self { ledger: ledger.clone(), granted, staged, staged_bytes: 0 }
    }

    /// What the call wrote; to be applied with its result.
    pub(crate) fn into_writes(self) -> StateWrites {
        self.staged
    }

    fn get(&self, key: &str) -> Result<Entry, Failure> {
        self.check(key)?;
        if let Some(write) = self.staged_write(key) {
            let value = write.value.clone().ok_or(Failure::NotFound)?;
            return Ok(Entry { value, revision: STAGED });
        }
        let found = self.ledger.read(|view| view.state(&self.staged.plugin, key));
        let (revision, value) = found.map_err(unavailable)?.ok_or(Failure::NotFound)?;
        Ok(Entry { value, revision })
    }

    fn put(&mut self, key: String, value: Vec<u8>, expect: Option<u64>) -> Result<u64, Failure> {
        self.check(&key)?;
        if value.len() > MAX_VALUE {
            return Err(Failure::TooLarge);
        }
        let seen = match self.get(&key) {
            Ok(entry) => entry.revision,
            Err(Failure::NotFound) => 0,
            Err(failure) => return Err(failure),
        };
        if expect.is_some_and(|expect| expect != seen) {
            return Err(Failure::RevisionMismatch);
        }
        self.take_room((key.len() + value.len()) as u64)?;
        self.stage(key, Some(value), expect)?;
        Ok(STAGED)
    }

    /// Counts against the plugin's bound; what a write replaces is not counted off.
    fn take_room(&mut self, bytes: u64) -> Result<(), Failure> {
        let stored = self.ledger.read(|view| view.state_bytes(&self.staged.plugin));
        let stored = stored.map_err(unavailable)?;
        if stored + self.staged_bytes + bytes > MAX_PLUGIN {
            return Err(Failure::Quota);
        }
        self.staged_bytes += bytes;
        Ok(())
    }

    /// Replaces an earlier write of the same key, whose expectation stays.
    fn stage(
        &mut self,
        key: String,
        value: Option<Vec<u8>>,
        expect: Option<u64>,
    ) -> Result<(), Failure> {
        if let Some(earlier) = self.staged.writes.iter_mut().find(|write| write.key == key) {
            earlier.value = value;
            return Ok(());
        }
        if self.staged.writes.len() >= MAX_WRITES {
            return Err(Failure::Quota);
        }
        self.staged.writes.push(StateWrite { key, value, expect });
        Ok(())
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Failure> {
        self.check(prefix.get(..1).unwrap_or("x"))?;
        let limit = usize::try_from(limit.min(MAX_LIST)).unwrap_or(usize::MAX);
        let plugin = &self.staged.plugin;
        let stored = self.ledger.read(|view| view.state_keys(plugin, prefix, after, limit));
        let mut keys = stored.map_err(unavailable)?;
        for write in &self.staged.writes {
            let listed = keys.iter().position(|key| *key == write.key);
            let wanted =
                write.key.starts_with(prefix) && after.is_none_or(|after| *write.key > *after);
            match (listed, &write.value) {
                (Some(index), None) => drop(keys.remove(index)),
                (None, Some(_)) if wanted => keys.push(write.key.clone()),
                (Some(_), Some(_)) | (None, _) => {}
            }
        }
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    fn check(&self, key: &str) -> Result<(), Failure> {
        if !self.granted {
            return Err(Failure::Unavailable);
        }
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Failure::TooLarge);
        }
        Ok(())
    }

    fn staged_write(&self, key: &str) -> Option<&StateWrite> {
        self.staged.writes.iter().find(|write| write.key == key)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn unavailable(error: LedgerError) -> Failure {
    tracing::error!(error = %chain(&error), "a guest's state cannot be read");
    Failure::Unavailable
}

/// What the interface sees of a store.
pub(crate) struct StateView<'a>(pub(crate) &'a mut StateSession);

impl Host for StateView<'_> {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Entry, Failure>> {
        Ok(self.0.get(&key))
    }

    async fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        expect: Option<u64>,
    ) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.0.put(key, value, expect))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), Failure>> {
        Ok(self.0.check(&key).and_then(|()| self.0.stage(key, None, None)))
    }

    async fn list(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, Failure>> {
        Ok(self.0.list(&prefix, after.as_deref(), limit))
    }
}

/// Marks the view for the linker.
pub(crate) struct HasState;

impl HasData for HasState {
    type Data<'a> = StateView<'a>;
}

/// Links the interface.
///
/// # Errors
///
/// wasmtime's error when it is linked already.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: for<'a> fn(&'a mut T) -> StateView<'a>,
) -> wasmtime::Result<()> {
    link::<T, HasState>(linker, view)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> (tempfile::TempDir, StateSession) {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("ledger")).unwrap();
        (dir, StateSession::new(&ledger, "p", true))
    }

    async fn commit(session: StateSession) -> bool {
        let ledger = session.ledger.clone();
        let writes = session.into_writes();
        ledger.update(move |book| book.apply_state(&writes)).await.unwrap()
    }

    #[tokio::test]
    async fn a_write_is_seen_by_its_call_and_durable_after_its_commit() {
        let (_dir, mut first) = session();
        let ledger = first.ledger.clone();
        first.put("k".to_owned(), b"v".to_vec(), Some(0)).unwrap();
        assert_eq!(first.get("k").unwrap().value, b"v");
        assert_eq!(first.list("", None, 10).unwrap(), ["k"]);

        let other = StateSession::new(&ledger, "p", true);
        assert!(matches!(other.get("k"), Err(Failure::NotFound)));
        assert!(commit(first).await);
        assert_eq!(other.get("k").unwrap().value, b"v");
        let foreign = StateSession::new(&ledger, "q", true);
        assert!(matches!(foreign.get("k"), Err(Failure::NotFound)));
    }

    #[tokio::test]
    async fn of_two_calls_that_replace_the_same_revision_one_wins() {
        let (_dir, first) = session();
        let ledger = first.ledger.clone();
        let mut calls = [first, StateSession::new(&ledger, "p", true)];
        for call in &mut calls {
            call.put("k".to_owned(), vec![1], Some(0)).unwrap();
        }
        let [one, two] = calls;
        assert!(commit(one).await);
        assert!(!commit(two).await);
    }

    #[tokio::test]
    async fn bounds_are_kept() {
        let (_dir, mut session) = session();
        let put = |session: &mut StateSession, key: &str, size: usize| {
            session.put(key.to_owned(), vec![0; size], None)
        };
        assert!(matches!(put(&mut session, "", 1), Err(Failure::TooLarge)));
        assert!(matches!(put(&mut session, &"k".repeat(257), 1), Err(Failure::TooLarge)));
        assert!(matches!(put(&mut session, "k", MAX_VALUE + 1), Err(Failure::TooLarge)));
        let full = (0..300).find(|n| put(&mut session, &format!("k{n}"), MAX_VALUE).is_err());
        assert_eq!(full, Some(255));
        assert!(matches!(put(&mut session, "other", MAX_VALUE), Err(Failure::Quota)));
    }

    #[tokio::test]
    async fn without_a_grant_nothing_answers() {
        let (_dir, first) = session();
        let mut denied = StateSession::new(&first.ledger, "p", false);
        assert!(matches!(denied.get("k"), Err(Failure::Unavailable)));
        assert!(matches!(denied.put("k".to_owned(), vec![], None), Err(Failure::Unavailable)));
    }
}
