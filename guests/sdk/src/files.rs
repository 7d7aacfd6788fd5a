//! A directory on the node for each label, all below the service's own directory.
//!
//! Paths are relative, UTF-8, separated by `/`; `..`, absolute paths and symbolic links that lead
//! out are refused.

use crate::blob::{Sink, Source};
use crate::host::files;

// The contract's words, under the module that a reader looks for them in.
pub use crate::bindings::imports::tenon::host::files::{Failure, Kind, Stat};

/// The capability `files`. Get it from [`crate::Call::files`].
pub struct Files(());

impl Files {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Creates the directory if it is not there. `label` is `[a-z0-9-]{1,64}`; `max_bytes` bounds
    /// what [`Root::write`] and [`Root::unpack`] may bring it to.
    ///
    /// # Errors
    /// When the label is not allowed, or the node cannot write.
    pub fn create(&self, label: &str, max_bytes: Option<u64>) -> Result<Root, Failure> {
        files::create(label, max_bytes).map(Root)
    }

    /// Opens a directory that is there.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when it is not.
    pub fn open(&self, label: &str, max_bytes: Option<u64>) -> Result<Root, Failure> {
        files::open(label, max_bytes).map(Root)
    }

    /// Removes the directory and all below it. Succeeds when it is gone.
    ///
    /// # Errors
    /// When the label is not allowed, or the node cannot write.
    pub fn destroy(&self, label: &str) -> Result<(), Failure> {
        files::destroy(label)
    }

    /// Labels, in order, after `after`; at most `limit`, at most 1,000.
    ///
    /// # Errors
    /// When the node cannot read.
    pub fn labels(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Failure> {
        files::list(after, limit)
    }
}

/// One directory.
pub struct Root(files::Root);

impl Root {
    /// Absolute path on the node, for an application on the same host.
    pub fn host_path(&self) -> String {
        self.0.host_path()
    }

    /// Creates a directory.
    ///
    /// # Errors
    /// When the path is not allowed, or something else is there.
    pub fn make_dir(&self, path: &str) -> Result<(), Failure> {
        self.0.make_dir(path)
    }

    /// Removes a file or an empty directory.
    ///
    /// # Errors
    /// When it is not there, or is not empty.
    pub fn remove(&self, path: &str) -> Result<(), Failure> {
        self.0.remove(path, false)
    }

    /// Removes a file, or a directory with all below it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove_all(&self, path: &str) -> Result<(), Failure> {
        self.0.remove(path, true)
    }

    /// Renames within the directory.
    ///
    /// # Errors
    /// When the old path is not there, or a path is not allowed.
    pub fn rename(&self, old_path: &str, new_path: &str) -> Result<(), Failure> {
        self.0.rename(old_path, new_path)
    }

    /// What is at `path`.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when there is nothing.
    pub fn stat(&self, path: &str) -> Result<Stat, Failure> {
        self.0.stat(path)
    }

    /// Names in the directory at `path` (`""` is the root), in order, after `after`.
    ///
    /// # Errors
    /// When there is no directory.
    pub fn entries(
        &self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Stat)>, Failure> {
        self.0.list(path, after, limit)
    }

    /// At most `max` bytes of a file from `offset` on; empty at the end.
    ///
    /// # Errors
    /// When there is no file.
    pub fn read(&self, path: &str, offset: u64, max: u32) -> Result<Vec<u8>, Failure> {
        self.0.read(path, offset, max)
    }

    /// Writes into a file from `offset` on, creating it.
    ///
    /// # Errors
    /// [`Failure::Quota`] when the directory would become too large.
    pub fn write(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write(path, offset, bytes)
    }

    /// What all files take.
    ///
    /// # Errors
    /// When the node cannot read.
    pub fn used_bytes(&self) -> Result<u64, Failure> {
        self.0.used_bytes()
    }

