//! The servers' own programs, which dump and load.
//!
//! Nothing secret is on a command line, and a program is killed when its call ends.

use std::fs::File;
use std::io;
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};

use super::error::{MysqlError, without_literals};
use super::name::DatabaseName;
use super::option_file::{OptionFile, Scratch};
use super::server::ServerSettings;
use super::statement::Flavour;

/// How much of a program's last words is kept.
const MAX_WORDS: usize = 4 << 10;

/// What a dump holds, and how: one snapshot of the database, and no lock that others would feel.
const DUMP: [&str; 10] = [
    "--single-transaction",
    "--quick",
    "--routines",
    "--events",
    "--triggers",
    "--hex-blob",
    "--skip-dump-date",
    "--skip-lock-tables",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=64M",
];
const DUMP_MYSQL: [&str; 2] = ["--set-gtid-purged=OFF", "--no-tablespaces"];

/// A dump may hold what a hostile tenant wrote: the program gets no shell, no files, no host.
const LOAD: [&str; 6] = [
    "--binary-mode",
    "--local-infile=0",
    "--batch",
    "--skip-auto-rehash",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=64M",
];
/// For what was on the server before, and is better back in part than not.
const GO_ON: &str = "--force";

const LOAD_MARIADB: [&str; 1] = ["--sandbox"];
const LOAD_MYSQL: [&str; 1] = ["--loose-system-command=OFF"];

/// Where the programs of one server are.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    dump: String,
    client: String,
}

/// Which of them, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Dump,
    Load,
    /// The same, past statements that the server refuses.
    Salvage,
}

/// What a program is started for.
pub(super) struct Job<'a> {
    pub(super) task: Task,
    pub(super) flavour: Flavour,
    /// Where the server is.
    pub(super) settings: &'a ServerSettings,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) database: &'a DatabaseName,
    /// Tables and views that a dump leaves out.
    pub(super) left_out: &'a [String],
}

impl Programs {
    pub(super) fn of(settings: &ServerSettings) -> Self {
        Self { dump: settings.dump_program.clone(), client: settings.client_program.clone() }
    }

    /// Starts a program on one database.
    pub(super) fn start(&self, job: &Job<'_>, scratch: &Scratch) -> Result<Running, MysqlError> {
        let (program, stdin, stdout) = match job.task {
            Task::Dump => (&self.dump, Stdio::null(), Stdio::piped()),
            Task::Load | Task::Salvage => (&self.client, Stdio::piped(), Stdio::null()),
        };
        let options = OptionFile::write(scratch, job)
            .map_err(|error| MysqlError::node("the scratch directory", error))?;
        let child = Command::new(program)
            .arg(options.argument())
            .args(arguments(job.task, job.flavour))
            .arg(job.database.as_str())
            .kill_on_drop(true)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| MysqlError::node(format!("program {program}"), error))?;
        Ok(Running { child, _options: options })
    }
}

fn arguments(task: Task, flavour: Flavour) -> Vec<&'static str> {
    let (common, own): (&[_], &[_]) = match (task, flavour) {
        (Task::Dump, Flavour::MariaDb) => (&DUMP, &[]),
        (Task::Dump, Flavour::MySql) => (&DUMP, &DUMP_MYSQL),
        (Task::Load | Task::Salvage, Flavour::MariaDb) => (&LOAD, &LOAD_MARIADB),
        (Task::Load | Task::Salvage, Flavour::MySql) => (&LOAD, &LOAD_MYSQL),
    };
    let past = (task == Task::Salvage).then_some(GO_ON);
    own.iter().chain(common).copied().chain(past).collect()
}

/// A program at work. Dropped, it is killed.
pub(super) struct Running {
    child: Child,
    _options: OptionFile,
}

impl Running {
    /// What a dump comes out of.
    pub(super) fn output(&mut self) -> io::Result<File> {
        let pipe = self.child.stdout.take().ok_or(io::ErrorKind::NotFound)?;
        Ok(File::from(pipe.into_owned_fd()?))
    }

