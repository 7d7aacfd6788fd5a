//! All files of a directory as one stream: tar, compressed by zstd.
//!
//! Regular files and directories travel. Of anything else a stranger may have put into an archive,
//! links and devices are left out, and what cannot be told apart is refused: nothing that is
//! unpacked can lead out of the tree, and the tree is bounded in bytes, entries and depth.
//!
//! `zstd -dc FILE | tar -t` shows what is in one.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use tar::{Archive, Builder, EntryType, Header};

use super::error::FilesError;
use super::path::{InnerPath, MAX_PATH};
use super::root::open_file;
use super::tree::{self, Found, MAX_ENTRIES};

/// Fastest level: a snapshot is bound by the disk then.
const LEVEL: i32 = 1;

/// What may follow the last entry: padding of a tar.
const MAX_TAIL: u64 = 1 << 20;

/// Packs all below `root` into `out`; bytes written.
pub(super) fn pack(root: &Dir, out: impl Write) -> Result<u64, FilesError> {
    let counted = Counted { inner: out, bytes: 0 };
    let mut encoder = zstd::Encoder::new(counted, LEVEL)?;
    // A damaged archive is noticed when it is read.
    encoder.include_checksum(true)?;
    let mut builder = Builder::new(encoder);
    tree::walk(root, |dir, found| add(&mut builder, dir, found))?;
    Ok(builder.into_inner()?.finish()?.bytes)
}

fn add(builder: &mut Builder<impl Write>, dir: &Dir, found: &Found) -> Result<(), FilesError> {
    let mut header = Header::new_gnu();
    header.set_mode(found.metadata.permissions().mode() & 0o777);
    let modified = found.metadata.modified()?.into_std().duration_since(UNIX_EPOCH);
    header.set_mtime(modified.map_or(0, |since| since.as_secs()));
    if found.metadata.is_dir() {
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        builder.append_data(&mut header, &found.path, io::empty())?;
        return Ok(());
    }
    let file = match open_file(dir, found.name.as_ref(), OpenOptions::new().read(true)) {
        Err(FilesError::NotFound) => return Ok(()),
        result => result?,
    };
    let size = file.metadata()?.len();
    header.set_size(size);
    builder.append_data(&mut header, &found.path, Exactly { inner: file, left: size })?;
    Ok(())
}

/// Unpacks an archive into the empty directory `root`; bytes of all files.
///
/// # Errors
///
/// [`FilesError::Quota`] beyond `max_bytes` or [`MAX_ENTRIES`], [`FilesError::Corrupt`] for what is
/// no whole archive. Part of it is in `root` then.
pub(super) fn unpack(input: impl Read, root: &Dir, max_bytes: u64) -> Result<u64, FilesError> {
    let decoder = zstd::Decoder::new(input)?;
    let mut archive = Archive::new(decoder);
    let mut unpacking = Unpacking { root, bytes: 0, max_bytes, long_name: None };
    // Raw: the crate would read names of any length into memory.
    for (count, entry) in archive.entries().map_err(damaged)?.raw(true).enumerate() {
        if count as u64 > MAX_ENTRIES {
            return Err(FilesError::Quota);
        }
        unpacking.entry(entry.map_err(damaged)?)?;
    }
    // The checksum of the whole is behind the last entry.
    let mut tail = archive.into_inner().take(MAX_TAIL);
    let read = io::copy(&mut tail, &mut io::sink()).map_err(damaged)?;
    if read == MAX_TAIL {
        return Err(FilesError::Corrupt("there is more behind its end".to_owned()));
    }
    Ok(unpacking.bytes)
}

struct Unpacking<'a> {
    root: &'a Dir,
    bytes: u64,
    max_bytes: u64,
    /// Name of the next entry, where its own header is too short for it.
    long_name: Option<Vec<u8>>,
}

