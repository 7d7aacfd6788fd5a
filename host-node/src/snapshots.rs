//! The store of snapshots: a directory that the nodes of a platform share.
//!
//! `<service>/<instance>/<snapshot>.data`, and `.zip` once it can be downloaded, is written aside, synced and renamed, so that a name
//! that is there is complete.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use sha2::{Digest, Sha256};
use tenon_protocol::chain;
use tenon_protocol::link::Linked;
use tenon_protocol::{InstanceId, JobId, ServiceName, SnapshotId};

use crate::config::SnapshotsConfig;
use crate::durable;
use crate::fetch::FetchLimits;

/// Bytes hashed at once.
const CHUNK: usize = 1 << 20;

/// The directory.
#[derive(Clone)]
pub(crate) struct SnapshotStore {
    dir: Arc<Dir>,
    pub(crate) max_bytes: u64,
    /// A job that takes longer is ended.
    pub(crate) job_ttl: Duration,
    /// What packages are fetched with.
    pub(crate) fetching: FetchLimits,
}

impl SnapshotStore {
    /// Opens the store, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn open(config: &SnapshotsConfig, job_ttl: Duration) -> io::Result<Self> {
        Dir::create_ambient_dir_all(&config.dir, ambient_authority())?;
        let dir = Dir::open_ambient_dir(&config.dir, ambient_authority())?;
        let fetching = FetchLimits {
            max_bytes: config.import_max_mib << 20,
            max_redirects: config.import_max_redirects,
            timeout: Duration::from_secs(config.import_timeout_seconds),
            networks: config.import_networks.clone(),
        };
        Ok(Self { dir: Arc::new(dir), max_bytes: config.max_mib << 20, job_ttl, fetching })
    }

    /// Removes all that is kept of an instance. Succeeds when it is gone.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn forget(&self, service: &ServiceName, instance: &InstanceId) -> io::Result<()> {
        gone(self.dir.remove_dir_all(format!("{service}/{instance}")))
    }

    /// Removes what a job that will not be begun again wrote and fetched aside, if there is anything.
    pub(crate) fn discard(&self, service: &ServiceName, instance: &InstanceId, job: &JobId) {
        let removed = self.existing(service, instance).map(|dir| dir.discard(job));
        tell(gone(removed), instance);
    }

    /// Removes the data of a snapshot that will never be listed, if there is any.
    pub(crate) fn discard_snapshot(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        id: &SnapshotId,
    ) {
        tell(gone(self.existing(service, instance).and_then(|dir| dir.remove(id))), instance);
    }

    fn existing(&self, service: &ServiceName, instance: &InstanceId) -> io::Result<InstanceDir> {
        let dir = self.dir.open_dir(format!("{service}/{instance}"))?;
        Ok(InstanceDir(Arc::new(dir)))
    }

    /// The package that a link leads to; `None` when it is not there, or no more.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn linked(&self, linked: &Linked) -> io::Result<Option<File>> {
        let path = match linked {
            Linked::Upload(id) => id.path(),
            Linked::Download(download) => download.path(),
        };
        match self.dir.open(path) {
            Ok(file) => Ok(Some(file.into_std())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
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
        // Gateways of the same group read packages.
        builder.recursive(true).mode(0o750);
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

    /// The name of what a job fetches, before it is looked at.
    pub(crate) fn fetched(job: &JobId) -> String {
        format!("{job}.fetched")
    }

    /// The name of a package.
    pub(crate) fn package(id: &SnapshotId) -> String {
        format!("{id}.zip")
    }

    /// Lets what `job` wrote be snapshot `id`, durably.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn keep(&self, job: &JobId, id: &SnapshotId) -> io::Result<()> {
        self.rename(&Self::aside(job), &Self::name(id))
    }

    /// Lets what `job` wrote be the package of snapshot `id`, durably.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn keep_package(&self, job: &JobId, id: &SnapshotId) -> io::Result<()> {
        self.rename(&Self::aside(job), &Self::package(id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, &self.0, to)?;
        durable::sync_names(&self.0)
    }

    /// Bytes of the file `name`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn size(&self, name: &str) -> io::Result<Option<u64>> {
        match self.0.metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            metadata => Ok(Some(metadata?.len())),
        }
    }

    /// A new file `name` that can be written and read, in the place of one that was left.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn create(&self, name: &str, access: Access) -> io::Result<File> {
        let mode = match access {
            Access::Node => 0o600,
            Access::Group => 0o640,
        };
        gone(self.0.remove_file(name))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(mode);
        Ok(self.0.open_with(name, &options)?.into_std())
    }

    /// Has what `job` writes and fetches aside removed, if it is not kept, once nobody works on it
    /// any more: it ended, or its work was dropped.
    pub(crate) fn aside_of(&self, job: &JobId) -> Arc<Aside> {
        Arc::new(Aside { dir: self.clone(), job: job.clone() })
    }

    fn discard(&self, job: &JobId) {
        for name in [Self::aside(job), Self::fetched(job)] {
            if let Err(error) = gone(self.0.remove_file(name)) {
                tracing::warn!(%job, error = %chain(&error), "what a job left cannot be removed");
            }
        }
    }

    /// Removes snapshot `id` and its package. Succeeds when they are gone.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn remove(&self, id: &SnapshotId) -> io::Result<()> {
        gone(self.0.remove_file(Self::package(id)))?;
        gone(self.0.remove_file(Self::name(id)))
    }

    /// Hex SHA-256 of snapshot `id` as it lies in the store.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn sha256(&self, id: &SnapshotId) -> io::Result<String> {
        self.sha256_of(&Self::name(id))
    }

    /// Hex SHA-256 of the file `name`.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn sha256_of(&self, name: &str) -> io::Result<String> {
        use io::Read;
        let mut file = self.0.open(name)?;
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

