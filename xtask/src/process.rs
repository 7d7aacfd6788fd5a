//! Runs other programs, loudly or quietly, and finds them on the PATH.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::stop::Stop;

/// Where Debian keeps servers, and where an ordinary user's PATH does not look.
const SERVER_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// How much of a failed program's output is worth reading.
const SHOWN_LINES: usize = 20;

/// Runs `command` on this terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Stop> {
    let status = status(command)?;
    if status.success() {
        return Ok(());
    }
    Err(Stop::new(format!("{} ended with {status}", shown(command))))
}

/// Runs `command` on this terminal and returns how it ended.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus, Stop> {
    command
        .status()
        .map_err(|error| Stop::new(format!("{} did not start: {error}", shown(command))))
}

/// Runs `command` silently and without input, to `purpose`; the end of its output is shown only
/// when it fails.
pub(crate) fn run_quietly(command: &mut Command, purpose: &str) -> Result<(), Stop> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Stop::new(format!("could not {purpose}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = last_lines(&String::from_utf8_lossy(&text));
    Err(Stop::new(format!("could not {purpose} ({}):\n{text}", output.status)))
}

/// What `command` prints; `None` when it fails or does not exist.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first `program` on the PATH or where servers are kept.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

/// The PATH with the servers' directories at its end.
pub(crate) fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path)
        .chain(SERVER_DIRECTORIES.map(PathBuf::from))
        .collect::<Vec<_>>();
    std::env::join_paths(directories).unwrap_or(path)
}

/// `command` as one would type it, with only the name of its program.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(start..).unwrap_or_default().join("\n")
}
