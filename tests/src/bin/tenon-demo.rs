//! `cargo xtask demo`: tells Tenon's story on the terminal, on real servers.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match tenon_tests::demo::tell().await {
        Ok(()) => ExitCode::SUCCESS,
        // The narrator has said why.
        Err(_) => ExitCode::FAILURE,
    }
}