/// What a job writes aside. Whoever writes holds it; dropped by the last one, it is removed.
pub(crate) struct Aside {
    dir: InstanceDir,
    job: JobId,
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.dir.discard(&self.job);
    }
}

/// Who may read a file of the store, besides who writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nobody.
    Node,
    /// Gateways of the same group.
    Group,
}

fn tell(removed: io::Result<()>, instance: &InstanceId) {
    if let Err(error) = removed {
        tracing::warn!(%instance, error = %chain(&error), "what a job left cannot be removed");
    }
}

/// The end of a removal: it does not matter who removed it.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn store(dir: &tempfile::TempDir) -> SnapshotStore {
        let fetching = FetchLimits {
            max_bytes: 1,
            max_redirects: 0,
            timeout: Duration::ZERO,
            networks: Vec::new(),
        };
        let dir = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        SnapshotStore { dir: Arc::new(dir), max_bytes: 1, job_ttl: Duration::ZERO, fetching }
    }

    fn names(dir: &InstanceDir) -> Vec<String> {
        let entries = dir.0.entries().unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn p31_what_a_job_wrote_aside_goes_with_the_last_that_works_on_it() {
        let on_disk = tempfile::tempdir().unwrap();
        let (service, instance) = (ServiceName::new("S").unwrap(), InstanceId::new("d1").unwrap());
        let store = store(&on_disk);
        let dir = store.instance(&service, &instance).unwrap();
        let (job, other) = (JobId::random(), JobId::random());
        let write = |name: &str| {
            dir.create(name, Access::Node).unwrap().write_all(b"data").unwrap();
        };
        let aside = dir.aside_of(&job);
        let on_a_thread = Arc::clone(&aside);
        write(&InstanceDir::aside(&job));
        write(&InstanceDir::fetched(&job));
        write(&InstanceDir::aside(&other));
        drop(aside);
        assert_eq!(names(&dir).len(), 3);
        drop(on_a_thread);
        assert_eq!(names(&dir), [InstanceDir::aside(&other)]);

        // What is kept stays.
        let aside = dir.aside_of(&other);
        dir.keep(&other, &SnapshotId::from(7)).unwrap();
        drop(aside);
        assert_eq!(names(&dir), ["7.data"]);

        // A crash drops nothing, and the next start does.
        write(&InstanceDir::fetched(&job));
        store.discard(&service, &instance, &job);
        store.discard(&service, &InstanceId::random(), &job);
        assert_eq!(names(&dir), ["7.data"]);
        for id in [8, 7, 7] {
            store.discard_snapshot(&service, &instance, &SnapshotId::from(id));
        }
        store.discard_snapshot(&service, &InstanceId::random(), &SnapshotId::from(7));
        assert_eq!(names(&dir), [""; 0]);
    }
}
