//! `cargo xtask demo`: tells Tenon's story on the terminal, on real servers.

use std::process::ExitCode;

use tenon_tests::demo;

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    tokio::select! {
        told = demo::tell() => match told {
            Ok(()) => ExitCode::SUCCESS,
            // The narrator has said why.
            Err(_) => ExitCode::FAILURE,
        },
        // What was started is stopped, and its files are removed.
        _ = tokio::signal::ctrl_c() => ExitCode::from(INTERRUPTED),
    }
}
