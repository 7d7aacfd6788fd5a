//! `tenon`: arguments and environment in, exit code out. What a command does is in the library.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tenon::dev;
use tenon_protocol::chain;

/// A service gateway and its nodes.
#[derive(Debug, Parser)]
#[command(name = "tenon", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine: nats-server, MariaDB, gateway, node, a stand-in cloud controller
    Dev(dev::Arguments),
}

// One thread: children are told to die with the thread that started them, and this one lives
// as long as the process.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Dev(arguments) => dev::run(&arguments, &surroundings()).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// What the environment says. Nothing below reads it.
fn surroundings() -> dev::Surroundings {
    let cache = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    dev::Surroundings {
        search_path: variable("PATH").unwrap_or_default(),
        cache: cache.map(|cache| cache.join("tenon")),
        nats_server: variable("TENON_NATS_SERVER").map(PathBuf::from),
        guests_dir: variable("TENON_GUESTS_DIR").map(PathBuf::from),
        executables: std::env::current_exe()
            .ok()
            .and_then(|path| path.parent().map(PathBuf::from))
            .unwrap_or_default(),
    }
}

#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
