//! Trees that are packed and unpacked, and archives that mean harm.

use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use proptest::prelude::{Strategy, prop, proptest};
use tar::{EntryType, Header};

use super::super::root::Removal;
use super::super::{Failure, FilesContext};
use super::{Mode, dir_at, node};

/// An archive of raw entries: type, path, declared size, content.
fn archive_of(entries: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, path, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o4755);
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    zstd::encode_all(&*builder.into_inner().unwrap(), 1).unwrap()
}

const FILE: EntryType = EntryType::Regular;
const DIR: EntryType = EntryType::Directory;

#[tokio::test]
async fn a_tree_comes_back_as_it_was_packed() {
    let mut node = node();
    let root = node.root("one", Some(1 << 20)).await;
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    node.make_dir(&root, "empty/below").await.unwrap();
    node.make_dir(&root, &"d".repeat(120)).await.unwrap();
    node.write(&root, &long, b"long name").await;
    node.write(&root, "run.sh", &[7; 300_000]).await;
    let inside = dir_at(&node.path.join("one"));
    let executable =
        cap_std::fs::Permissions::from_std(std::os::unix::fs::PermissionsExt::from_mode(0o755));
    inside.set_permissions("run.sh", executable).unwrap();
    let before = inside.metadata("run.sh").unwrap().modified().unwrap();
    let packed = node.pack(&root, u64::MAX).await.unwrap();
    assert!(packed < 10_000, "{packed}");

    node.remove(&root, "run.sh", Removal::One).await.unwrap();
    node.write(&root, "later", b"gone after the unpack").await;
    assert_eq!(node.unpack(&root).await.unwrap(), 300_009);

    assert_eq!(node.read(&root, &long).await.unwrap(), b"long name");
    assert_eq!(node.read(&root, "run.sh").await.unwrap(), [7; 300_000]);
    assert_eq!(
        node.list(&root, "", None, 10).await.unwrap(),
        [&*"d".repeat(120), "empty", "run.sh"]
    );
    assert_eq!(node.list(&root, "empty", None, 10).await.unwrap(), ["below"]);
    let inside = dir_at(&node.path.join("one"));
    let metadata = inside.metadata("run.sh").unwrap();
    let seconds = |time: cap_std::time::SystemTime| {
        time.into_std().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    assert_eq!(seconds(metadata.modified().unwrap()), seconds(before));
    assert_eq!(metadata.into_std_mode(), 0o770);
    assert_eq!(inside.dir_metadata().unwrap().into_std_mode(), 0o2770);
    assert_eq!(node.all_names(), ["one"]);
}

#[tokio::test]
async fn a_pack_that_outgrows_its_sink_fails() {
    let mut node = node();
    let root = node.root("one", None).await;
    let noise: Vec<u8> =
        (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    node.write(&root, "noise", &noise).await;
    assert!(matches!(node.pack(&root, 1_000).await, Err(Failure::Quota)));
}

#[tokio::test]
async fn a_hostile_archive_leads_nowhere() {
    let mut node = node();
    let root = node.root("one", None).await;
    node.write(&root, "old", b"kept").await;
    let long_path = "x".repeat(90);
    let corrupt: &[&[(EntryType, &str, &[u8])]] = &[
        &[(FILE, "../out", b"x")],
        &[(FILE, "/tmp/tenon-out", b"x")],
        &[(FILE, "a/../../out", b"x")],
        &[(FILE, "a", b"1"), (FILE, "a", b"2")],
        &[(FILE, "a", b"1"), (FILE, "a/b", b"2")],
        &[(EntryType::GNUSparse, "a", b"")],
        &[(EntryType::XHeader, "a", b"18 path=../../out\n")],
        &[(EntryType::GNULongName, "x", &[b'x'; 100_000]), (FILE, "a", b"")],
        &[(EntryType::GNULongName, "x", b"../../out\0"), (FILE, "a", b"")],
        &[(FILE, &long_path, b"1"), (DIR, "..", b"")],
    ];
    for entries in corrupt {
        node.write_archive(&archive_of(entries));
        let result = node.unpack(&root).await;
        assert!(
            matches!(result, Err(Failure::Corrupt | Failure::NotFound)),
            "{entries:?}: {result:?}"
        );
        assert_eq!(node.read(&root, "old").await.unwrap(), b"kept");
        assert_eq!(node.all_names(), ["one"]);
    }

    // A link is left out, and what would go through it is a directory of its own.
    node.write_archive(&archive_of(&[
        (EntryType::Symlink, "etc", b""),
        (EntryType::Link, "passwd", b""),
        (EntryType::Char, "null", b""),
        (DIR, "./", b""),
        (FILE, "etc/passwd", b"mine"),
    ]));
    assert_eq!(node.unpack(&root).await.unwrap(), 4);
    assert_eq!(node.list(&root, "", None, 10).await.unwrap(), ["etc"]);
    assert_eq!(node.read(&root, "etc/passwd").await.unwrap(), b"mine");
    let unpacked = std::os::unix::fs::MetadataExt::mode(&meta(&node.path.join("one/etc/passwd")));
    assert_eq!(unpacked & 0o7777, 0o770);
    assert_eq!(node.outside().entries().unwrap().count(), 2);
}

#[tokio::test]
async fn a_bomb_is_stopped_at_max_bytes() {
    let mut node = node();
    let root = node.root("one", Some(1 << 20)).await;
    node.write(&root, "old", b"kept").await;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let mut header = Header::new_gnu();
    header.set_size(1 << 40);
    header.set_path("bomb").unwrap();
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    encoder.write_all(&vec![0; 64 << 20]).unwrap();
    node.write_archive(&encoder.finish().unwrap());
    assert!(matches!(node.unpack(&root).await, Err(Failure::Quota)));

    let many: Vec<(EntryType, String, Vec<u8>)> =
        (0..9).map(|n| (FILE, format!("{n}"), vec![0; 128 << 10])).collect();
    let entries: Vec<(EntryType, &str, &[u8])> =
        many.iter().map(|(kind, path, bytes)| (*kind, &**path, &**bytes)).collect();
    node.write_archive(&archive_of(&entries));
    assert!(matches!(node.unpack(&root).await, Err(Failure::Quota)));
    assert_eq!(node.read(&root, "old").await.unwrap(), b"kept");
    assert_eq!(node.all_names(), ["one"]);
}

#[tokio::test]
async fn a_cut_or_damaged_archive_leaves_the_old_tree() {
    let mut node = node();
    let root = node.root("one", None).await;
    node.write(&root, "file", &[9; 100_000]).await;
    node.pack(&root, u64::MAX).await.unwrap();
    let archive = node.outside().read("archive").unwrap();
    node.write(&root, "new", b"kept").await;
    let mut flipped = archive.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let cases =
        [&archive[..0], &archive[..1], &archive[..archive.len() - 1], b"no archive", &flipped];
    for case in cases {
        node.write_archive(case);
        let result = node.unpack(&root).await;
        assert!(matches!(result, Err(Failure::Corrupt)), "{} bytes: {result:?}", case.len());
        assert_eq!(node.read(&root, "new").await.unwrap(), b"kept");
    }
}

#[tokio::test]
async fn a_start_removes_what_an_interrupted_unpack_left() {
    let mut node = node();
    node.root("one", None).await;
    dir_at(&node.path).create_dir_all(".aside-one-7/below").unwrap();
    FilesContext::open(dir_at(&node.path), node.path.clone()).unwrap();
    assert_eq!(node.all_names(), ["one"]);
}

#[expect(clippy::disallowed_methods, reason = "the test looks from outside")]
fn meta(path: &Path) -> std::fs::Metadata {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    assert!(!metadata.file_type().is_fifo() && metadata.nlink() == 1);
    metadata
}

/// Files by path, at most two directories deep.
fn any_tree() -> impl Strategy<Value = std::collections::BTreeMap<String, Vec<u8>>> {
    let name = "[a-c ä]{1,3}".prop_filter("trailing", |name| !name.is_empty());
    let path = prop::collection::vec(name, 1..3).prop_map(|names| names.join("/"));
    prop::collection::btree_map(path, prop::collection::vec(0_u8.., 0..2_000), 0..6)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(32))]

    #[test]
    fn any_tree_survives_a_pack_and_an_unpack(files in any_tree()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut node = node();
            let root = node.root("one", None).await;
            let mut written = Vec::new();
            for (path, bytes) in &files {
                if let Some((parent, _)) = path.split_once('/')
                    && node.make_dir(&root, parent).await.is_err()
                {
                    continue;
                }
                if node.try_write(&root, path, 0, bytes).await.is_ok() {
                    written.push((path, bytes));
                }
            }
            node.pack(&root, u64::MAX).await.unwrap();
            let other = node.root("two", None).await;
            node.unpack(&other).await.unwrap();
            for (path, bytes) in written {
                assert_eq!(&node.read(&other, path).await.unwrap(), bytes);
            }
            assert_eq!(node.used(&root).await.unwrap(), node.used(&other).await.unwrap());
        });
    }
}
