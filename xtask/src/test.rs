//! All that CI runs, in phases: the cheap ones first, and the first that fails ends it.

use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::environment::{self, Profile};
use crate::repository::Repository;
use crate::stop::Stop;
use crate::{guests, process, setup};

pub(crate) const HELP: &str = "\
Run all that CI runs; the first phase that fails ends it and says how to repeat it alone

Usage: cargo xtask test [--only <PHASE>] [-- <ARGUMENTS OF cargo test>]

Phases, in their order:
  setup         what `cargo xtask setup` does
  format        cargo fmt --check, hosts and guests
  guests        build the components into target/guests
  guest-tests   unit tests of the SDK and the guests, natively, without a host
  lint          cargo clippy, where every warning is an error
  build         hosts, tools and tests, in the dev profile
  tests         unit tests, tidy, and the platform on real servers

Examples:
  cargo xtask test --only lint
  cargo xtask test --only tests -- --package tenon-tests provision
";

/// A phase of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Setup,
    Format,
    Guests,
    GuestTests,
    Lint,
    Build,
    Tests,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::Setup,
        Self::Format,
        Self::Guests,
        Self::GuestTests,
        Self::Lint,
        Self::Build,
        Self::Tests,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Format => "format",
            Self::Guests => "guests",
            Self::GuestTests => "guest-tests",
            Self::Lint => "lint",
            Self::Build => "build",
            Self::Tests => "tests",
        }
    }

    fn run(self, repository: &Repository, test_arguments: &[String]) -> Result<(), Stop> {
        match self {
            Self::Setup => setup::run(repository),
            Self::Format => format(repository),
            Self::Guests => guests::build(repository),
            Self::GuestTests => guest_tests(repository),
            Self::Lint => lint(repository),
            Self::Build => build(repository),
            Self::Tests => cargo_test(repository, test_arguments),
        }
    }
}

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    phases: Vec<Phase>,
    test_arguments: Vec<String>,
}

pub(crate) fn command(repository: &Repository, arguments: &[String]) -> Result<ExitCode, Stop> {
    let request = parse(arguments)?;
    let start = Instant::now();
    for phase in request.phases {
        let name = phase.name();
        println!("\n── {name} ──");
        let phase_start = Instant::now();
        if let Err(stop) = phase.run(repository, &request.test_arguments) {
            eprintln!("{stop}");
            eprintln!("\nFAILED in {name}; repeat it alone: cargo xtask test --only {name}");
            return Ok(ExitCode::FAILURE);
        }
        println!("── {name}: passed in {:.1} s", phase_start.elapsed().as_secs_f64());
    }
    println!("\nPASSED in {:.1} s", start.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn parse(arguments: &[String]) -> Result<Request, Stop> {
    let mut ours = arguments.iter();
    let mut phases = Phase::ALL.to_vec();
    while let Some(argument) = ours.next() {
        match argument.as_str() {
            "--only" => {
                let name = ours.next().map_or("", String::as_str);
                let phase = Phase::ALL.into_iter().find(|phase| phase.name() == name);
                phases =
                    vec![phase.ok_or_else(|| {
                        Stop::usage(&format!("there is no phase {name:?}"), HELP)
                    })?];
            }
            "--" => break,
            unknown => return Err(Stop::usage(&format!("test takes no {unknown:?}"), HELP)),
        }
    }
    Ok(Request { phases, test_arguments: ours.cloned().collect() })
}

fn format(repository: &Repository) -> Result<(), Stop> {
    process::run(repository.cargo().args(["fmt", "--all", "--check"]))?;
    process::run(native_guests(repository, "fmt").args(["--all", "--check"]))
}

/// Unit tests that need a MariaDB, which `cargo test --lib` leaves out.
const SERVER_TESTS: [&str; 2] = ["--features", "tenon-node/server-tests"];

fn guest_tests(repository: &Repository) -> Result<(), Stop> {
    process::run(native_guests(repository, "test").args(["--workspace", "--quiet"]))
}

/// Clippy checks the dependencies again, although they are built later: metadata of a check is not
/// that of a build: some 100 s of CPU on a fresh machine, most of it the engine's. Proc macros and
/// build scripts are shared.
fn lint(repository: &Repository) -> Result<(), Stop> {
    let deny_warnings = ["--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    process::run(repository.cargo().arg("clippy").args(SERVER_TESTS).args(deny_warnings))?;
    process::run(native_guests(repository, "clippy").args(deny_warnings))
}

/// All targets, and not binaries alone: the features that tests switch on are those of the one
/// build, so nothing is compiled twice.
fn build(repository: &Repository) -> Result<(), Stop> {
    let mut cargo = repository.cargo();
    process::run(cargo.args(["build", "--workspace", "--all-targets"]).args(SERVER_TESTS))
}

fn cargo_test(repository: &Repository, arguments: &[String]) -> Result<(), Stop> {
    let mut cargo = repository.cargo();
    cargo.arg("test");
    if arguments.is_empty() {
        cargo.arg("--workspace").args(SERVER_TESTS);
    }
    cargo.args(arguments);
    environment::apply(&mut cargo, repository, Profile::Dev)?;
    process::run(&mut cargo)
}

/// Cargo on the guests, for this machine: from the root, so that the configuration in guests/,
/// which asks for another target and compiler, does not apply.
fn native_guests(repository: &Repository, subcommand: &str) -> Command {
    let mut cargo = repository.cargo();
    cargo.args([subcommand, "--manifest-path", "guests/Cargo.toml"]);
    cargo.env("CARGO_TARGET_DIR", &repository.guests_target);
    cargo
}

#[cfg(test)]
mod tests {
    use super::{Phase, parse};

    fn check_parse(arguments: &[&str], phases: &[Phase], test_arguments: &[&str]) {
        let arguments: Vec<String> =
            arguments.iter().map(|&argument| argument.to_owned()).collect();
        let request = parse(&arguments).unwrap();
        assert_eq!(request.phases, phases);
        assert_eq!(request.test_arguments, test_arguments);
    }

    #[test]
    fn without_arguments_every_phase_runs() {
        check_parse(&[], &Phase::ALL, &[]);
    }

    #[test]
    fn one_phase_runs_alone_and_tests_take_arguments() {
        check_parse(&["--only", "lint"], &[Phase::Lint], &[]);
        check_parse(&["--only", "tests", "--", "a", "--", "b"], &[Phase::Tests], &["a", "--", "b"]);
        check_parse(&["--", "a"], &Phase::ALL, &["a"]);
    }

    #[test]
    fn nonsense_is_refused_with_the_help() {
        for arguments in [["--only", "lunch"], ["--only", ""], ["lint", ""]] {
            let refusal = parse(&arguments.map(str::to_owned)).unwrap_err().to_string();
            assert!(refusal.contains("Phases, in their order"), "{refusal}");
        }
    }

    #[test]
    fn the_help_names_every_phase() {
        for phase in Phase::ALL {
            assert!(super::HELP.contains(&format!("\n  {} ", phase.name())), "{phase:?}");
        }
    }
}
