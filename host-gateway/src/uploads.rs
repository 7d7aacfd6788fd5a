//! Packages that users upload, in the store that nodes share: written aside, renamed when they are
//! whole, removed when they are over. What a gateway that died leaves has a time in its name too:
//! any gateway removes it.
//!
//! Knows no HTTP.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::upload::{DIR, UploadId};
use tokio::io::AsyncWriteExt;

use crate::config::{UploadsConfig, is_one_of};
use crate::operations::OperationError;

/// The uploads.
pub(crate) struct Uploads {
    dir: Arc<Dir>,
    config: UploadsConfig,
    /// Held from the look how many there are until there is one more.
    beginning: Mutex<()>,
}

/// A package on its way. Dropped before it is kept, it was none.
pub(crate) struct Part {
    dir: Arc<Dir>,
    name: String,
    file: tokio::fs::File,
    received: u64,
    most: u64,
}

impl Uploads {
    /// Opens the uploads in `store`.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn open(store: &Dir, config: UploadsConfig) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        // Nodes of the same group read packages.
        builder.recursive(true).mode(0o750);
        store.create_dir_with(DIR, &builder)?;
        Ok(Self { dir: Arc::new(store.open_dir(DIR)?), config, beginning: Mutex::new(()) })
    }

    /// Whether `token` allows uploads.
    pub(crate) fn admits(&self, token: &str) -> bool {
        is_one_of(token, &self.config.token, self.config.next_token.as_ref())
    }

    /// Most bytes of one package.
    pub(crate) const fn max_bytes(&self) -> u64 {
        self.config.max_bytes
    }

    /// How long one upload may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.config.timeout
    }

    /// A name for a package that is whole now.
    pub(crate) fn name(&self) -> UploadId {
        UploadId::until(Millis::now().after(self.config.life))
    }

    /// Begins an upload.
    ///
    /// # Errors
    ///
    /// [`OperationError::Crowded`] when there are as many as may be, and what the store says.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Part, OperationError> {
        let uploads = Arc::clone(self);
        let begun = tokio::task::spawn_blocking(move || uploads.create_part()).await;
        let begun = begun.unwrap_or_else(|panicked| Err(panicked.into())).map_err(storage)?;
        let (name, file) = begun.ok_or(OperationError::Crowded)?;
        let file = tokio::fs::File::from_std(file);
        let (dir, most) = (Arc::clone(&self.dir), self.config.max_bytes);
        Ok(Part { dir, name, file, received: 0, most })
    }

    fn create_part(&self) -> io::Result<Option<(String, File)>> {
        let _alone = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Millis::now();
        let is_full = || Ok::<_, io::Error>(self.dir.entries()?.count() >= self.config.max_count);
        if is_full()? && (self.remove_old(now)? == 0 || is_full()?) {
            return Ok(None);
        }
        let name = format!("{}.part", UploadId::until(now.after(self.config.timeout)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o640);
        let file = self.dir.open_with(&name, &options)?.into_std();
        Ok(Some((name, file)))
    }

    /// Opens upload `id`, and says how large it is; `None` when it is not there.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(crate) async fn open_file(
        &self,
        id: &UploadId,
    ) -> Result<Option<(File, u64)>, OperationError> {
        let (dir, name) = (Arc::clone(&self.dir), id.file_name());
        let opened = tokio::task::spawn_blocking(move || {
            let file = dir.open(name)?.into_std();
            let size = file.metadata()?.len();
            io::Result::Ok((file, size))
        });
        match opened.await.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage(error)),
        }
    }

    /// Removes upload `id`. Succeeds when it is gone.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(crate) async fn remove(&self, id: &UploadId) -> Result<(), OperationError> {
        let (dir, name) = (Arc::clone(&self.dir), id.file_name());
        let removed = tokio::task::spawn_blocking(move || gone(dir.remove_file(name))).await;
        removed.unwrap_or_else(|panicked| Err(panicked.into())).map_err(storage)
    }

    /// Removes what is over, whole or half; how much it was.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) async fn sweep(self: &Arc<Self>) -> io::Result<usize> {
        let uploads = Arc::clone(self);
        let swept = tokio::task::spawn_blocking(move || uploads.remove_old(Millis::now())).await;
        swept.unwrap_or_else(|panicked| Err(panicked.into()))
    }

    fn remove_old(&self, now: Millis) -> io::Result<usize> {
        let mut removed = 0;
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            if name.to_str().and_then(id_of).is_some_and(|id| id.is_over(now)) {
                gone(self.dir.remove_file(&name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// The time in a name of ours; nothing else is touched.
fn id_of(name: &str) -> Option<UploadId> {
    let (stem, "zip" | "part") = name.rsplit_once('.')? else { return None };
    UploadId::new(stem).ok()
}

impl Part {
    /// Writes on.
    ///
    /// # Errors
    ///
    /// [`OperationError::TooLarge`], and what the store says.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), OperationError> {
        self.received += bytes.len() as u64;
        if self.received > self.most {
            return Err(OperationError::TooLarge { size: self.received, most: self.most });
        }
        self.file.write_all(bytes).await.map_err(storage)
    }

    /// Lets what was written be upload `id`, durably.
    ///
    /// # Errors
    ///
    /// [`OperationError::Malformed`] when nothing was, and what the store says.
    pub(crate) async fn keep(&mut self, id: &UploadId) -> Result<u64, OperationError> {
        if self.received == 0 {
            return Err(OperationError::Malformed);
        }
        self.file.flush().await.map_err(storage)?;
        self.file.sync_all().await.map_err(storage)?;
        let (dir, from, to) = (Arc::clone(&self.dir), self.name.clone(), id.file_name());
        let kept = tokio::task::spawn_blocking(move || {
            dir.rename(from, &dir, to)?;
            // The name is durable with the directory.
            dir.open(".")?.sync_all()
        });
        kept.await.unwrap_or_else(|panicked| Err(panicked.into())).map_err(storage)?;
        Ok(self.received)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // One that was kept has another name by now.
        if let Err(error) = gone(self.dir.remove_file(&self.name)) {
            tracing::warn!(error = %chain(&error), "half an upload cannot be removed yet");
        }
    }
}

/// The end of a removal: it does not matter who removed it.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A full disk has a number of its own: somebody has to make room.
fn storage(error: io::Error) -> OperationError {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        OperationError::NoSpace(error)
    } else {
        OperationError::Store(error)
    }
}

#[cfg(test)]
mod tests;
