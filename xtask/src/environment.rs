//! What tests, demo and benchmark are told about this machine: an interface that `tests/` reads.

use std::process::{Command, ExitCode};

use crate::process;
use crate::repository::Repository;
use crate::setup::nats_server;
use crate::stop::Stop;

/// Which of cargo's two usual profiles the binaries are from.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    /// The profile's folder below the target directory.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Hands `command` the paths of the servers, components and binaries.
pub(crate) fn apply(
    command: &mut Command,
    repository: &Repository,
    profile: Profile,
) -> Result<(), Stop> {
    command
        .env("TENON_NATS_SERVER", nats_server::find(&repository.cache)?)
        .env("TENON_GUESTS_DIR", repository.components())
        .env("TENON_BIN_DIR", repository.target.join(profile.directory()))
        .env("PATH", process::search_path());
    Ok(())
}

/// Runs a binary of the `tests` package on this terminal; its exit code becomes ours.
pub(crate) fn run_binary(
    repository: &Repository,
    name: &str,
    profile: Profile,
    arguments: &[String],
) -> Result<ExitCode, Stop> {
    let mut binary = Command::new(repository.target.join(profile.directory()).join(name));
    let separator = arguments.first().is_some_and(|argument| argument == "--");
    binary.current_dir(&repository.root).args(arguments.iter().skip(usize::from(separator)));
    apply(&mut binary, repository, profile)?;
    let status = process::status(&mut binary)?;
    // No code: killed by a signal.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
