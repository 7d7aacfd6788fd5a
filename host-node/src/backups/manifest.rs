//! What lies beside the data of a backup: whose it is, and how to check it.

use std::io::{self, Read, Write};

use cap_std::fs::{Dir, File};
use serde::{Deserialize, Serialize};
use tenon_protocol::clock::Millis;
use tenon_protocol::{InstanceId, NodeId, ServiceName};

use super::FindError;

/// Version of the manifest's form; a higher one is not read.
pub(super) const VERSION: u32 = 1;

/// Most bytes of a manifest.
const MAX_BYTES: u64 = 64 << 10;

/// What `<id>.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) v: u32,
    pub(super) service: ServiceName,
    pub(super) instance: InstanceId,
    pub(super) plan: String,
    pub(super) version: String,
    /// Tag of the guest's format.
    pub(super) format: String,
    /// Name of the data beside it.
    pub(super) file: String,
    pub(super) size: u64,
    /// Of the data, 64 hex digits.
    pub(super) sha256: String,
    /// The node that wrote it.
    pub(super) node: NodeId,
    pub(super) created: Millis,
}

impl Manifest {
    /// Writes it, durably.
    pub(super) fn write(&self, mut file: File) -> io::Result<()> {
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()
    }

    /// The one in `dir`; `None` when there is none.
    pub(super) fn read(dir: &Dir, instance: &InstanceId) -> Result<Option<Self>, FindError> {
        let file = match dir.open(name(instance)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut text = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut text)?;
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|_no_manifest| FindError::Damaged)?;
        let good = manifest.v <= VERSION && manifest.instance == *instance;
        good.then_some(Some(manifest)).ok_or(FindError::Damaged)
    }
}

/// What it is called.
pub(super) fn name(instance: &InstanceId) -> String {
    format!("{instance}.json")
}
