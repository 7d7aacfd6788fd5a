//! Where the binaries under test are. The one place of the harness that reads the environment.

use std::path::PathBuf;

use crate::error::HarnessError;

/// `tenon`: in `TENON_BIN_DIR`, beside this executable, or above its directory (`target/debug/deps`).
pub(crate) fn tenon() -> Result<PathBuf, HarnessError> {
    let executable = std::env::current_exe().unwrap_or_default();
    let above = executable.ancestors().skip(1).take(2).map(PathBuf::from);
    let candidates: Vec<PathBuf> =
        bin_dir().into_iter().chain(above).map(|directory| directory.join("tenon")).collect();
    let missing = || HarnessError::NoProgram(candidates.first().cloned().unwrap_or_default());
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(missing)
}

#[expect(clippy::disallowed_methods, reason = "cargo xtask says where the binaries are")]
fn bin_dir() -> Option<PathBuf> {
    std::env::var_os("TENON_BIN_DIR").map(PathBuf::from)
}
