//! An instance's data on its way to another node: two files in the shared store of snapshots.
//!
//! `move.data` is what the guest wrote, `move.json` says whose it is and how to check it. The
//! original kept an object there that its target loaded, and with it whatever code (P30); here a
//! target reads plain JSON, and believes no byte of the data before its checksum.

use std::io::{self, Read};
use std::sync::Arc;

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tenon_protocol::clock::Millis;
use tenon_protocol::{Generation, InstanceId, NodeId, ServiceName};

use crate::durable;
use crate::snapshots::SnapshotStore;

/// Version of the manifest's form; a higher one is not read.
pub(crate) const MANIFEST_VERSION: u32 = 1;

const DATA: &str = "move.data";
const DATA_ASIDE: &str = "move.data.part";
const MANIFEST: &str = "move.json";
const MANIFEST_ASIDE: &str = "move.json.part";

/// Most bytes of a manifest.
const MAX_MANIFEST: u64 = 64 << 10;

/// Bytes hashed at once.
const CHUNK: usize = 1 << 20;

/// What `move.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) v: u32,
    pub(crate) service: ServiceName,
    pub(crate) instance: InstanceId,
    pub(crate) plan: String,
    pub(crate) version: String,
    /// Tag of the guest's format.
    pub(crate) format: String,
    pub(crate) size: u64,
    /// Of `move.data`, 64 hex digits.
    pub(crate) sha256: String,
    /// Of the order that the instance be disabled.
    pub(crate) generation: Generation,
    /// The node that wrote it.
    pub(crate) node: NodeId,
    pub(crate) created: Millis,
}

/// The place of one instance's data. All of it blocks.
#[derive(Clone)]
pub(crate) struct Export(Arc<Dir>);

impl Export {
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn of(
        store: &SnapshotStore,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> io::Result<Self> {
        Ok(Self(Arc::clone(store.instance(service, instance)?.dir())))
    }

    /// The directory, for the capability that writes or reads.
    pub(crate) const fn dir(&self) -> &Arc<Dir> {
        &self.0
    }

    /// The name of the data while it is written.
    pub(crate) const fn aside() -> &'static str {
        DATA_ASIDE
    }

    /// The name of the data.
    pub(crate) const fn data() -> &'static str {
        DATA
    }

    /// Lets what was written aside be the data that `manifest` describes, durably.
    ///
    /// The old manifest goes first, so that there never is one beside data that are not its own.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn keep(&self, manifest: &Manifest) -> io::Result<()> {
        self.remove_file(MANIFEST)?;
        self.0.rename(DATA_ASIDE, &self.0, DATA)?;
        durable::put(&self.0, MANIFEST_ASIDE, MANIFEST, &serde_json::to_vec(manifest)?)
    }

    /// What the manifest says; `None` without one.
    ///
    /// # Errors
    ///
    /// `InvalidData` when it is no manifest, or a newer one; the system's error.
    pub(crate) fn manifest(&self) -> io::Result<Option<Manifest>> {
        let file = match self.0.open(MANIFEST) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = Vec::new();
        file.take(MAX_MANIFEST).read_to_end(&mut text)?;
        let manifest: Manifest = serde_json::from_slice(&text)?;
        if manifest.v > MANIFEST_VERSION {
            let version = manifest.v;
            let text = format!("version {version} of the manifest is not known");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Some(manifest))
    }

    /// Whether the data are those that `manifest` describes.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn is_whole(&self, manifest: &Manifest) -> io::Result<bool> {
        let file = match self.0.open(DATA) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let right_size = file.metadata()?.len() == manifest.size;
        Ok(right_size && sha256(file)? == manifest.sha256)
    }

    /// Removes manifest and data. Succeeds when they are gone.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for name in [MANIFEST, MANIFEST_ASIDE, DATA, DATA_ASIDE] {
            self.remove_file(name)?;
        }
        Ok(())
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        match self.0.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Hex SHA-256 of what can be read. Blocks.
///
/// # Errors
///
/// The system's error.
pub(crate) fn sha256(mut from: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn export(dir: &tempfile::TempDir) -> Export {
        let config = toml::from_str(&format!("dir = {:?}\nmax_mib = 1", dir.path())).unwrap();
        let store = SnapshotStore::open(&config, Duration::from_secs(60)).unwrap();
        let service = ServiceName::new("MyaaS").unwrap();
        Export::of(&store, &service, &InstanceId::new("d1").unwrap()).unwrap()
    }

    fn manifest(data: &[u8], generation: u64) -> Manifest {
        Manifest {
            v: MANIFEST_VERSION,
            service: ServiceName::new("MyaaS").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            plan: "free".to_owned(),
            version: "10.11".to_owned(),
            format: "mysql-dump/1".to_owned(),
            size: data.len() as u64,
            sha256: sha256(data).unwrap(),
            generation: Generation::new(generation),
            node: NodeId::new("n1").unwrap(),
            created: Millis::from_millis(5),
        }
    }

    #[test]
    fn p30_what_a_target_reads_is_plain_json_and_data_with_a_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let export = export(&dir);
        assert!(export.manifest().unwrap().is_none());
        export.dir().write(Export::aside(), b"rows").unwrap();
        let kept = manifest(b"rows", 3);
        export.keep(&kept).unwrap();
        assert_eq!(export.manifest().unwrap(), Some(kept.clone()));
        assert!(export.is_whole(&kept).unwrap());

        export.dir().write(Export::data(), b"r0ws").unwrap();
        assert!(!export.is_whole(&kept).unwrap());
        let object = b"\x04\x08o:\x1dVCAP::Services::Mysql::Node";
        export.dir().write(MANIFEST, object).unwrap();
        assert_eq!(export.manifest().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_manifest_of_a_newer_form_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let export = export(&dir);
        let newer = Manifest { v: MANIFEST_VERSION + 1, ..manifest(b"", 1) };
        export.dir().write(Export::aside(), b"").unwrap();
        export.keep(&newer).unwrap();
        assert_eq!(export.manifest().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_is_removed_is_gone_and_can_be_removed_again() {
        let dir = tempfile::tempdir().unwrap();
        let export = export(&dir);
        export.dir().write(Export::aside(), b"rows").unwrap();
        export.keep(&manifest(b"rows", 1)).unwrap();
        export.remove().unwrap();
        export.remove().unwrap();
        assert_eq!(export.dir().entries().unwrap().count(), 0);
    }
}
