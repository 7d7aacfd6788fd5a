//! A private nats-server: its files, its start and its end. Knows no offering.

mod config;
mod permissions;

use std::path::PathBuf;
use std::time::Duration;

pub use config::{NatsConfig, NatsUser};
pub use permissions::{Permissions, Subjects, of_gateway, of_node};

use super::directory::{Directory, DirectoryError};
use super::http::HttpClient;
use super::process::{End, Launch, Process, ProcessError};

/// An empty one answers within 30 ms; one with 100,000 messages within 100 ms.
const READY_DEADLINE: Duration = Duration::from_secs(20);

/// What to start.
#[derive(Debug, Clone)]
pub struct NatsLaunch {
    /// For its log and messages.
    pub name: String,
    /// `nats-server`.
    pub program: PathBuf,
    /// Everything that it is told.
    pub config: NatsConfig,
    /// `setpriv`, where there is one.
    pub setpriv: Option<PathBuf>,
}

/// It cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// Its files cannot be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// A running server. Dropped, it is killed; what it acknowledged is on the disk.
#[derive(Debug)]
pub struct NatsServer {
    pub(crate) process: Process,
    url: String,
}

impl NatsServer {
    /// Starts a server whose files are in `folder`, and waits until JetStream answers.
    ///
    /// # Errors
    ///
    /// [`NatsError`] when its files cannot be written, or when it ends or does not answer.
    pub async fn start(folder: PathBuf, launch: NatsLaunch) -> Result<Self, NatsError> {
        Self::start_in(&Directory::open(&folder)?, launch).await
    }

    pub(crate) async fn start_in(
        directory: &Directory,
        launch: NatsLaunch,
    ) -> Result<Self, NatsError> {
        directory.create_dir("log")?;
        let file = format!("{}.conf", launch.name);
        let store = directory.at(&launch.name);
        directory.write(&file, launch.config.text(&store).as_bytes())?;
        let mut process = Launch {
            log: directory.at(format!("log/{}.log", launch.name)),
            name: launch.name,
            program: launch.program,
            arguments: vec!["-c".into(), directory.at(&file).into()],
            crash_at: None,
            user: None,
            setpriv: launch.setpriv,
        }
        .start()?;
        let health = format!("{}/healthz?js-enabled-only=true", launch.config.monitor_url());
        let client = HttpClient::new();
        process.ready(READY_DEADLINE, async || client.answers(&health).await).await?;
        Ok(Self { process, url: launch.config.url() })
    }

    /// For clients.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops it, and kills it when it has not stopped after `deadline`.
    pub async fn stop(self, deadline: Duration) {
        match self.process.stop(deadline).await {
            End::Orderly | End::Killed => (),
        }
    }
}
