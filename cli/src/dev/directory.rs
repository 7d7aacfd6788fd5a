//! D: the one directory in which everything of a `tenon dev` lives, and its lock.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{
    Dir, DirBuilder, DirBuilderExt, File, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt,
};
use rustix::fs::FlockOperation;

/// Held by whoever runs, and the mark of a directory that is ours.
const LOCK: &str = "lock";

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another `tenon dev` has it.
    #[error(
        "another tenon dev runs in {path} (process {pid}); stop it with: kill {pid}, or take \
         another --dir"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who holds the lock.
        pid: String,
    },
    /// It has something else in it.
    #[error("{0} is not empty and was not made by tenon dev; take another --dir")]
    NotOurs(PathBuf),
    /// The disk refuses.
    #[error("cannot use {path}")]
    Disk {
        /// What was touched.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Who may look through a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Its owner alone.
    Closed,
    /// Others may pass through to what they are given below, and list nothing.
    Through,
}

impl Passage {
    const fn mode(self) -> u32 {
        match self {
            Self::Closed => 0o700,
            Self::Through => 0o711,
        }
    }
}

/// An open directory under its absolute path.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    dir: Dir,
}

impl Directory {
    /// Opens `path`, and makes it first where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let disk = |source| DirectoryError::Disk { path: path.to_owned(), source };
        Dir::create_ambient_dir_all(path, ambient_authority()).map_err(disk)?;
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(disk)?;
        // Absolute and without symbolic links, so that processes can be told by it.
        let path = resolved(path).map_err(disk)?;
        Ok(Self { path, dir })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path of something below.
    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Lets only the owner in, or lets others pass.
    pub(crate) fn set_passage(&self, name: &str, passage: Passage) -> Result<(), DirectoryError> {
        self.dir
            .set_permissions(name, Permissions::from_mode(passage.mode()))
            .map_err(|source| self.disk(name, source))
    }

    /// Refuses a directory that is neither empty nor one that was locked before: its permissions
    /// are about to be changed.
    pub(crate) fn check_ours(&self) -> Result<(), DirectoryError> {
        let mut entries = self.dir.entries().map_err(|source| self.disk(".", source))?;
        if entries.next().is_none() || self.has(LOCK) {
            return Ok(());
        }
        Err(DirectoryError::NotOurs(self.path.clone()))
    }

    /// Takes the lock of the directory; it is given back when the file is dropped.
    pub(crate) fn lock(&self) -> Result<File, DirectoryError> {
        let name = LOCK;
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).mode(0o600);
        let mut file =
            self.dir.open_with(name, &options).map_err(|source| self.disk(name, source))?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let pid = self.dir.read_to_string(name).unwrap_or_default().trim().to_owned();
            return Err(DirectoryError::InUse { path: self.path.clone(), pid });
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|source| self.disk(name, source))?;
        Ok(file)
    }

    /// Makes a directory below, and those above it.
    pub(crate) fn create_dir(&self, name: &str) -> Result<(), DirectoryError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        self.dir.create_dir_with(name, &builder).map_err(|source| self.disk(name, source))
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), DirectoryError> {
        self.write_aside(name, content).map_err(|source| self.disk(name, source))
    }

    // Written aside and renamed: a reader or a crash meets the old file or the new one.
    fn write_aside(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let aside = format!("{name}.new");
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        let mut file = self.dir.open_with(&aside, &options)?;
        file.write_all(content)?;
        file.sync_all()?;
        self.dir.rename(&aside, &self.dir, name)
    }

    /// The content of a file; `None` when there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DirectoryError> {
        match self.dir.read(name) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.disk(name, error)),
        }
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), DirectoryError> {
        match self.dir.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.disk(name, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes a directory with its content, if it is there.
    pub(crate) fn remove_dir(&self, name: &str) -> Result<(), DirectoryError> {
        match self.dir.remove_dir_all(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.disk(name, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Gives a new name to what is at `from`.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), DirectoryError> {
        self.dir.rename(from, &self.dir, to).map_err(|source| self.disk(to, source))
    }

    /// Whether there is something of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.dir.exists(name)
    }

    /// Gives a file or directory to another user of the system.
    pub(crate) fn give_to(&self, name: &str, user: SystemUser) -> Result<(), DirectoryError> {
        let (uid, gid) = (rustix::fs::Uid::from_raw(user.uid), rustix::fs::Gid::from_raw(user.gid));
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::chownat(&self.dir, name, Some(uid), Some(gid), flags)
            .map_err(|errno| self.disk(name, errno.into()))
    }

    fn disk(&self, name: &str, source: io::Error) -> DirectoryError {
        DirectoryError::Disk { path: self.at(name), source }
    }
}

/// A user of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SystemUser {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a path is made absolute before anything below it is opened"
)]
fn resolved(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let keep = tempfile::tempdir().unwrap();
        let directory = Directory::open(&keep.path().join("d/e")).unwrap();
        (keep, directory)
    }

    #[test]
    fn the_second_lock_is_refused_and_names_the_holder() {
        let (_keep, directory) = directory();
        let held = directory.lock().unwrap();
        let error = directory.lock().unwrap_err().to_string();
        assert!(error.contains(&format!("kill {}", std::process::id())), "{error}");
        drop(held);
        directory.lock().unwrap();
    }

    #[test]
    fn a_directory_with_something_else_in_it_is_refused() {
        let (_keep, directory) = directory();
        directory.check_ours().unwrap();
        directory.write("letter", b"dear").unwrap();
        assert!(matches!(directory.check_ours(), Err(DirectoryError::NotOurs(_))));
        directory.lock().unwrap();
        directory.check_ours().unwrap();
    }

    #[test]
    fn the_directory_itself_can_be_closed() {
        let (_keep, directory) = directory();
        directory.set_passage(".", Passage::Closed).unwrap();
        assert_eq!(directory.dir.dir_metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_is_replaced_and_read_back() {
        let (_keep, directory) = directory();
        assert_eq!(directory.read("a").unwrap(), None);
        directory.write("a", b"1").unwrap();
        directory.write("a", b"2").unwrap();
        assert_eq!(directory.read("a").unwrap().unwrap(), b"2");
        directory.remove("a").unwrap();
        directory.remove("a").unwrap();
        assert!(!directory.has("a"));
    }
}
