//! Has `guests/toolchain.sh` find or build the standard library that guests are compiled against.

use std::process::{Command, Stdio};

use crate::guests::clean_environment;
use crate::process;
use crate::repository::Repository;
use crate::stop::Stop;

/// The script prints its own line on what it does.
pub(crate) fn ensure(repository: &Repository) -> Result<(), Stop> {
    let mut script = Command::new("bash");
    script.arg(repository.root.join("guests/toolchain.sh")).stdin(Stdio::null());
    clean_environment(&mut script);
    if process::status(&mut script)?.success() {
        return Ok(());
    }
    Err(Stop::new("guests cannot be built on this machine yet; the lines above say why"))
}
