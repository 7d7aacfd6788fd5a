//! Children that outlived a `tenon dev` which was killed: ended before new ones take their place.

use std::path::Path;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::process::signal;

/// The programs that `tenon dev` starts. An editor with a file of ours open is none of them.
const PROGRAMS: [&str; 4] = ["nats-server", "mariadbd", "tenon-gateway", "tenon-node"];

/// A killed process is gone at once, unless the disk hangs.
const DEADLINE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Kills those of `root` that still run; returns how many there were.
///
/// Found by their command lines: a list of ids would miss the one that was started last, and ids
/// are used again. The caller holds the lock of `root`, so nobody else starts any.
pub(crate) async fn end(root: &Path) -> usize {
    end_programs(root, &PROGRAMS).await
}

async fn end_programs(root: &Path, programs: &[&str]) -> usize {
    // Without /proc there is nothing to find.
    let Ok(proc) = Dir::open_ambient_dir("/proc", ambient_authority()) else {
        return 0;
    };
    let is_ours = |pid: u32| {
        // One that is dead and unburied has no command line.
        let words = proc.read(format!("{pid}/cmdline")).unwrap_or_default();
        names(&String::from_utf8_lossy(&words), root, programs)
    };
    let entries = proc.entries().into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours: Vec<u32> = pids.filter(|pid| is_ours(*pid)).collect();
    for pid in &ours {
        signal(*pid, Signal::KILL);
    }
    let end = Instant::now() + DEADLINE;
    while ours.iter().any(|pid| is_ours(*pid)) && Instant::now() < end {
        sleep(POLL).await;
    }
    ours.len()
}

/// Whether a command line, words ended by zeros, is one of `programs` with a file below `root`.
fn names(command_line: &str, root: &Path, programs: &[&str]) -> bool {
    let mut words = command_line.split('\0');
    let program = words.next().map(Path::new).and_then(Path::file_name);
    let is_known = programs.iter().any(|known| program.is_some_and(|name| name == *known));
    let inside = format!("{}/", root.display());
    is_known && words.any(|word| word.contains(&inside))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn check_names(command_line: &str, expected: bool) {
        assert_eq!(names(command_line, Path::new("/d/e"), &PROGRAMS), expected, "{command_line:?}");
    }

    #[test]
    fn only_our_programs_with_our_files_are_ours() {
        check_names("/usr/bin/nats-server\0-c\0/d/e/nats.conf\0", true);
        check_names("mariadbd\0--no-defaults\0--datadir=/d/e/mysql-1/data\0", true);
        check_names("mariadbd\0--datadir=/d/elsewhere/data\0", false);
        check_names("vi\0/d/e/nats.conf\0", false);
        check_names("", false);
    }

    #[tokio::test]
    async fn what_runs_is_ended_and_what_is_not_ours_stays() {
        let keep = tempfile::tempdir().unwrap();
        let tail = |file: &str| {
            let mut command = Command::new("tail");
            command.args(["-f", "/dev/null"]).arg(keep.path().join(file));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let (mut ours, mut other) = (tail("ours/log"), tail("other/log"));
        let root = keep.path().join("ours");
        // A child begins as a copy of this process, and takes a moment to become the other.
        while end_programs(&root, &["tail"]).await == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!ours.wait().unwrap().success());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
