//! Signals to processes that the harness knows by their ids.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// Sends `signal`; a process that is gone does not mind.
pub(crate) fn send(pid: Option<u32>, signal: Signal) {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that is gone does not mind.
        rustix::process::kill_process(pid, signal).ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "a destructor cannot wait for the runtime")]
pub(crate) fn wait_for_end(pid: u32) {
    const POLLS: u32 = 500;
    let proc = Path::new("/proc").join(pid.to_string()).join("exe");
    for _ in 0..POLLS {
        // One that is dead and unburied has no program any more.
        if proc.read_link().is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
