//! Small durable state: the only memory that a service has between calls.
//!
//! Writes become durable together with the result of the call; those of a call that fails are
//! undone. A key is 1 to 256 bytes, a value at most 64 KiB, everything at most 16 MiB.

use crate::host::state;

// The contract's words, under the module that a reader looks for them in.
pub use crate::bindings::imports::tenon::host::state::{Entry, Failure};

/// The capability `state`. Get it from [`crate::Call::state`].
pub struct State(());

impl State {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// The value of `key` and its revision; `None` when there is none.
    ///
    /// # Errors
    /// When the node cannot read its records.
    pub fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        match state::get(key) {
            Ok(entry) => Ok(Some(entry)),
            Err(Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Writes, whatever is there; the new revision.
    ///
    /// # Errors
    /// When the value is too large, or the state is full.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<u64, Failure> {
        state::put(key, value, None)
    }

    /// Writes if nothing is there; the new revision.
    ///
    /// # Errors
    /// As [`State::put`]; [`Failure::RevisionMismatch`] when something is there.
    pub fn create(&self, key: &str, value: &[u8]) -> Result<u64, Failure> {
        state::put(key, value, Some(0))
    }

    /// Writes if nobody wrote since `revision` was read; the new revision.
    ///
    /// # Errors
    /// As [`State::put`]; [`Failure::RevisionMismatch`] when somebody did.
    pub fn replace(&self, key: &str, value: &[u8], revision: u64) -> Result<u64, Failure> {
        state::put(key, value, Some(revision))
    }

    /// Removes the key. Succeeds when it is not there.
    ///
    /// # Errors
    /// When the node cannot write its records.
    pub fn delete(&self, key: &str) -> Result<(), Failure> {
        state::delete(key)
    }

    /// Keys that start with `prefix`, in order, after `after`; at most `limit`, at most 1,000.
    ///
    /// # Errors
    /// When the node cannot read its records.
    pub fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Failure> {
        state::list(prefix, after, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::World;
    use crate::{Error, ErrorKind};

    #[test]
    fn state_of_a_call_that_failed_is_undone() {
        let world = World::new();
        let failed = world.call(|cx| {
            cx.state().put("key", b"value")?;
            Err::<(), _>(Error::internal(0, "afterwards"))
        });
        assert_eq!(failed.unwrap_err().message(), "afterwards");
        assert_eq!(world.call(|cx| Ok(cx.state().get("key")?)), Ok(None));
    }

    #[test]
    fn a_key_is_created_once() {
        let world = World::new();
        let create =
            |value: &'static [u8]| world.call(move |cx| Ok(cx.state().create("key", value)?));
        assert!(create(b"first").is_ok());
        assert_eq!(create(b"second").unwrap_err().kind(), ErrorKind::Conflict);
    }

    #[test]
    fn an_entry_is_replaced_only_at_the_revision_that_was_read() {
        let world = World::new();
        let state = State::new();
        let first = world.call(|_| Ok(state.put("key", b"1")?)).unwrap();
        let second = world.call(|_| Ok(state.replace("key", b"2", first)?)).unwrap();
        assert_eq!(state.replace("key", b"3", first), Err(Failure::RevisionMismatch));
        assert_eq!(state.get("key"), Ok(Some(Entry { value: b"2".to_vec(), revision: second })));
    }

    #[test]
    fn keys_come_in_order_and_in_pages() {
        let _world = World::new();
        let state = State::new();
        for key in ["b/2", "a/1", "b/1", "b/3"] {
            state.put(key, b"").unwrap();
        }
        assert_eq!(state.keys("b/", None, 2).unwrap(), ["b/1", "b/2"]);
        assert_eq!(state.keys("b/", Some("b/2"), 2).unwrap(), ["b/3"]);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let _world = World::new();
        let state = State::new();
        assert_eq!(state.put("", b""), Err(Failure::TooLarge));
        assert_eq!(state.put(&"k".repeat(257), b""), Err(Failure::TooLarge));
        assert_eq!(state.put("key", &[0; (64 << 10) + 1]), Err(Failure::TooLarge));
        let fits = (0..).take_while(|n| state.put(&format!("{n:04}"), &[0; 64 << 10]).is_ok());
        assert_eq!(fits.count(), 255);
        assert_eq!(state.put("more", &[0; 64 << 10]), Err(Failure::Quota));
    }
}
