//! Makes this machine able to build and run everything: MariaDB, nats-server and the guests' target.
//!
//! Knows the order only; each part knows how to find out that it has nothing to do.

mod apt;
mod apt_source;
pub(crate) mod guest_toolchain;
mod mariadb;
pub(crate) mod nats_server;

use std::process::ExitCode;

use crate::repository::Repository;
use crate::stop::Stop;

pub(crate) const HELP: &str = "\
Install or fetch what the other commands need. They all begin with it, so it is rarely typed.

Usage: cargo xtask setup

  MariaDB          installed with apt (as root, or with sudo where it asks for no password); no
                   service is left running or enabled, every test starts servers of its own
  nats-server      2.12 or newer: from the PATH, else Debian testing's package, unpacked into the
                   cache without touching the system
  guest toolchain  the standard library for wasm32-unknown-unknown: from rustup, else built once
                   from Debian's rustc-web packages into the cache

Where a step is not allowed, it stops with the command to type. A second run takes a second.

Environment:
  TENON_NATS_SERVER  A nats-server to use instead
  GUEST_TOOLCHAIN    auto (default), rustup or debian
  XDG_CACHE_HOME     Where the cache is: <it>/tenon, by default ~/.cache/tenon
";

pub(crate) fn command(repository: &Repository, arguments: &[String]) -> Result<ExitCode, Stop> {
    if let Some(argument) = arguments.first() {
        return Err(Stop::usage(&format!("setup takes no {argument:?}"), HELP));
    }
    run(repository)?;
    Ok(ExitCode::SUCCESS)
}

/// Installs or fetches what is missing.
pub(crate) fn run(repository: &Repository) -> Result<(), Stop> {
    mariadb::ensure()?;
    nats_server::ensure(&repository.cache)?;
    guest_toolchain::ensure(repository)
}

/// One line on what happens, or on what was found.
fn say(part: &str, message: &str) {
    println!("set-up: {part:<15}  {message}");
}
