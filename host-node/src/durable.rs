//! Files and names that a crash leaves whole. Blocks.

use std::io::{self, Write};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

/// Lets `name` hold `bytes`, durably. They are written to `aside` and renamed: a crash leaves what
/// was there before or what is to be there, and perhaps `aside`.
///
/// # Errors
///
/// The system's error.
pub(crate) fn put(
    dir: &Dir,
    aside: impl AsRef<Path>,
    name: impl AsRef<Path>,
    bytes: &[u8],
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = dir.open_with(&aside, &options)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    dir.rename(aside, dir, name)?;
    sync_names(dir)
}

/// Brings the names in `dir` to disk.
///
/// # Errors
///
/// The system's error.
pub(crate) fn sync_names(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}
