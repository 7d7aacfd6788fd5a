//! Directories: a map from paths to bytes for each label.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::blob;
use crate::fake::world;
use crate::files::{Failure, Kind, Stat};

const MAX_PAGE: u32 = 1_000;

/// Where a fake disk is full.
const MAX_OFFSET: usize = 64 << 20;

/// First bytes of an archive, so that garbage can be told from one.
const ARCHIVE: &str = "fake archive\n";

pub(crate) type Directories = BTreeMap<String, Tree>;

/// Everything below one root. The root itself has no entry.
type Tree = BTreeMap<String, Node>;

#[derive(Clone, PartialEq)]
pub(crate) enum Node {
    Directory,
    File(Vec<u8>),
}

pub(crate) fn create(label: &str, max_bytes: Option<u64>) -> Result<Root, Failure> {
    check_label(label)?;
    world().directories.borrow_mut().entry(label.to_owned()).or_default();
    open(label, max_bytes)
}

pub(crate) fn open(label: &str, max_bytes: Option<u64>) -> Result<Root, Failure> {
    check_label(label)?;
    if !world().directories.borrow().contains_key(label) {
        return Err(Failure::NotFound);
    }
    Ok(Root { label: label.to_owned(), max_bytes })
}

pub(crate) fn destroy(label: &str) -> Result<(), Failure> {
    check_label(label)?;
    world().directories.borrow_mut().remove(label);
    Ok(())
}

pub(crate) fn list(after: Option<&str>, limit: u32) -> Result<Vec<String>, Failure> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    Ok(world()
        .directories
        .borrow()
        .range::<str, _>((start, Bound::Unbounded))
        .map(|(label, _)| label.clone())
        .take(limit.min(MAX_PAGE) as usize)
        .collect())
}

pub(crate) struct Root {
    label: String,
    max_bytes: Option<u64>,
}

impl Root {
    pub(crate) fn host_path(&self) -> String {
        format!("/srv/files/{}", self.label)
    }

    pub(crate) fn make_dir(&self, path: &str) -> Result<(), Failure> {
        check_path(path)?;
        self.change(|tree| {
            check_parent(tree, path)?;
            if tree.contains_key(path) {
                return Err(Failure::Exists);
            }
            tree.insert(path.to_owned(), Node::Directory);
            Ok(())
        })
    }

    pub(crate) fn remove(&self, path: &str, recursive: bool) -> Result<(), Failure> {
        check_path(path)?;
        self.change(|tree| {
            if !tree.contains_key(path) {
                return Err(Failure::NotFound);
            }
            let below = format!("{path}/");
            if !recursive && tree.keys().any(|other| other.starts_with(&below)) {
                return Err(Failure::NotEmpty);
            }
            tree.retain(|other, _| other != path && !other.starts_with(&below));
            Ok(())
        })
    }

    pub(crate) fn rename(&self, old_path: &str, new_path: &str) -> Result<(), Failure> {
        check_path(old_path)?;
        check_path(new_path)?;
        self.change(|tree| {
            check_parent(tree, new_path)?;
            if tree.contains_key(new_path) {
                return Err(Failure::Exists);
            }
            if !tree.contains_key(old_path) {
                return Err(Failure::NotFound);
            }
            let below = format!("{old_path}/");
            *tree = std::mem::take(tree)
                .into_iter()
                .map(|(path, node)| match path.strip_prefix(old_path) {
                    Some(rest) if path == old_path || path.starts_with(&below) => {
                        (format!("{new_path}{rest}"), node)
                    }
                    _ => (path, node),
                })
                .collect();
            Ok(())
        })
    }

    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Failure> {
        check_path(path)?;
        self.look(|tree| tree.get(path).map(stat_of).ok_or(Failure::NotFound))
    }

    pub(crate) fn list(
        &self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Stat)>, Failure> {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.look(|tree| {
            if !path.is_empty() && tree.get(path) != Some(&Node::Directory) {
                return Err(Failure::NotFound);
            }
            Ok(tree
                .iter()
                .filter_map(|(full, node)| Some((full.strip_prefix(&below)?, node)))
                .filter(|(name, _)| !name.contains('/'))
                .filter(|(name, _)| after.is_none_or(|after| *name > after))
                .take(limit.min(MAX_PAGE) as usize)
                .map(|(name, node)| (name.to_owned(), stat_of(node)))
                .collect())
        })
    }

    pub(crate) fn read(&self, path: &str, offset: u64, max: u32) -> Result<Vec<u8>, Failure> {
        check_path(path)?;
        self.look(|tree| match tree.get(path) {
            Some(Node::File(bytes)) => {
                Ok(bytes.iter().skip(to_usize(offset)).take(max as usize).copied().collect())
            }
            Some(Node::Directory) | None => Err(Failure::NotFound),
        })
    }

