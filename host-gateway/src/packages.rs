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
use tenon_protocol::download::{Download, LinkKey};
use tenon_protocol::record::Package;
use tenon_protocol::upload::UploadKey;
use tenon_protocol::{SealKey, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::SnapshotsConfig;
use crate::operations::OperationError;
use crate::uploads::Uploads;

/// What a link looks like when the operator does not say.
pub(crate) const PATH: &str =
    "/serialized/%{service}/%{name}/snapshots/%{snapshot_id}?token=%{token}";

/// The store, and the key of its links.
pub(crate) struct Packages {
    dir: Arc<Dir>,
    key: LinkKey,
    template: String,
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
        let uploads = uploads
            .map(|uploads| Uploads::open(&dir, uploads, UploadKey::of(seal_key), own_url))
            .transpose()?;
        let own = format!("{}{PATH}", own_url.trim_end_matches('/'));
        Ok(Self {
            dir: Arc::new(dir),
            key: LinkKey::of(seal_key),
            template: config.download_url_template.clone().unwrap_or(own),
            slots: Arc::new(Semaphore::new(config.max_downloads)),
            link_life: config.link_life,
            uploads: uploads.map(Arc::new),
        })
    }

    /// A new link to `download`, good from now on for as long as the operator says.
    pub(crate) fn link(&self, download: &Download) -> Secret {
        let token = self.key.sign(download, Millis::now().after(self.link_life));
        Secret::new(fill(&self.template, download, &token))
    }

    /// Whether `token` leads to `download`.
    pub(crate) fn allows(&self, token: &str, download: &Download, now: Millis) -> bool {
        self.key.allows(token, download, now)
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
        let Download { service, instance, snapshot } = download;
        let path = format!("{service}/{instance}/{snapshot}.zip");
        let dir = Arc::clone(&self.dir);
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
        let file_name = format!("{snapshot}.zip");
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

fn fill(template: &str, download: &Download, token: &Secret) -> String {
    template
        .replace("%{service}", download.service.as_str())
        .replace("%{name}", download.instance.as_str())
        .replace("%{snapshot_id}", download.snapshot.as_str())
        .replace("%{token}", token.reveal())
}

#[cfg(test)]
mod tests {
    use tenon_protocol::{InstanceId, ServiceName, SnapshotId};

    use super::*;

    #[test]
    fn a_link_has_the_form_of_the_original() {
        let download = Download {
            service: ServiceName::new("MyaaS").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            snapshot: SnapshotId::from(7),
        };
        let token = Secret::new("9-ab".to_owned());
        let filled = fill(&format!("http://dl.vcap.me{PATH}"), &download, &token);
        assert_eq!(filled, "http://dl.vcap.me/serialized/MyaaS/d1/snapshots/7?token=9-ab");
    }
}
