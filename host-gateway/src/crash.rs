//! Points at which a test can have the process die as by `kill -9`.
//!
//! Always compiled, so that what is tested is what is shipped; unarmed it is one comparison.

use std::future::Future;
use std::time::Duration;

use tenon_protocol::chain;

/// All points. Tests walk through them.
pub const ALL: &[&str] = &[
    "provision.before-intent",
    "provision.intent-written",
    "provision.asking",
    "provision.answered",
    "provision.ready-written",
    "unprovision.before-deleting",
    "unprovision.deleting-written",
    "unprovision.asking",
    "unprovision.answered",
    "unprovision.bindings-buried",
    "unprovision.tomb-written",
    "bind.before-intent",
    "bind.intent-written",
    "bind.asking",
    "bind.answered",
    "bind.ready-written",
    "unbind.before-deleting",
    "unbind.deleting-written",
    "unbind.asking",
    "unbind.answered",
    "unbind.tomb-written",
    "snapshot.before-record",
    "snapshot.record-written",
    "snapshot.queued",
    "move.recorded",
    "move.moving-written",
    "move.away-asking",
    "move.away-done",
    "move.load-asking",
    "move.load-done",
    "move.adopt-asking",
    "move.adopt-done",
    "move.binding-switched",
    "move.arrived",
    "move.told",
    "move.tidied",
    "move.returning",
    "move.return-asking",
    "move.returned",
];

/// How long after a request was begun the process dies at an `asking` point: it is sent by then.
const UNDER_WAY: Duration = Duration::from_millis(2);

/// The one point that is armed, if any.
#[derive(Debug, Clone, Default)]
pub struct Crash(Option<String>);

/// The name of a crash point that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("crash point {0} is not one of {list}", list = ALL.join(", "))]
pub struct UnknownPoint(String);

impl Crash {
    /// Arms `point`; `None` arms nothing.
    ///
    /// # Errors
    ///
    /// [`UnknownPoint`] when it is not in [`ALL`].
    pub fn at(point: Option<String>) -> Result<Self, UnknownPoint> {
        match point {
            Some(point) if !ALL.contains(&point.as_str()) => Err(UnknownPoint(point)),
            Some(point) => Ok(Self(Some(point))),
            None => Ok(Self(None)),
        }
    }

    /// Dies here when `name` is armed.
    pub(crate) fn point(&self, name: &str) {
        debug_assert!(ALL.contains(&name), "{name} is not in the list");
        if self.0.as_deref() == Some(name) {
            die();
        }
    }

    /// Lets `deed` begin and dies in the middle of it when `name` is armed.
    pub(crate) async fn during<T>(&self, name: &str, deed: impl Future<Output = T>) -> T {
        debug_assert!(ALL.contains(&name), "{name} is not in the list");
        if self.0.as_deref() != Some(name) {
            return deed.await;
        }
        tokio::select! {
            biased;
            () = async { tokio::time::sleep(UNDER_WAY).await; die() } => unreachable!("it died"),
            _done = deed => die(),
        }
    }
}

/// Nothing is flushed, dropped or said: as if the machine took the process away.
fn die() -> ! {
    let own = rustix::process::getpid();
    if let Err(error) = rustix::process::kill_process(own, rustix::process::Signal::KILL) {
        tracing::error!(error = %chain(&error), "cannot kill the own process");
    }
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_does_not_exist_is_refused() {
        assert!(Crash::at(Some("provision.nosuch".to_owned())).is_err());
        Crash::at(Some("bind.answered".to_owned())).unwrap().point("bind.asking");
        Crash::at(None).unwrap().point("bind.answered");
    }

    #[test]
    fn points_are_named_once() {
        let mut names = ALL.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
