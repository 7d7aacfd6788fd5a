//! Builds everything and runs `tenon-demo`, which tells the story. Nothing of the story is here.

use std::process::ExitCode;

use crate::environment::{Profile, run_binary};
use crate::repository::Repository;
use crate::stop::Stop;
use crate::{guests, process, setup};

pub(crate) const HELP: &str = "\
Tell Tenon's story on the terminal: a gateway, a node, nats-server and MariaDB of its own

Usage: cargo xtask demo [-- <ARGUMENTS OF tenon-demo>]

It installs what is missing, builds (minutes, the first time) and then takes under two minutes.
It exits non-zero if any step of the story is not as told.
";

pub(crate) fn command(repository: &Repository, arguments: &[String]) -> Result<ExitCode, Stop> {
    setup::run(repository)?;
    guests::build(repository)?;
    process::run(repository.cargo().args(["build", "--workspace", "--bins"]))?;
    run_binary(repository, "tenon-demo", Profile::Dev, arguments)
}
