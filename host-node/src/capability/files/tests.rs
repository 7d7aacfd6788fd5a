//! The interface as a guest sees it, on a real disk, with applications that do strange things.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

mod archives;
mod replaced;

use tenon_protocol::OperationId;

use super::*;
use crate::guest::bindings::tenon::host::files::Kind;

struct Node {
    context: FilesContext,
    table: ResourceTable,
    path: PathBuf,
    _on_disk: tempfile::TempDir,
}

fn dir_at(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap()
}

fn node() -> Node {
    let on_disk = tempfile::tempdir().unwrap();
    let path = on_disk.path().join("files");
    dir_at(on_disk.path()).create_dir("files").unwrap();
    let context = FilesContext::open(dir_at(&path), path.clone()).unwrap();
    Node { context, table: ResourceTable::new(), path, _on_disk: on_disk }
}

impl Node {
    fn view(&mut self) -> FilesView<'_> {
        FilesView { context: Some(&self.context), table: &mut self.table }
    }

    async fn root(&mut self, label: &str, max_bytes: Option<u64>) -> Resource<Root> {
        self.view().create(label.to_owned(), max_bytes).await.unwrap().unwrap()
    }

    async fn write(&mut self, root: &Resource<Root>, path: &str, bytes: &[u8]) {
        self.try_write(root, path, 0, bytes).await.unwrap();
    }

    async fn try_write(
        &mut self,
        root: &Resource<Root>,
        path: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let root = Resource::new_borrow(root.rep());
        self.view().write(root, path.to_owned(), offset, bytes.to_vec()).await.unwrap()
    }

    async fn read(&mut self, root: &Resource<Root>, path: &str) -> Result<Vec<u8>, Failure> {
        let root = Resource::new_borrow(root.rep());
        self.view().read(root, path.to_owned(), 0, u32::MAX).await.unwrap()
    }

    async fn list(
        &mut self,
        root: &Resource<Root>,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Failure> {
        let root = Resource::new_borrow(root.rep());
        let after = after.map(str::to_owned);
        let found = HostRoot::list(&mut self.view(), root, path.to_owned(), after, limit).await;
        Ok(found.unwrap()?.into_iter().map(|(name, _)| name).collect())
    }

    async fn stat(&mut self, root: &Resource<Root>, path: &str) -> Result<Stat, Failure> {
        self.view().stat(Resource::new_borrow(root.rep()), path.to_owned()).await.unwrap()
    }

    async fn make_dir(&mut self, root: &Resource<Root>, path: &str) -> Result<(), Failure> {
        self.view().make_dir(Resource::new_borrow(root.rep()), path.to_owned()).await.unwrap()
    }

    async fn remove(
        &mut self,
        root: &Resource<Root>,
        path: &str,
        depth: Removal,
    ) -> Result<(), Failure> {
        let root = Resource::new_borrow(root.rep());
        self.view().remove(root, path.to_owned(), depth == Removal::All).await.unwrap()
    }

    async fn rename(&mut self, root: &Resource<Root>, old: &str, new: &str) -> Result<(), Failure> {
        let root = Resource::new_borrow(root.rep());
        self.view().rename(root, old.to_owned(), new.to_owned()).await.unwrap()
    }

    async fn used(&mut self, root: &Resource<Root>) -> Result<u64, Failure> {
        self.view().used_bytes(Resource::new_borrow(root.rep())).await.unwrap()
    }

    /// Packs into the file `archive` beside the plugin's directory.
    async fn pack(&mut self, root: &Resource<Root>, limit: u64) -> Result<u64, Failure> {
        let sink = Sink::create(&self.outside(), "archive", limit).unwrap();
        let sink = self.table.push(sink).unwrap();
        let lent = Resource::new_borrow(sink.rep());
        let packed = self.view().pack(Resource::new_borrow(root.rep()), lent).await.unwrap();
        let finished = self.table.delete(sink).unwrap().finish();
        assert_eq!(finished.ok().map(|finished| finished.size), packed.as_ref().ok().copied());
        packed
    }

    async fn unpack(&mut self, root: &Resource<Root>) -> Result<u64, Failure> {
        self.unpack_for(root, None).await
    }

    /// Unpacks `archive` once for `operation`.
    async fn unpack_for(
        &mut self,
        root: &Resource<Root>,
        operation: Option<&OperationId>,
    ) -> Result<u64, Failure> {
        let source = Source::open(&self.outside(), "archive").unwrap();
        let source = match operation {
            Some(operation) => source.of_operation(operation.clone()),
            None => source,
        };
        let source = self.table.push(source).unwrap();
        let root = Resource::new_borrow(root.rep());
        self.view().unpack(root, source).await.unwrap()
    }

    fn outside(&self) -> Dir {
        dir_at(self.path.parent().unwrap())
    }

    /// All that is in the plugin's directory, aside and hidden things too.
    fn all_names(&self) -> Vec<String> {
        let entries = dir_at(&self.path).entries().unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write_archive(&self, compressed: &[u8]) {
        self.outside().write("archive", compressed).unwrap();
    }
}

#[tokio::test]
async fn files_are_written_read_listed_and_removed() {
    let mut node = node();
    let root = node.root("one", None).await;
    node.make_dir(&root, "a/b").await.unwrap();
    node.make_dir(&root, "a/b").await.unwrap();
    node.write(&root, "a/b/file", b"hello").await;
    node.try_write(&root, "a/b/file", 5, b" world").await.unwrap();
    assert_eq!(node.read(&root, "a/b/file").await.unwrap(), b"hello world");
    assert_eq!(node.used(&root).await.unwrap(), 11);

    let stat = node.stat(&root, "a/b/file").await.unwrap();
    assert_eq!((stat.kind, stat.size), (Kind::File, 11));
    assert!(stat.modified_ms > 1_600_000_000_000);
    assert_eq!(node.stat(&root, "a").await.unwrap().kind, Kind::Directory);

    assert!(matches!(node.make_dir(&root, "a/b/file").await, Err(Failure::Exists)));
    assert!(matches!(node.try_write(&root, "a/b", 0, b"x").await, Err(Failure::Exists)));
    assert!(matches!(node.try_write(&root, "c/d", 0, b"x").await, Err(Failure::NotFound)));
    assert!(matches!(node.read(&root, "a/b").await, Err(Failure::NotFound)));
    assert!(matches!(node.read(&root, "none").await, Err(Failure::NotFound)));

    node.rename(&root, "a/b/file", "moved").await.unwrap();
    node.write(&root, "other", b"").await;
    assert!(matches!(node.rename(&root, "moved", "other").await, Err(Failure::Exists)));
    assert!(matches!(node.remove(&root, "a", Removal::One).await, Err(Failure::NotEmpty)));
    node.remove(&root, "a", Removal::All).await.unwrap();
    node.remove(&root, "other", Removal::One).await.unwrap();
    assert!(matches!(node.remove(&root, "a", Removal::All).await, Err(Failure::NotFound)));
    assert_eq!(node.list(&root, "", None, 10).await.unwrap(), ["moved"]);
}

#[tokio::test]
async fn lists_come_in_pages_and_in_order() {
    let mut node = node();
    for label in ["c", "a", "b"] {
        node.root(label, None).await;
    }
    let page = Host::list(&mut node.view(), None, 2).await.unwrap().unwrap();
    assert_eq!(page, ["a", "b"]);
    let page = Host::list(&mut node.view(), Some("b".to_owned()), 2).await.unwrap().unwrap();
    assert_eq!(page, ["c"]);

    let root = node.root("a", None).await;
    for name in ["z", "x", "y"] {
        node.write(&root, name, b"").await;
    }
    assert_eq!(node.list(&root, "", None, 2).await.unwrap(), ["x", "y"]);
    assert_eq!(node.list(&root, "", Some("y"), 2).await.unwrap(), ["z"]);
    assert!(matches!(node.list(&root, "none", None, 2).await, Err(Failure::NotFound)));
}

#[tokio::test]
async fn without_a_grant_nothing_answers() {
    let mut table = ResourceTable::new();
    let mut view = FilesView { context: None, table: &mut table };
    assert!(matches!(view.create("a".to_owned(), None).await.unwrap(), Err(Failure::NotGranted)));
    assert!(matches!(view.open("a".to_owned(), None).await.unwrap(), Err(Failure::NotGranted)));
    assert!(matches!(view.destroy("a".to_owned()).await.unwrap(), Err(Failure::NotGranted)));
    assert!(matches!(Host::list(&mut view, None, 1).await.unwrap(), Err(Failure::NotGranted)));
}

#[tokio::test]
async fn a_label_is_made_once_opened_and_destroyed_at_once() {
    let mut node = node();
    let open = node.view().open("one".to_owned(), None).await.unwrap();
    assert!(matches!(open, Err(Failure::NotFound)));
    let root = node.root("one", None).await;
    node.write(&root, "file", b"kept").await;
    let again = node.root("one", None).await;
    assert_eq!(node.read(&again, "file").await.unwrap(), b"kept");
    let path = node.view().host_path(Resource::new_borrow(root.rep())).await.unwrap();
    assert_eq!(path, node.path.join("one").to_str().unwrap());
    assert_eq!(dir_at(&node.path).metadata("one").unwrap().into_std_mode(), 0o2770);

    for _ in 0..2 {
        node.view().destroy("one".to_owned()).await.unwrap().unwrap();
    }
    assert_eq!(node.all_names(), [""; 0]);
    for bad in ["..", "a/b", "", ".aside-a-0", "A"] {
        let created = node.view().create(bad.to_owned(), None).await.unwrap();
        assert!(matches!(created, Err(Failure::BadPath)), "{bad}");
        let destroyed = node.view().destroy(bad.to_owned()).await.unwrap();
        assert!(matches!(destroyed, Err(Failure::BadPath)), "{bad}");
    }
}

trait Mode {
    fn into_std_mode(self) -> u32;
}

impl Mode for cap_std::fs::Metadata {
    fn into_std_mode(self) -> u32 {
        use cap_std::fs::PermissionsExt;
        self.permissions().mode() & 0o7777
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_root() {
    let mut node = node();
    let neighbour = node.root("neighbour", None).await;
    node.write(&neighbour, "secret", b"hidden").await;
    let root = node.root("one", None).await;
    let inside = node.path.join("one");
    symlink("../neighbour", inside.join("up")).unwrap();
    symlink("/etc", inside.join("absolute")).unwrap();
    symlink("../neighbour/secret", inside.join("file")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();

    for path in [
        "../neighbour/secret",
        "up/secret",
        "absolute/passwd",
        "file",
        "loop",
        "/etc/passwd",
        "up/../../neighbour/secret",
        "a\0b",
    ] {
        assert!(matches!(node.read(&root, path).await, Err(Failure::BadPath)), "read {path:?}");
        let write = node.try_write(&root, path, 0, b"x").await;
        assert!(matches!(write, Err(Failure::BadPath)), "write {path:?}: {write:?}");
    }
    for path in ["up", "absolute"] {
        assert!(node.list(&root, path, None, 10).await.is_err(), "list {path}");
        assert_eq!(node.stat(&root, path).await.unwrap().kind, Kind::Other);
        assert!(matches!(node.make_dir(&root, &format!("{path}/x")).await, Err(Failure::BadPath)));
        let renamed = node.rename(&root, &format!("{path}/secret"), "mine").await;
        assert!(matches!(renamed, Err(Failure::BadPath)));
    }
    for path in ["up", "absolute", "file", "loop"] {
        node.remove(&root, path, Removal::All).await.unwrap();
    }
    assert_eq!(node.read(&neighbour, "secret").await.unwrap(), b"hidden");
}

#[tokio::test]
async fn a_pipe_or_device_does_not_hold_up_a_call() {
    let mut node = node();
    let root = node.root("one", None).await;
    let dir = dir_at(&node.path.join("one"));
    rustix::fs::mknodat(&dir, "pipe", rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    assert!(matches!(node.read(&root, "pipe").await, Err(Failure::NotFound)));
    assert!(node.try_write(&root, "pipe", 0, b"x").await.is_err());
    assert_eq!(node.stat(&root, "pipe").await.unwrap().kind, Kind::Other);
    node.write(&root, "file", b"x").await;
    node.pack(&root, u64::MAX).await.unwrap();
    assert_eq!(node.unpack(&root).await.unwrap(), 1);
    assert_eq!(node.list(&root, "", None, 10).await.unwrap(), ["file"]);
}

#[tokio::test]
async fn what_is_written_stays_within_max_bytes() {
    let mut node = node();
    let root = node.root("one", Some(100)).await;
    node.write(&root, "a", &[1; 60]).await;
    assert!(matches!(node.try_write(&root, "b", 0, &[1; 41]).await, Err(Failure::Quota)));
    node.write(&root, "b", &[1; 40]).await;
    node.try_write(&root, "b", 0, &[2; 40]).await.unwrap();
    assert!(matches!(node.try_write(&root, "b", u64::MAX, &[1]).await, Err(Failure::Quota)));
    assert!(matches!(node.try_write(&root, "c", 1 << 40, &[1]).await, Err(Failure::Quota)));
    let large = vec![0; (1 << 20) + 1];
    assert!(matches!(node.try_write(&root, "b", 0, &large).await, Err(Failure::Quota)));
    node.remove(&root, "a", Removal::One).await.unwrap();
    node.write(&root, "c", &[1; 60]).await;
    assert_eq!(node.used(&root).await.unwrap(), 100);
}

#[tokio::test]
async fn a_tree_of_any_depth_can_be_removed() {
    let mut node = node();
    let root = node.root("one", None).await;
    let mut dir = dir_at(&node.path.join("one"));
    for _ in 0..3_000 {
        dir.create_dir("d").unwrap();
        dir = dir.open_dir("d").unwrap();
    }
    dir.create("file").unwrap();
    assert!(matches!(node.used(&root).await, Err(Failure::BadPath)));
    assert!(matches!(node.pack(&root, u64::MAX).await, Err(Failure::BadPath)));
    node.view().destroy("one".to_owned()).await.unwrap().unwrap();
    assert_eq!(node.all_names(), [""; 0]);
}
