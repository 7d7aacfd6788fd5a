//! The store of snapshots: a directory that the nodes of a platform share.
//!
//! `<service>/<instance>/<snapshot>.data` is written aside, synced and renamed, so that a name
//! that is there is complete.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use sha2::{Digest, Sha256};
use tenon_protocol::{InstanceId, JobId, ServiceName, SnapshotId};

/// Bytes hashed at once.
const CHUNK: usize = 1 << 20;

/// The directory.
#[derive(Clone)]
pub(crate) struct SnapshotStore {
    dir: Arc<Dir>,
    pub(crate) max_bytes: u64,
}

impl SnapshotStore {
    /// Opens the store at `path`, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn open(path: &Path, max_bytes: u64) -> io::Result<Self> {
        Dir::create_ambient_dir_all(path, ambient_authority())?;
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { dir: Arc::new(dir), max_bytes })
    }

    /// The directory of one instance's snapshots, created if it is not there.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn instance(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> io::Result<InstanceDir> {
        let path = format!("{service}/{instance}");
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        self.dir.create_dir_with(&path, &builder)?;
        Ok(InstanceDir(Arc::new(self.dir.open_dir(&path)?)))
    }
}

/// One instance's snapshots.
#[derive(Clone)]
pub(crate) struct InstanceDir(Arc<Dir>);

impl InstanceDir {
    /// The directory, for the capability that writes or reads.
    pub(crate) fn dir(&self) -> &Arc<Dir> {
        &self.0
    }

    /// The name while a job writes it. Each job has its own, so that two cannot mix.
    pub(crate) fn aside(job: &JobId) -> String {
        format!("{job}.part")
    }

    /// The name of a complete one.
    pub(crate) fn name(id: &SnapshotId) -> String {
        format!("{id}.data")
    }

    /// Lets what `job` wrote be snapshot `id`, durably.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn keep(&self, job: &JobId, id: &SnapshotId) -> io::Result<()> {
        self.0.rename(Self::aside(job), &self.0, Self::name(id))?;
        // The name is durable with the directory.
        self.0.open(".")?.sync_all()
    }

    /// Removes what `job` wrote, if there is anything.
    pub(crate) fn discard(&self, job: &JobId) {
        if let Err(error) = self.0.remove_file(Self::aside(job)) {
            tracing::debug!(%job, %error, "nothing to discard");
        }
    }

    /// Removes snapshot `id`. Succeeds when it is gone.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn remove(&self, id: &SnapshotId) -> io::Result<()> {
        match self.0.remove_file(Self::name(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Hex SHA-256 of snapshot `id` as it lies in the store.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn sha256(&self, id: &SnapshotId) -> io::Result<String> {
        use io::Read;
        let mut file = self.0.open(Self::name(id))?;
        let mut hash = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk)?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            hash.update(bytes);
        }
        Ok(hex::encode(hash.finalize()))
    }
}
