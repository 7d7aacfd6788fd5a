//! `cargo xtask`: what this repository does beyond cargo's own commands.
//!
//! Knows the arguments and the exit codes. What a command does is in the file of its name.
//! Uses the standard library only: it is the first thing a newcomer compiles.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a command-line tool of the repository: no guest, no server and no secret is near"
)]

mod bench;
mod demo;
mod environment;
mod guests;
mod process;
mod repository;
mod setup;
mod stop;
mod test;

use std::process::ExitCode;

use crate::repository::Repository;
use crate::stop::Stop;

const HELP: &str = "\
Everything around the code: what is missing is installed, the rest is cargo's.

Usage: cargo xtask <COMMAND>

Commands:
  demo    Tell Tenon's story on the terminal, on real servers
  test    Run all that CI runs: formatting, lints, unit tests, tests on real servers
  bench   Measure Tenon against the same work without it
  guests  Build the WebAssembly components into target/guests
  setup   Install or fetch what the others need; they all begin with it

`cargo xtask <COMMAND> --help` says more. A first run takes minutes, a second one starts in seconds.
";

/// A command: the checkout and its arguments, without its name.
type Run = fn(&Repository, &[String]) -> Result<ExitCode, Stop>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", Default::default()),
    };
    match dispatch(command, rest) {
        Ok(code) => code,
        Err(stop) => {
            eprintln!("{stop}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Result<ExitCode, Stop> {
    let (help, run): (&str, Run) = match command {
        "setup" => (setup::HELP, setup::command),
        "guests" => (guests::HELP, guests::command),
        "test" => (test::HELP, test::command),
        "demo" => (demo::HELP, demo::command),
        "bench" => (bench::HELP, bench::command),
        "help" | "--help" | "-h" => return Ok(print(HELP)),
        unknown => {
            return Err(Stop::usage(&format!("there is no command {unknown:?}"), HELP));
        }
    };
    // What follows `--` belongs to the program that is run.
    let mut ours = rest.iter().take_while(|argument| *argument != "--");
    if ours.any(|argument| argument == "--help" || argument == "-h") {
        return Ok(print(help));
    }
    run(&Repository::find()?, rest)
}

fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}
