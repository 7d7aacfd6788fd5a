//! `[snapshots]`: what users download and upload.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tenon_protocol::Secret;

use super::check::{self, Problem};
use super::defaults;
use super::secret::SecretSource;

/// `[snapshots]`.
#[derive(Debug, Clone)]
pub struct SnapshotsConfig {
    /// The directory that the nodes share. Only uploads are written there.
    pub dir: PathBuf,
    /// What links look like; `None` leads to this gateway.
    pub download_url_template: Option<String>,
    /// How long a link is good.
    pub link_life: Duration,
    /// More downloads at once get 30600.
    pub max_downloads: usize,
    /// `None` when nothing can be uploaded.
    pub uploads: Option<UploadsConfig>,
}

/// The keys of `[snapshots]` that are about uploads.
#[derive(Debug, Clone)]
pub struct UploadsConfig {
    /// `X-VCAP-SDS-Upload-Token`.
    pub token: Secret,
    /// Accepted besides, while the platform changes from one to the other.
    pub next_token: Option<Secret>,
    /// Larger ones get 30804.
    pub max_bytes: u64,
    /// How long an upload can be imported.
    pub life: Duration,
    /// One that takes longer is given up.
    pub timeout: Duration,
    /// Uploads that are kept or on their way; more get 30600.
    pub max_count: usize,
}

/// As it is written, before secrets are read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotsFile {
    dir: PathBuf,
    download_url_template: Option<String>,
    #[serde(default = "defaults::link_seconds")]
    link_seconds: u64,
    #[serde(default = "defaults::max_downloads")]
    max_downloads: usize,
    upload_token: Option<SecretSource>,
    next_upload_token: Option<SecretSource>,
    #[serde(default = "defaults::upload_max_mib")]
    upload_max_mib: u64,
    #[serde(default = "defaults::upload_seconds")]
    upload_seconds: u64,
    #[serde(default = "defaults::upload_timeout_seconds")]
    upload_timeout_seconds: u64,
    #[serde(default = "defaults::max_uploads")]
    max_uploads: usize,
}

impl SnapshotsFile {
    /// Reads the secrets, and checks. A relative path is relative to `dir`.
    ///
    /// # Errors
    ///
    /// [`Problem`] names the key.
    pub(super) fn resolve(self, dir: &Path) -> Result<SnapshotsConfig, Problem> {
        check::range("snapshots.link_seconds", self.link_seconds, 1..=604_800)?;
        check::range("snapshots.max_downloads", self.max_downloads, 1..=4_096)?;
        check::range("snapshots.upload_max_mib", self.upload_max_mib, 1..=1 << 20)?;
        check::range("snapshots.upload_seconds", self.upload_seconds, 1..=604_800)?;
        let timeout = self.upload_timeout_seconds;
        check::range("snapshots.upload_timeout_seconds", timeout, 1..=86_400)?;
        check::range("snapshots.max_uploads", self.max_uploads, 1..=65_536)?;
        if let Some(template) = &self.download_url_template {
            check_template(template)?;
        }
        let next = self.next_upload_token;
        let next = next.map(|token| token.read("snapshots.next_upload_token", dir)).transpose()?;
        let token = self.upload_token;
        let token = token.map(|token| token.read("snapshots.upload_token", dir)).transpose()?;
        let uploads = match (token, next) {
            (Some(token), next_token) => Some(UploadsConfig {
                token,
                next_token,
                max_bytes: self.upload_max_mib << 20,
                life: Duration::from_secs(self.upload_seconds),
                timeout: Duration::from_secs(timeout),
                max_count: self.max_uploads,
            }),
            (None, None) => None,
            (None, Some(_)) => {
                let message = "needs snapshots.upload_token beside it";
                return Err(Problem::new("snapshots.next_upload_token", message));
            }
        };
        Ok(SnapshotsConfig {
            dir: dir.join(&self.dir),
            download_url_template: self.download_url_template,
            link_life: Duration::from_secs(self.link_seconds),
            max_downloads: self.max_downloads,
            uploads,
        })
    }
}

fn check_template(template: &str) -> Result<(), Problem> {
    const KEY: &str = "snapshots.download_url_template";
    check::http_url(KEY, template, "users are told it")?;
    for part in ["%{service}", "%{name}", "%{snapshot_id}", "%{token}"] {
        if !template.contains(part) {
            return Err(Problem::new(KEY, format!("must hold {part}")));
        }
    }
    Ok(())
}
