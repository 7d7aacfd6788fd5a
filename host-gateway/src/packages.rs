//! Packages of snapshots that users download: where they lie, and who may fetch them.
//!
//! Reads the store that nodes write, and never writes. Knows no HTTP.

use std::fs::File;
use std::io;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tenon_protocol::Secret;
use tenon_protocol::clock::Millis;
use tenon_protocol::download::{Download, LinkKey};
use tenon_protocol::record::Package;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::SnapshotsConfig;
use crate::operations::OperationError;

/// What a link looks like when the operator does not say.
pub(crate) const PATH: &str =
    "/serialized/%{service}/%{name}/snapshots/%{snapshot_id}?token=%{token}";

/// The store, and the key of its links.
pub(crate) struct Packages {
    dir: Arc<Dir>,
    key: LinkKey,
    template: String,
    config: SnapshotsConfig,
    slots: Arc<Semaphore>,
}

/// A package that is being sent.
pub(crate) struct OpenPackage {
    pub(crate) file: File,
    pub(crate) package: Package,
    pub(crate) download: Download,
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
        key: LinkKey,
        own_url: &str,
    ) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(&config.dir, ambient_authority())?;
        let own = format!("{}{PATH}", own_url.trim_end_matches('/'));
        Ok(Self {
            dir: Arc::new(dir),
            key,
            template: config.download_url_template.clone().unwrap_or(own),
            slots: Arc::new(Semaphore::new(config.max_downloads)),
            config: config.clone(),
        })
    }

    /// A new link to `download`, good from now on for as long as the operator says.
    pub(crate) fn link(&self, download: &Download) -> Secret {
        let token = self.key.sign(download, Millis::now().after(self.config.link_life()));
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
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let slot = slot.map_err(|_none_left| OperationError::Crowded)?;
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
        let download = download.clone();
        Ok((size == package.size).then_some(OpenPackage { file, package, download, slot }))
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
