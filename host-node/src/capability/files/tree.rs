//! Walks through directories that applications fill, and may fill strangely.
//!
//! Follows no symbolic link, holds few directories open, and gives up on trees beyond the bounds.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, Permissions, PermissionsExt};
use rustix::fs::RenameFlags;

use super::error::FilesError;
use super::path::MAX_DEPTH;

/// Most files and directories of one tree. Beyond it, counting and packing are refused.
pub(super) const MAX_ENTRIES: u64 = 1_000_000;

/// The node's group writes as well, and what is made below belongs to the group: an application
/// reaches its files by being in it.
pub(super) const DIR_MODE: u32 = 0o2770;
pub(super) const FILE_MODE: u32 = 0o660;

/// How often a removal starts again because something is made meanwhile.
const REMOVE_ROUNDS: usize = 1_000;

/// Something below a root.
pub(super) struct Found {
    /// Its path below the root.
    pub(super) path: PathBuf,
    /// Where it is, and its name there.
    pub(super) name: OsString,
    pub(super) metadata: cap_std::fs::Metadata,
}

/// Calls `visit` with each regular file and directory below `root`, a directory before what is in
/// it. Symbolic links, devices, sockets and pipes are left out.
///
/// # Errors
///
/// [`FilesError::BadPath`] for a tree that is too deep, [`FilesError::Quota`] for one of too many
/// entries; what `visit` answers.
pub(super) fn walk(
    root: &Dir,
    mut visit: impl FnMut(&Dir, &Found) -> Result<(), FilesError>,
) -> Result<(), FilesError> {
    let mut entries = 0;
    walk_into(root, Path::new(""), &mut entries, &mut visit)
}

fn walk_into(
    dir: &Dir,
    path: &Path,
    entries: &mut u64,
    visit: &mut impl FnMut(&Dir, &Found) -> Result<(), FilesError>,
) -> Result<(), FilesError> {
    if path.components().count() > MAX_DEPTH {
        return Err(FilesError::BadPath);
    }
    for entry in dir.entries()? {
        let Some(found) = look_at(dir, path, entry?.file_name())? else {
            continue;
        };
        *entries += 1;
        if *entries > MAX_ENTRIES {
            return Err(FilesError::Quota);
        }
        if found.metadata.is_dir() {
            visit(dir, &found)?;
            if let Some(below) = gone_is_none(dir.open_dir(&found.name))? {
                walk_into(&below, &found.path, entries, visit)?;
            }
        } else if found.metadata.is_file() {
            visit(dir, &found)?;
        }
    }
    Ok(())
}

/// `None` when it vanished, or became something else, since it was listed.
fn look_at(dir: &Dir, path: &Path, name: OsString) -> io::Result<Option<Found>> {
    let metadata = gone_is_none(dir.symlink_metadata(&name))?;
    Ok(metadata.map(|metadata| Found { path: path.join(&name), name, metadata }))
}

/// An application may remove its files while they are being looked at.
pub(super) fn gone_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Bytes of all regular files below `root`.
pub(super) fn used_bytes(root: &Dir) -> Result<u64, FilesError> {
    let mut used = 0_u64;
    walk(root, |_, found| {
        if found.metadata.is_file() {
            used = used.saturating_add(found.metadata.len());
        }
        Ok(())
    })?;
    Ok(used)
}

/// Removes what `name` in `dir` is, with all below it. Succeeds when nothing is there.
pub(super) fn remove_tree(dir: &Dir, name: &OsString) -> io::Result<()> {
    let Some(metadata) = gone_is_none(dir.symlink_metadata(name))? else {
        return Ok(());
    };
    if !metadata.is_dir() {
        return gone_is_none(dir.remove_file(name)).map(|_| ());
    }
    let top = dir.open_dir(name)?;
    let mut moved = 0;
    for _ in 0..REMOVE_ROUNDS {
        empty(&top, &top, 0, &mut moved)?;
        match gone_is_none(dir.remove_dir(name)) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty))
}

/// Removes all in `dir`. What is too deep is moved to `top`, for the next round: the depth that an
/// application makes is no bound on open files or on the stack.
fn empty(dir: &Dir, top: &Dir, depth: usize, moved: &mut u64) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        if !entry.file_type()?.is_dir() {
            gone_is_none(dir.remove_file(&name))?;
        } else if depth < MAX_DEPTH {
            let Some(below) = gone_is_none(dir.open_dir(&name))? else {
                continue;
            };
            empty(&below, top, depth + 1, moved)?;
            remove_empty(dir, &name)?;
        } else {
            move_up(dir, &name, top, moved)?;
        }
    }
    Ok(())
}

/// A directory that is not empty after all is left for the next round.
fn remove_empty(dir: &Dir, name: &OsString) -> io::Result<()> {
    match gone_is_none(dir.remove_dir(name)) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        result => result.map(|_| ()),
    }
}

fn move_up(dir: &Dir, name: &OsString, top: &Dir, moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        let new_name = format!("moved-{moved}");
        match rustix::fs::renameat_with(dir, name, top, new_name, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => {}
            result => return Ok(result?),
        }
    }
}

/// Makes a directory that the node's group may write to, whatever the process's mask.
///
/// # Errors
///
/// The operating system's; `AlreadyExists` when anything is there.
pub(super) fn make_dir(dir: &Dir, name: &OsStr) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(DIR_MODE);
    dir.create_dir_with(name, &builder)?;
    dir.set_permissions(name, Permissions::from_mode(DIR_MODE))
}
