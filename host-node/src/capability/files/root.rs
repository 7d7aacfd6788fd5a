//! What one directory of the plugin can do. Everything here blocks.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, File, Metadata, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use rustix::fs::{OFlags, RenameFlags};
use tenon_protocol::{OperationId, chain};

use super::error::FilesError;
use super::path::{InnerPath, Label};
use super::tree;
use super::{FilesContext, archive, mark};
use crate::capability::blob::{BlobError, SinkWriter, SourceReader};
use crate::durable;
use crate::guest::bindings::tenon::host::files::{Kind, Stat};

/// Bounds of one call: entries listed, bytes read or written. A list and a read are cut, a write
/// beyond it is refused.
pub(super) const MAX_LIST: u32 = 1_000;
const MAX_CHUNK: usize = 1 << 20;

/// One directory, lent to a call.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub struct Root {
    context: FilesContext,
    label: Label,
    max_bytes: Option<u64>,
    dir: Arc<Dir>,
    /// What the files take, once a write had to know. Applications write as well, so that it is
    /// as exact as at any moment it could be.
    used: Option<u64>,
}

impl Root {
    /// The directory `label`, which has to be there.
    pub(super) fn open(
        context: &FilesContext,
        label: Label,
        max_bytes: Option<u64>,
    ) -> Result<Self, FilesError> {
        let dir = Arc::new(context.dir().open_dir(label.as_str())?);
        Ok(Self { context: context.clone(), label, max_bytes, dir, used: None })
    }

