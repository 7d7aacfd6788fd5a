//! One child process: its log, its death with ours, its orderly end.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::directory::SystemUser;

/// How much of the log is shown when a child died.
const SHOWN_BYTES: usize = 4_000;
const SHOWN_LINES: usize = 15;

/// How often a child is asked whether it is ready.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Read by gateway and node.
const CRASH_VARIABLE: &str = "TENON_CRASH_AT";

/// A child did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The system refuses.
    #[error("cannot start {program}")]
    Spawn {
        /// What was to run.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{name} ended with {status} before it was ready; the end of {log}:\n{tail}", log = log.display())]
    Died {
        /// The child.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// Where it wrote.
        log: PathBuf,
        /// What it wrote last.
        tail: String,
    },
    /// It runs, and does not answer.
    #[error("{name} was not ready after {seconds} s; the end of {log}:\n{tail}", log = log.display())]
    NotReady {
        /// The child.
        name: String,
        /// How long it was given.
        seconds: u64,
        /// Where it wrote.
        log: PathBuf,
        /// What it wrote last.
        tail: String,
    },
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// For example `node-1`.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Both of its outputs are appended there.
    pub(crate) log: PathBuf,
    /// Where a host kills itself, for tests of crashes; `None` is nowhere.
    pub(crate) crash_at: Option<String>,
    /// Whom it runs as; `None` is whoever runs this.
    pub(crate) user: Option<SystemUser>,
    /// `setpriv`, where there is one.
    pub(crate) setpriv: Option<PathBuf>,
}

/// A running child. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    pid: u32,
    log: PathBuf,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, or when asked.
    Orderly,
    /// It did not listen in time.
    Killed,
}

impl Launch {
    /// Starts the child. It is not ready yet.
    pub(crate) fn start(self) -> Result<Process, ProcessError> {
        let failed = |source| ProcessError::Spawn { program: self.program.clone(), source };
        let log = open_log(&self.log).map_err(failed)?;
        let both = log.try_clone().map_err(failed)?;
        let child = self
            .command()
            .envs(self.crash_at.iter().map(|point| (CRASH_VARIABLE, point)))
            .stdin(Stdio::null())
            .stdout(log.into_std())
            .stderr(both.into_std())
            // Ctrl-C on a terminal goes to a whole group: children are stopped by us, in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pid = child.id().unwrap_or_default();
        Ok(Process { name: self.name, child, pid, log: self.log })
    }

    /// Through `setpriv`, so that the system kills the child when we are killed.
    fn command(&self) -> Command {
        let Some(setpriv) = &self.setpriv else {
            let mut command = Command::new(&self.program);
            command.args(&self.arguments);
            if let Some(user) = self.user {
                command.uid(user.uid).gid(user.gid);
            }
            return command;
        };
        let mut command = Command::new(setpriv);
        // In one step, because a change of user cancels the wish to die with the parent.
        if let Some(user) = self.user {
            let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
            command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program).args(&self.arguments);
        command
    }
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks `is_ready` until it says yes, the child ends, or `deadline` has passed.
    pub(crate) async fn ready(
        &mut self,
        deadline: Duration,
        is_ready: impl AsyncFn() -> bool,
    ) -> Result<(), ProcessError> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended() {
                let (log, tail) = (self.log.clone(), tail(&self.log));
                return Err(ProcessError::Died { name: self.name.clone(), status, log, tail });
            }
            // A probe that hangs is a no.
            if timeout(end - Instant::now(), is_ready()).await == Ok(true) {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(ProcessError::NotReady {
                    name: self.name.clone(),
                    seconds: deadline.as_secs(),
                    log: self.log.clone(),
                    tail: tail(&self.log),
                });
            }
            sleep(PROBE_INTERVAL).await;
        }
    }

    /// Waits for its end, and says whether it was a success; after `deadline` it is killed.
    pub(crate) async fn succeeds(mut self, deadline: Duration) -> bool {
        let ended = timeout(deadline, self.child.wait()).await;
        matches!(ended, Ok(Ok(status)) if status.success())
    }

    /// Asks it to stop, and kills it when it has not after `deadline`.
    pub(crate) async fn stop(mut self, deadline: Duration) -> End {
        signal(self.pid, Signal::TERM);
        if timeout(deadline, self.child.wait()).await.is_ok() {
            return End::Orderly;
        }
        // An error says that it is gone already.
        self.child.kill().await.ok();
        End::Killed
    }
}

/// Sends `signal`; a process that is gone does not mind.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        rustix::process::kill_process(pid, signal).ok();
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let content = parent(log).and_then(|(dir, name)| dir.read(name)).unwrap_or_default();
    let from = content.len().saturating_sub(SHOWN_BYTES);
    let text = String::from_utf8_lossy(content.get(from..).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
}

fn open_log(path: &Path) -> io::Result<File> {
    let (dir, name) = parent(path)?;
    dir.open_with(name, OpenOptions::new().create(true).append(true).mode(0o600))
}

fn parent(path: &Path) -> io::Result<(Dir, &Path)> {
    let parts = path.parent().zip(path.file_name().map(Path::new));
    let (parent, name) = parts.ok_or(io::ErrorKind::InvalidInput)?;
    Ok((Dir::open_ambient_dir(parent, ambient_authority())?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(script: &str, log: &Path) -> Launch {
        Launch {
            name: "child-1".to_owned(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            crash_at: None,
            log: log.to_owned(),
            user: None,
            setpriv: None,
        }
    }

    #[tokio::test]
    async fn a_child_that_dies_early_is_reported_with_the_end_of_its_log() {
        let keep = tempfile::tempdir().unwrap();
        let log = keep.path().join("child-1.log");
        let mut child = launch("echo no such luck; exit 3", &log).start().unwrap();
        let error = child.ready(Duration::from_secs(10), async || false).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("child-1 ended with exit status: 3"), "{text}");
        assert!(text.ends_with("no such luck"), "{text}");
    }

    #[tokio::test]
    async fn a_child_that_does_not_listen_is_killed() {
        let keep = tempfile::tempdir().unwrap();
        let log = keep.path().join("child-1.log");
        let mut deaf =
            launch("trap '' TERM; echo deaf; while :; do sleep 1; done", &log).start().unwrap();
        deaf.ready(Duration::from_secs(10), async || tail(&log) == "deaf").await.unwrap();
        assert_eq!(deaf.stop(Duration::from_millis(50)).await, End::Killed);
        let polite = launch("exec sleep 100", &log).start().unwrap();
        assert_eq!(polite.stop(Duration::from_secs(10)).await, End::Orderly);
    }
}