    /// All files, as one archive, into `out`; bytes written.
    ///
    /// # Errors
    /// When the node cannot read, or `out` takes no more.
    pub fn pack(&self, out: &Sink<'_>) -> Result<u64, Failure> {
        self.0.pack(out.raw)
    }

    /// Replaces all files by an archive, or leaves all as they were and fails; bytes read.
    ///
    /// # Errors
    /// When the archive is damaged or larger than the directory may be.
    pub fn unpack(&self, input: &Source<'_>) -> Result<u64, Failure> {
        self.0.unpack(input.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::World;

    fn root(max_bytes: Option<u64>) -> (World, Root) {
        let world = World::new();
        let root = Files::new().create("box", max_bytes).unwrap();
        (world, root)
    }

    fn names(root: &Root, path: &str) -> Vec<String> {
        root.entries(path, None, 10).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_is_written_is_found() {
        let (_world, root) = root(None);
        root.make_dir("in").unwrap();
        root.write("in/note", 0, b"hello").unwrap();
        root.write("in/note", 4, b" there").unwrap();
        assert_eq!(root.read("in/note", 0, 100), Ok(b"hell there".to_vec()));
        assert_eq!(root.read("in/note", 5, 2), Ok(b"th".to_vec()));
        assert_eq!(root.stat("in/note"), Ok(Stat { kind: Kind::File, size: 10, modified_ms: 0 }));
        assert_eq!(
            (names(&root, ""), names(&root, "in")),
            (vec!["in".into()], vec!["note".into()])
        );
        assert_eq!(root.used_bytes(), Ok(10));
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        let (_world, root) = root(None);
        for path in ["", "/etc", "../etc", "in/../..", "in//note", "."] {
            assert_eq!(root.write(path, 0, b""), Err(Failure::BadPath), "{path}");
        }
        for label in ["", "Box", "a/b", "..", &"a".repeat(65)] {
            assert!(matches!(Files::new().create(label, None), Err(Failure::BadPath)), "{label}");
        }
    }

    #[test]
    fn a_directory_takes_no_more_than_it_may() {
        let (_world, root) = root(Some(4));
        root.write("note", 0, b"four").unwrap();
        assert_eq!(root.write("note", 4, b"!"), Err(Failure::Quota));
        assert_eq!(root.read("note", 0, 10), Ok(b"four".to_vec()));
    }

    #[test]
    fn a_directory_that_is_not_empty_is_removed_only_with_all_below_it() {
        let (_world, root) = root(None);
        root.make_dir("in").unwrap();
        root.write("in/note", 0, b"").unwrap();
        root.write("inside", 0, b"").unwrap();
        assert_eq!(root.remove("in"), Err(Failure::NotEmpty));
        root.remove_all("in").unwrap();
        assert_eq!(names(&root, ""), ["inside"]);
        assert_eq!(root.remove("in"), Err(Failure::NotFound));
    }

    #[test]
    fn a_directory_is_renamed_with_all_below_it() {
        let (_world, root) = root(None);
        root.make_dir("old").unwrap();
        root.write("old/note", 0, b"x").unwrap();
        root.write("older", 0, b"").unwrap();
        root.rename("old", "new").unwrap();
        assert_eq!(names(&root, ""), ["new", "older"]);
        assert_eq!(root.read("new/note", 0, 1), Ok(b"x".to_vec()));
        assert_eq!(root.rename("old", "newer"), Err(Failure::NotFound));
        assert_eq!(root.rename("new", "older"), Err(Failure::Exists));
    }

    #[test]
    fn what_is_destroyed_is_gone_also_for_who_had_it_open() {
        let (_world, root) = root(None);
        Files::new().destroy("box").unwrap();
        assert_eq!(root.used_bytes(), Err(Failure::NotFound));
        assert!(matches!(Files::new().open("box", None), Err(Failure::NotFound)));
        assert_eq!(Files::new().destroy("box"), Ok(()));
    }
}
