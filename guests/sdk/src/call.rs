//! One call of one operation: what it is part of, and what it may use.

use std::time::Duration;

use crate::files::Files;
use crate::host::context;
use crate::secrets::Secrets;
use crate::state::State;
use crate::{Result, mysql};

/// The call that is being served. Capabilities are reached through it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    raw: &'a context::Call,
}

impl<'a> Call<'a> {
    pub(crate) fn new(raw: &'a context::Call) -> Self {
        Self { raw }
    }

    /// The same for every attempt at one operation: repeating it must change nothing.
    pub fn operation_id(&self) -> String {
        self.raw.operation_id()
    }

    /// Time left; zero when the call was cancelled. The node ends the call soon after.
    pub fn remaining(&self) -> Duration {
        Duration::from_millis(self.raw.remaining_ms())
    }

    /// W3C `traceparent` of the request; empty when it had none.
    pub fn traceparent(&self) -> String {
        self.raw.traceparent()
    }

    /// Tells a watcher of a long job how far it is, 0 to 100. Cheap; only the last one is kept.
    pub fn progress(&self, percent: u8, note: &str) {
        self.raw.progress(percent, note);
    }

    /// A value from the operator's settings for this offering; `None` when there is none.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.raw.setting(key)
    }

    /// The database server of one version, as the operator named it, for example `10.11`.
    ///
    /// # Errors
    /// When no such server is granted, or it does not answer.
    pub fn mysql(&self, version: &str) -> Result<mysql::Server, mysql::Failure> {
        mysql::Server::open(version)
    }

    /// The durable memory of the service, shared by all its calls.
    pub fn state(&self) -> State {
        State::new()
    }

    /// The service's directories on the node.
    pub fn files(&self) -> Files {
        Files::new()
    }

    /// Secrets from the operator, and good random ones.
    pub fn secrets(&self) -> Secrets {
        Secrets::new()
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::World;

    #[test]
    fn each_call_is_an_operation_of_its_own() {
        let world = World::new();
        let id = || world.call(|cx| Ok(cx.operation_id())).unwrap();
        assert_eq!((id(), id()), ("operation-1".to_owned(), "operation-2".to_owned()));
    }

    #[test]
    fn a_call_knows_what_the_operator_set_and_says_how_far_it_is() {
        let world = World::new().with_setting("host", "h").with_secret("key", "s3same");
        world
            .call(|cx| {
                assert_eq!(cx.setting("host"), Some("h".to_owned()));
                assert_eq!(cx.setting("port"), None);
                assert_eq!(cx.secrets().get("key"), Some("s3same".to_owned()));
                assert_eq!(cx.secrets().random_password(10), "passwordp1");
                assert!(!cx.remaining().is_zero() && cx.traceparent().is_empty());
                cx.progress(50, "half");
                Ok(())
            })
            .unwrap();
        assert_eq!(world.progress(), ["50% half"]);
    }
}
