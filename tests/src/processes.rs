//! Signals to processes that the harness knows by their ids.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::runtime::Builder;

use crate::wait::wait_until;

/// Sends `signal`; a process that is gone does not mind.
pub(crate) fn send(pid: Option<u32>, signal: Signal) {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that is gone does not mind.
        rustix::process::kill_process(pid, signal).ok();
    }
}

/// Waits for the end of a process, though not for its burial. Blocks.
pub(crate) fn wait_for_end(pid: u32) {
    // A destructor cannot wait for the runtime that it runs in.
    std::thread::spawn(move || ends(pid)).join().ok();
}

/// `None` when it goes on for too long.
fn ends(pid: u32) -> Option<()> {
    const LONGEST: Duration = Duration::from_secs(5);
    // One that is dead and unburied has no program any more.
    let program = Path::new("/proc").join(pid.to_string()).join("exe");
    let ended = async || program.read_link().err().map(drop);
    let runtime = Builder::new_current_thread().enable_time().build().ok()?;
    runtime.block_on(wait_until("a process ends", LONGEST, ended)).ok()
}