impl Unpacking<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "anything else is refused, new types too")]
    fn entry(&mut self, mut entry: tar::Entry<'_, impl Read>) -> Result<(), FilesError> {
        let kind = entry.header().entry_type();
        if kind == EntryType::GNULongName {
            self.long_name = Some(read_name(&mut entry)?);
            return Ok(());
        }
        let name = self.long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        if is_root(&name) {
            return Ok(());
        }
        let path = InnerPath::of_archive(&name)
            .ok_or_else(|| FilesError::Corrupt("a path is not allowed".to_owned()))?;
        match kind {
            EntryType::Regular => self.file(&path, &mut entry),
            EntryType::Directory => make_dirs(self.root, &path),
            EntryType::Symlink
            | EntryType::Link
            | EntryType::Char
            | EntryType::Block
            | EntryType::Fifo => Ok(()),
            _ => Err(FilesError::Corrupt(format!("entries of type {kind:?} are not read"))),
        }
    }

    fn file(
        &mut self,
        path: &InnerPath,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> Result<(), FilesError> {
        let size = entry.header().entry_size().map_err(damaged)?;
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.max_bytes {
            return Err(FilesError::Quota);
        }
        if let Some(parent) = path.split().0.and_then(|parent| parent.to_str()) {
            make_dirs(self.root, &InnerPath::new(parent).ok_or(FilesError::BadPath)?)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(tree::FILE_MODE);
        let mut file = match self.root.open_with(path.as_path(), &options) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FilesError::Corrupt("a path occurs twice".to_owned()));
            }
            result => result?,
        };
        copy(entry, &mut file, size)?;
        let mode = entry.header().mode().map_err(damaged)?;
        file.set_permissions(Permissions::from_mode(restored_mode(mode)))?;
        let modified =
            UNIX_EPOCH.checked_add(Duration::from_secs(entry.header().mtime().map_err(damaged)?));
        if let Some(modified) = modified {
            file.into_std().set_modified(modified)?;
        }
        Ok(())
    }
}

fn read_name(entry: &mut impl Read) -> Result<Vec<u8>, FilesError> {
    let mut name = Vec::new();
    entry.take(MAX_PATH as u64 + 2).read_to_end(&mut name).map_err(damaged)?;
    // GNU tar ends it by a zero.
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn is_root(name: &[u8]) -> bool {
    matches!(name, b"." | b"./")
}

/// Makes a directory and those above it, as far as they are not there.
fn make_dirs(root: &Dir, path: &InnerPath) -> Result<(), FilesError> {
    let mut so_far = PathBuf::new();
    for name in path.as_path() {
        so_far.push(name);
        match tree::make_dir(root, so_far.as_os_str()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result?,
        }
    }
    Ok(())
}

/// The owner's rights, for the group as well; nobody else's, and never "as its owner".
///
/// What is unpacked belongs to the node's user, so that the application has the group's rights.
fn restored_mode(mode: u32) -> u32 {
    let owner = mode & 0o700;
    owner | (owner >> 3) | 0o600
}

/// Reading and writing are told apart: one is the archive's fault, the other the disk's.
fn copy(from: &mut impl Read, to: &mut impl Write, size: u64) -> Result<(), FilesError> {
    let mut buffer = vec![0; 128 << 10];
    let mut copied = 0_u64;
    loop {
        let read = from.read(&mut buffer).map_err(damaged)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        to.write_all(chunk)?;
        copied += read as u64;
    }
    if copied == size { Ok(()) } else { Err(FilesError::Corrupt("it is cut off".to_owned())) }
}

/// An error of the reader: the source's own, or what zstd and tar say of damaged bytes.
fn damaged(error: io::Error) -> FilesError {
    if crate::capability::blob::blob_error(&error).is_some() || error.raw_os_error().is_some() {
        return error.into();
    }
    FilesError::Corrupt(error.to_string())
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Gives `left` bytes: an application may write to a file, or cut it, while it is being packed.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most) else {
            return Ok(0);
        };
        let mut read = self.inner.read(buffer)?;
        if read == 0 {
            buffer.fill(0);
            read = buffer.len();
        }
        self.left -= read as u64;
        Ok(read)
    }
}
