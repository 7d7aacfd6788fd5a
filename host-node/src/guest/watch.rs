//! Watching the directory of plugins: a changed file becomes the next generation.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, MetadataExt};
use tenon_protocol::chain;
use tokio_util::sync::CancellationToken;

use super::call::Guests;
use super::compile::Compiler;
use super::generation::Generation;
use super::load::{LoadError, load, read};
use super::plugin::Plugin;
use super::store::Grants;

/// How often a file is looked at. A look is one `stat`.
const LOOK: Duration = Duration::from_millis(200);

/// What tells one version of a file from the next without reading it.
type Mark = (u64, u64, Option<SystemTime>);

/// What a watcher needs.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) guests: Guests,
    pub(crate) compiler: Compiler,
    pub(crate) dir: Arc<Dir>,
    /// How long a replaced generation may finish its calls.
    pub(crate) patience: Duration,
}

/// Loads the plugin now, and again whenever its file changes, until `stop`.
///
/// A file that cannot be loaded is reported once; the generation that serves stays.
pub(crate) async fn watch(watched: Watched, stop: CancellationToken) {
    let mut seen = None;
    loop {
        let now = mark(&watched.dir, watched.plugin.label());
        // A file that was taken away changes nothing: what serves goes on serving.
        if now.is_some() && now != seen {
            report(&watched, watched.change().await);
        }
        seen = now;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Watched {
    /// Loads what the file holds now, and lets it serve. `None` when it serves already.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; what served before goes on serving.
    pub(crate) async fn change(&self) -> Result<Option<usize>, LoadError> {
        let (wasm, sha256) = read(&self.dir, self.plugin.label())?;
        if self.plugin.current().is_some_and(|current| current.sha256 == sha256) {
            return Ok(None);
        }
        let next = load(&self.guests, &self.compiler, &self.grants, &wasm, &sha256).await?;
        Ok(Some(self.plugin.swap(next, self.patience).await))
    }
}

impl Watched {
    /// Loads what the file holds now once more, without letting it serve.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub(crate) async fn reload(&self) -> Result<Arc<Generation>, LoadError> {
        let (wasm, sha256) = read(&self.dir, self.plugin.label())?;
        load(&self.guests, &self.compiler, &self.grants, &wasm, &sha256).await
    }
}

fn mark(dir: &Dir, label: &str) -> Option<Mark> {
    let metadata = dir.metadata(format!("{label}.wasm")).ok()?;
    let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
    Some((metadata.ino(), metadata.len(), modified))
}

fn report(watched: &Watched, change: Result<Option<usize>, LoadError>) {
    let plugin = watched.plugin.label();
    match change {
        Ok(None) => {}
        Ok(Some(ended)) => {
            let sha256 = watched.plugin.current().map(|now| now.sha256.clone()).unwrap_or_default();
            tracing::info!(plugin, sha256, ended, "a plugin was loaded and serves");
        }
        Err(error) => {
            tracing::warn!(plugin, error = %chain(&error), "a plugin was refused; what served before serves on");
        }
    }
}
