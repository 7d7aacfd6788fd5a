//! Builds everything in release and runs `tenon-bench`. Nothing of the measuring is here.

use std::process::ExitCode;

use crate::environment::{Profile, run_binary};
use crate::repository::Repository;
use crate::stop::Stop;
use crate::{guests, process, setup};

pub(crate) const HELP: &str = "\
Measure Tenon against the same work without it, side by side in one run

Usage: cargo xtask bench [-- <ARGUMENTS OF tenon-bench>]

Builds in release, which no other command does: the first run takes minutes.
`cargo xtask bench -- --help` lists what can be measured alone.
";

pub(crate) fn command(repository: &Repository, arguments: &[String]) -> Result<ExitCode, Stop> {
    setup::run(repository)?;
    guests::build(repository)?;
    process::run(repository.cargo().args(["build", "--release", "--workspace", "--bins"]))?;
    run_binary(repository, "tenon-bench", Profile::Release, arguments)
}
