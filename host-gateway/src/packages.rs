//! Packages of snapshots that users download: where they lie, and who may fetch them.
//!
//! Reads the store that nodes write; what users upload is in `uploads.rs`. Knows no HTTP.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tenon_protocol::clock::Millis;
use tenon_protocol::download::Download;
use tenon_protocol::link::LinkKey;
use tenon_protocol::record::Package;
use tenon_protocol::{SealKey, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::SnapshotsConfig;
use crate::links::Links;
use crate::operations::OperationError;
use crate::uploads::Uploads;

/// The store, and the links to what lies in it.
pub(crate) struct Packages {
    dir: Arc<Dir>,
    pub(crate) links: Links,
    link_life: Duration,
    slots: Arc<Semaphore>,
    /// `None` when nothing can be uploaded.
    pub(crate) uploads: Option<Arc<Uploads>>,
}

/// A package that is being sent.
pub(crate) struct OpenPackage {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// The same as long as the bytes are.
    pub(crate) tag: String,
    /// What its receiver calls it.
    pub(crate) file_name: String,
    /// One download fewer than may be on its way.
    pub(crate) slot: OwnedSemaphorePermit,
}

impl Packages {
    /// Opens the store. Links lead to `own_url` unless the operator names another place.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn open_store(
        config: &SnapshotsConfig,
        seal_key: &SealKey,
        own_url: &str,
    ) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(&config.dir, ambient_authority())?;
        let uploads = config.uploads.clone();
        let uploads = uploads.map(|uploads| Uploads::open(&dir, uploads)).transpose()?;
        let template = config.download_url_template.clone();
        Ok(Self {
            dir: Arc::new(dir),
            links: Links::new(LinkKey::of(seal_key), own_url, template),
            slots: Arc::new(Semaphore::new(config.max_downloads)),
            link_life: config.link_life,
            uploads: uploads.map(Arc::new),
        })
    }

    /// A new link to `download`, good from now on for as long as the operator says.
    pub(crate) fn link(&self, download: &Download) -> Secret {
        self.links.to_download(download, Millis::now().after(self.link_life))
    }

    /// Opens a package; `None` when it is not in the store as it is recorded.
    ///
    /// # Errors
    ///
    /// [`OperationError::Crowded`], and [`OperationError::Store`] when the store fails.
    pub(crate) async fn open(
        &self,
        download: &Download,
        package: Package,
    ) -> Result<Option<OpenPackage>, OperationError> {
        let slot = self.slot()?;
        let (dir, path) = (Arc::clone(&self.dir), download.path());
        let opened = tokio::task::spawn_blocking(move || {
            let file = dir.open(path)?.into_std();
            let size = file.metadata()?.len();
            io::Result::Ok((file, size))
        });
        let opened = opened.await.unwrap_or_else(|panicked| Err(panicked.into()));
        let (file, size) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OperationError::Store(error)),
        };
        let file_name = format!("{}.zip", download.snapshot);
        let tag = package.sha256;
        let open = OpenPackage { file, size, tag, file_name, slot };
        Ok((size == package.size).then_some(open))
    }

    /// A place for one download.
    ///
    /// # Errors
    ///
    /// [`OperationError::Crowded`].
    pub(crate) fn slot(&self) -> Result<OwnedSemaphorePermit, OperationError> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        slot.map_err(|_none_left| OperationError::Crowded)
    }
}
