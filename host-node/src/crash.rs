//! Points at which the process kills itself, for tests of crashes.
//!
//! Always compiled, so that what is tested is what runs; one comparison each when unused.

use rustix::process::{Signal, getpid, kill_process};
use tenon_protocol::chain;

/// Every point, in the order in which an operation passes them.
pub const POINTS: &[&str] = &[
    "provision.begun",
    "provision.called",
    "provision.recorded",
    "unprovision.begun",
    "unprovision.called",
    "unprovision.recorded",
    "bind.begun",
    "bind.called",
    "bind.recorded",
    "unbind.begun",
    "unbind.called",
    "unbind.recorded",
    "snapshot.begun",
    "snapshot.called",
    "snapshot.stored",
    "snapshot.noted",
    "snapshot.recorded",
    "restore.begun",
    "restore.replaced",
    "restore.called",
    "disable.begun",
    "disable.called",
    "disable.exported",
    "enable.begun",
    "enable.recorded",
    "import.checked",
    "import.provisioned",
    "import.replaced",
    "import.loaded",
    "update.begun",
    "update.called",
    "update.recorded",
    "cleanupnfs.begun",
    "reload.begun",
    "reload.replaced",
    "reload.recorded",
    "backup.called",
    "quota.noted",
    "quota.enforced",
    "quota.recorded",
    "delete.begun",
    "delete.unlisted",
    "delete.removed",
    "package.begun",
    "package.packed",
    "package.stored",
    "package.recorded",
    "fetch.begun",
    "fetch.fetched",
    "fetch.unpacked",
    "fetch.stored",
    "fetch.noted",
    "fetch.recorded",
    "forget.unlisted",
    "forget.removed",
];

/// Where this process dies; nowhere, outside of tests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crash(Option<String>);

impl Crash {
    pub(crate) const fn new(at: Option<String>) -> Self {
        Self(at)
    }

    /// Dies here, as by `kill -9`, if this is the point.
    pub(crate) fn point(&self, name: &str) {
        if self.0.as_deref() == Some(name) {
            tracing::warn!(name, "dying at a crash point");
            if let Err(error) = kill_process(getpid(), Signal::KILL) {
                tracing::error!(error = %chain(&error), "a process could not kill itself");
            }
        }
    }
}
