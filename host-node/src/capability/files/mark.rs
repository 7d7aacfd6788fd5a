//! Which operation put a directory in the place of the last one: a file beside it.
//!
//! It is written before two names are exchanged, and names the new directory by its number on disk:
//! so it is true from the exchange on and not before, and no crash comes between the two. Blocks.

use std::io;

use cap_std::fs::{Dir, MetadataExt};
use serde::{Deserialize, Serialize};
use tenon_protocol::OperationId;

use super::path::Label;
use super::{FilesContext, tree};
use crate::durable;

/// What is before the label. No label begins like it.
const MARK: &str = ".replaced-";

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    operation: OperationId,
    /// Number of the directory on disk.
    inode: u64,
    /// Bytes that were unpacked into it.
    bytes: u64,
}

/// Bytes that `operation` unpacked into `dir`, which is `label`'s; `None` when it did not.
pub(super) fn unpacked_by(
    context: &FilesContext,
    label: &Label,
    dir: &Dir,
    operation: &OperationId,
) -> io::Result<Option<u64>> {
    let Some(text) = tree::gone_is_none(context.dir().read(name_of(label)))? else {
        return Ok(None);
    };
    // One that cannot be understood tells nothing.
    let mark: Option<Mark> = serde_json::from_slice(&text).ok();
    let inode = dir.dir_metadata()?.ino();
    let same = mark.filter(|mark| mark.operation == *operation && mark.inode == inode);
    Ok(same.map(|mark| mark.bytes))
}

/// Says of `dir`, which is not `label`'s yet, that `operation` unpacked `bytes` into it.
pub(super) fn write(
    context: &FilesContext,
    label: &Label,
    dir: &Dir,
    (operation, bytes): (OperationId, u64),
) -> io::Result<()> {
    let mark = Mark { operation, inode: dir.dir_metadata()?.ino(), bytes };
    let (plugin, aside) = (context.dir(), FilesContext::aside_name(label));
    durable::put(plugin, &aside, name_of(label), &serde_json::to_vec(&mark)?)
}

/// `label` is nobody's any more.
pub(super) fn forget(context: &FilesContext, label: &Label) -> io::Result<()> {
    tree::gone_is_none(context.dir().remove_file(name_of(label))).map(|_| ())
}

fn name_of(label: &Label) -> String {
    format!("{MARK}{}", label.as_str())
}