    /// What a dump goes into. Closed, the program ends.
    pub(super) fn input(&mut self) -> io::Result<File> {
        let pipe = self.child.stdin.take().ok_or(io::ErrorKind::NotFound)?;
        Ok(File::from(pipe.into_owned_fd()?))
    }

    /// Waits for its end.
    pub(super) async fn wait(mut self) -> io::Result<Ended> {
        let words = last_words(self.child.stderr.take()).await?;
        let status = self.child.wait().await?;
        Ok(Ended { status, words })
    }
}

/// The end of what a program complains of. It is read to the end, so that the program is not held
/// up.
async fn last_words(stderr: Option<ChildStderr>) -> io::Result<String> {
    let Some(mut stderr) = stderr else {
        return Ok(String::new());
    };
    let mut words = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let read = stderr.read(&mut buffer).await?;
        let Some(new) = buffer.get(..read).filter(|new| !new.is_empty()) else {
            break;
        };
        words.extend_from_slice(new);
        let surplus = words.len().saturating_sub(MAX_WORDS);
        words.drain(..surplus);
    }
    Ok(String::from_utf8_lossy(&words).into_owned())
}

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    status: ExitStatus,
    words: String,
}

/// What a program said of a server's refusal, or of no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Number of the error; `None` when the program said none.
    pub(super) code: Option<u16>,
    /// Without literals.
    pub(super) message: String,
}

/// Errors of a server that has no room, or stops, or ended the session; and of a program that has
/// no connection, or lost it. The same may go well later.
const PASSING: [u16; 19] = [
    1021, 1030, 1037, 1038, 1041, 1053, 1114, 1205, 1213, 1317, 1927, 3169, 2002, 2003, 2005, 2006,
    2012, 2013, 2055,
];

impl Complaint {
    /// Whether nothing is wrong with the dump or the database.
    pub(super) fn is_passing(&self) -> bool {
        self.code.is_some_and(|code| PASSING.contains(&code))
    }
}

impl Ended {
    /// `None` when it ended well.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        (!self.status.success()).then(|| complaint_of(&self.words, self.status))
    }
}

fn complaint_of(words: &str, status: ExitStatus) -> Complaint {
    let line = words.lines().rev().find(|line| !line.trim().is_empty());
    let Some(line) = line else {
        return Complaint { code: None, message: status.to_string() };
    };
    Complaint { code: code_in(line), message: without_literals(line.trim()) }
}

/// `ERROR 1064 (42000) at line 3: ...`, `mariadb-dump: Got error: 1045: ...` and
/// `mariadb-dump: Couldn't execute '...': ... (1356)`.
fn code_in(line: &str) -> Option<u16> {
    let number = |text: &str| {
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        text.get(..digits).and_then(|digits| digits.parse().ok())
    };
    for before in ["ERROR ", "Got error: "] {
        if let Some((_, rest)) = line.split_once(before) {
            return number(rest);
        }
    }
    number(line.trim_end().strip_suffix(')')?.rsplit_once('(')?.1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn complaints_are_read() {
        for (words, code, message) in [
            ("ERROR 1227 (42000) at line 25: Access denied\n", Some(1227), None),
            (
                "mariadb-dump: Got error: 1045: \"Access denied\" when trying to connect",
                Some(1045),
                None,
            ),
            ("mariadb-dump: Couldn't execute 'SHOW FIELDS': View is bad (1356)", Some(1356), None),
            (
                "first\nmariadb: unknown option '--x'\n\n",
                None,
                Some("mariadb: unknown option '...'"),
            ),
            ("", None, Some("exit status: 1")),
        ] {
            let complaint = complaint_of(words, ExitStatus::from_raw(1 << 8));
            assert_eq!(complaint.code, code, "{words}");
            if let Some(message) = message {
                assert_eq!(complaint.message, message);
            }
        }
    }

    #[test]
    fn the_loading_program_has_no_way_out() {
        let arguments = arguments(Task::Load, Flavour::MariaDb);
        for argument in ["--sandbox", "--binary-mode", "--local-infile=0"] {
            assert!(arguments.contains(&argument));
        }
    }
}