    pub(crate) fn write(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        check_path(path)?;
        self.change(|tree| {
            check_parent(tree, path)?;
            let file = tree.entry(path.to_owned()).or_insert_with(|| Node::File(Vec::new()));
            let Node::File(content) = file else {
                return Err(Failure::Exists);
            };
            let offset = to_usize(offset);
            if offset > MAX_OFFSET {
                return Err(Failure::Quota);
            }
            content.resize(content.len().max(offset + bytes.len()), 0);
            content.splice(offset..offset + bytes.len(), bytes.iter().copied());
            Ok(())
        })
    }

    pub(crate) fn used_bytes(&self) -> Result<u64, Failure> {
        self.look(|tree| Ok(size_of(tree)))
    }

    pub(crate) fn pack(&self, out: &blob::Sink) -> Result<u64, Failure> {
        let archive = self.look(|tree| Ok(archive_of(tree)))?;
        out.write(&archive).map_err(|_full| Failure::Quota)?;
        Ok(archive.len() as u64)
    }

    pub(crate) fn unpack(&self, input: &blob::Source) -> Result<u64, Failure> {
        let archive = input.rest();
        let unpacked = tree_of(&archive).ok_or(Failure::Corrupt)?;
        self.change(|tree| {
            *tree = unpacked;
            Ok(())
        })?;
        Ok(archive.len() as u64)
    }

    fn look<T>(&self, at: impl FnOnce(&Tree) -> Result<T, Failure>) -> Result<T, Failure> {
        at(world().directories.borrow().get(&self.label).ok_or(Failure::NotFound)?)
    }

    /// All of the change or nothing, and nothing beyond the quota.
    fn change(&self, with: impl FnOnce(&mut Tree) -> Result<(), Failure>) -> Result<(), Failure> {
        let world = world();
        let mut directories = world.directories.borrow_mut();
        let tree = directories.get_mut(&self.label).ok_or(Failure::NotFound)?;
        let mut changed = tree.clone();
        with(&mut changed)?;
        let grows = size_of(&changed) > size_of(tree);
        if grows && self.max_bytes.is_some_and(|max| size_of(&changed) > max) {
            return Err(Failure::Quota);
        }
        *tree = changed;
        Ok(())
    }
}

fn stat_of(node: &Node) -> Stat {
    let (kind, size) = match node {
        Node::Directory => (Kind::Directory, 0),
        Node::File(bytes) => (Kind::File, bytes.len() as u64),
    };
    Stat { kind, size, modified_ms: 0 }
}

fn size_of(tree: &Tree) -> u64 {
    tree.values().map(|node| stat_of(node).size).sum()
}

/// For each entry a line `path` or `path length`, the latter followed by the bytes.
fn archive_of(tree: &Tree) -> Vec<u8> {
    let mut archive = ARCHIVE.as_bytes().to_vec();
    for (path, node) in tree {
        match node {
            Node::Directory => archive.extend_from_slice(format!("d {path}\n").as_bytes()),
            Node::File(bytes) => {
                archive.extend_from_slice(format!("{} {path}\n", bytes.len()).as_bytes());
                archive.extend_from_slice(bytes);
            }
        }
    }
    archive
}

/// `None` when it is damaged.
fn tree_of(archive: &[u8]) -> Option<Tree> {
    let mut rest = archive.strip_prefix(ARCHIVE.as_bytes())?;
    let mut tree = Tree::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = (rest.get(..end)?, rest.get(end + 1..)?);
        let (kind, path) = str::from_utf8(line).ok()?.split_once(' ')?;
        rest = after;
        let node = if kind == "d" {
            Node::Directory
        } else {
            let (bytes, after) = rest.split_at_checked(kind.parse().ok()?)?;
            rest = after;
            Node::File(bytes.to_vec())
        };
        tree.insert(path.to_owned(), node);
    }
    Some(tree)
}

fn check_label(label: &str) -> Result<(), Failure> {
    let plain = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && (1..=64).contains(&label.len()) { Ok(()) } else { Err(Failure::BadPath) }
}

fn check_path(path: &str) -> Result<(), Failure> {
    let fine = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if fine { Ok(()) } else { Err(Failure::BadPath) }
}

fn check_parent(tree: &Tree, path: &str) -> Result<(), Failure> {
    match path.rsplit_once('/') {
        None => Ok(()),
        Some((parent, _)) if tree.get(parent) == Some(&Node::Directory) => Ok(()),
        Some(_) => Err(Failure::NotFound),
    }
}

/// Offsets beyond memory are beyond any fake file.
fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
