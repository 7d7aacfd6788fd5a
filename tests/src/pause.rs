//! A child of the platform that is there and does nothing for a while, as on a machine that swaps.

use rustix::process::Signal;

use crate::error::HarnessError;
use crate::platform::Platform;
use crate::processes::send;

impl Platform {
    /// Stops the process of `node-1` or the like. What it is sent meanwhile waits for it.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when it does not run.
    pub fn pause(&self, child: &str) -> Result<(), HarnessError> {
        self.signal(child, Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// As [`Self::pause`].
    pub fn go_on(&self, child: &str) -> Result<(), HarnessError> {
        self.signal(child, Signal::CONT)
    }

    fn signal(&self, child: &str, signal: Signal) -> Result<(), HarnessError> {
        let pid = self.dev_file()?.pids.get(child).copied();
        send(Some(pid.ok_or_else(|| HarnessError::NotRunning(child.to_owned()))?), signal);
        Ok(())
    }
}