    /// The directory `label`, made if it is not there.
    pub(super) fn create(
        context: &FilesContext,
        label: Label,
        max_bytes: Option<u64>,
    ) -> Result<Self, FilesError> {
        match tree::make_dir(context.dir(), OsStr::new(label.as_str())) {
            Ok(()) => durable::sync_names(context.dir())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        Self::open(context, label, max_bytes)
    }

    pub(super) fn host_path(&self) -> PathBuf {
        self.context.host_path().join(self.label.as_str())
    }

    /// Makes a directory and those above it. One that is there is good.
    pub(super) fn make_dir(&self, path: &InnerPath) -> Result<(), FilesError> {
        let mut so_far = PathBuf::new();
        for name in path.as_path() {
            so_far.push(name);
            match tree::make_dir(&self.dir, so_far.as_os_str()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !self.dir.metadata(&so_far)?.is_dir() {
                        return Err(FilesError::Exists);
                    }
                }
                result => result?,
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &InnerPath, depth: Removal) -> Result<(), FilesError> {
        self.used = None;
        let (dir, name) = self.parent_of(path)?;
        let metadata = dir.symlink_metadata(name)?;
        match depth {
            _ if !metadata.is_dir() => dir.remove_file(name)?,
            Removal::One => dir.remove_dir(name)?,
            Removal::All => tree::remove_tree(&dir, &OsString::from(name))?,
        }
        Ok(())
    }

    /// Renames; replaces nothing.
    pub(super) fn rename(&self, old: &InnerPath, new: &InnerPath) -> Result<(), FilesError> {
        let (old_dir, old_name) = self.parent_of(old)?;
        let (new_dir, new_name) = self.parent_of(new)?;
        rustix::fs::renameat_with(&old_dir, old_name, &new_dir, new_name, RenameFlags::NOREPLACE)
            .map_err(io::Error::from)?;
        Ok(())
    }

    pub(super) fn stat(&self, path: &InnerPath) -> Result<Stat, FilesError> {
        Ok(stat_of(&self.dir.symlink_metadata(path.as_path())?))
    }

    /// Names in the directory at `path`, the root itself for `None`, in order, after `after`.
    ///
    /// Names that are not UTF-8 are left out: no path of this interface leads to them.
    pub(super) fn list(
        &self,
        path: Option<&InnerPath>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Stat)>, FilesError> {
        let inner;
        let dir = match path {
            Some(path) => {
                inner = self.dir.open_dir(path.as_path())?;
                &inner
            }
            None => &*self.dir,
        };
        let mut page = BTreeMap::new();
        for entry in dir.entries()? {
            let Ok(name) = entry?.file_name().into_string() else {
                continue;
            };
            if after.is_some_and(|after| *name <= *after) {
                continue;
            }
            let Some(metadata) = tree::gone_is_none(dir.symlink_metadata(&name))? else {
                continue;
            };
            page.insert(name, stat_of(&metadata));
            if page.len() > limit {
                page.pop_last();
            }
        }
        Ok(page.into_iter().collect())
    }

    /// At most `max` bytes of a file, from `offset` on.
    pub(super) fn read(
        &self,
        path: &InnerPath,
        offset: u64,
        max: u32,
    ) -> Result<Vec<u8>, FilesError> {
        let mut file = open_file(&self.dir, path.as_path(), OpenOptions::new().read(true))?;
        let max = MAX_CHUNK.min(max as usize) as u64;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))?;
        file.take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes into a file, which is made if it is not there.
    pub(super) fn write(
        &mut self,
        path: &InnerPath,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), FilesError> {
        if bytes.len() > MAX_CHUNK {
            return Err(FilesError::Quota);
        }
        let end = offset.checked_add(bytes.len() as u64).ok_or(FilesError::Quota)?;
        let size = match self.dir.metadata(path.as_path()) {
            Ok(metadata) if metadata.is_dir() => return Err(FilesError::Exists),
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
        self.take_room(end.saturating_sub(size))?;
        let mut file = self.open_for_write(path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)?;
        Ok(())
    }

    /// Refuses what would bring the files beyond `max_bytes`.
    fn take_room(&mut self, more: u64) -> Result<(), FilesError> {
        let Some(max_bytes) = self.max_bytes else {
            return Ok(());
        };
        let used = match self.used {
            Some(used) => used,
            None => tree::used_bytes(&self.dir)?,
        };
        let used_then = used.saturating_add(more);
        if more > 0 && used_then > max_bytes {
            return Err(FilesError::Quota);
        }
        self.used = Some(used_then);
        Ok(())
    }

    fn open_for_write(&self, path: &InnerPath) -> Result<File, FilesError> {
        let mut create = OpenOptions::new();
        create.write(true).create_new(true).mode(tree::FILE_MODE);
        match self.dir.open_with(path.as_path(), &create) {
            Ok(file) => {
                // The process's mask may have taken the group's rights.
                file.set_permissions(Permissions::from_mode(tree::FILE_MODE))?;
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                open_file(&self.dir, path.as_path(), OpenOptions::new().write(true))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn used_bytes(&self) -> Result<u64, FilesError> {
        tree::used_bytes(&self.dir)
    }

    /// Packs all files into `out`; bytes written.
    pub(super) fn pack(&self, out: SinkWriter) -> Result<u64, FilesError> {
        archive::pack(&self.dir, out)
    }

    /// Replaces all files by those of an archive; bytes unpacked.
    ///
    /// The new tree is complete on disk before one rename puts it in the old one's place. An
    /// operation does it once: repeated, it finds the tree that it unpacked, and what was written
    /// to it since.
    pub(super) fn unpack(&mut self, input: &SourceReader) -> Result<u64, FilesError> {
        let operation = input.operation();
        if let Some(operation) = &operation
            && let Some(bytes) =
                mark::unpacked_by(&self.context, &self.label, &self.dir, operation)?
        {
            tracing::info!(label = self.label.as_str(), "was unpacked already");
            return Ok(bytes);
        }
        let (name, dir) = self.context.make_aside(&self.label)?;
        let result = archive::unpack(input.clone(), &dir, self.max_bytes.unwrap_or(u64::MAX))
            .and_then(|bytes| self.mark(operation, &dir, bytes).map(|()| bytes))
            .and_then(|bytes| self.swap(&name, &dir, input).map(|()| bytes));
        // After the swap this is the old tree, before it the part of the new one.
        let removed = tree::remove_tree(self.context.dir(), &name);
        let bytes = result?;
        if let Err(error) = removed {
            // It is out of the way, and the next start removes it.
            tracing::warn!(error = %chain(&error), "an old tree stays on disk");
        }
        self.dir = Arc::new(dir);
        self.used = None;
        Ok(bytes)
    }

    /// Writes down whose work the swap will be.
    fn mark(
        &self,
        operation: Option<OperationId>,
        dir: &Dir,
        bytes: u64,
    ) -> Result<(), FilesError> {
        Ok(match operation {
            Some(operation) => mark::write(&self.context, &self.label, dir, (operation, bytes)),
            None => mark::forget(&self.context, &self.label),
        }?)
    }

    /// Nothing is swapped for a call that is over: somebody else may work on the label by then. A
    /// file system that cannot exchange two names fails here, whatever number it gives.
    pub(super) fn swap(
        &self,
        name: &OsStr,
        dir: &Dir,
        input: &SourceReader,
    ) -> Result<(), FilesError> {
        let failed = |error| FilesError::Unavailable(io::Error::from(error));
        let (plugin, label) = (self.context.dir(), self.label.as_str());
        rustix::fs::syncfs(dir.open(".")?).map_err(failed)?;
        let exchange =
            || rustix::fs::renameat_with(plugin, name, plugin, label, RenameFlags::EXCHANGE);
        let over = || FilesError::Unavailable(io::Error::other(BlobError::Closed));
        input.while_lent(exchange).ok_or_else(over)?.map_err(failed)?;
        durable::sync_names(plugin)?;
        Ok(())
    }

    /// The directory that holds `path`, opened, and the name in it.
    fn parent_of<'p>(&self, path: &'p InnerPath) -> Result<(Dir, &'p OsStr), FilesError> {
        let (parent, name) = path.split();
        let dir = match parent {
            Some(parent) => self.dir.open_dir(parent)?,
            None => self.dir.try_clone()?,
        };
        Ok((dir, name))
    }
}

/// How far a removal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// A file, or an empty directory.
    One,
    /// All below as well.
    All,
}

/// Opens a regular file and nothing else: a pipe that an application made would block for ever.
pub(super) fn open_file(
    dir: &Dir,
    path: &Path,
    options: &mut OpenOptions,
) -> Result<File, FilesError> {
    #[expect(clippy::cast_possible_wrap, reason = "the flag's bits, as the system takes them")]
    let options = options.custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = dir.open_with(path, options)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(FilesError::NotFound) }
}

fn stat_of(metadata: &Metadata) -> Stat {
    let kind = if metadata.is_file() {
        Kind::File
    } else if metadata.is_dir() {
        Kind::Directory
    } else {
        Kind::Other
    };
    let size = if metadata.is_file() { metadata.len() } else { 0 };
    Stat { kind, size, modified_ms: modified_ms(metadata) }
}

/// 0 for a time before 1970.
fn modified_ms(metadata: &Metadata) -> u64 {
    let modified = metadata.modified().map(cap_std::time::SystemTime::into_std);
    let since = modified.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
