//! The gateway as a whole: built, run, drained.

mod background;
pub(crate) use background::ReconcileRequest;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tenon_protocol::SealKey;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::adoptions::Adoptions;
use crate::bus::Bus;
use crate::cloud_controller::CloudController;
use crate::component::{self, Registered};
use crate::config::{Config, HttpConfig, OfferingConfig, SnapshotsConfig};
use crate::crash::Crash;
use crate::http::{Classic, Front, Limits, Preflight, Refusals, serve};
use crate::metrics::Metrics;
use crate::nats::Connection;
use crate::nodes::Nodes;
use crate::operations::Operations;
use crate::orphans::OrphanReports;
use crate::packages::Packages;
use crate::state;

/// Connections of operators.
const ADMIN_CONNECTIONS: usize = 64;
/// Passes that operators have asked for and that have not begun.
const RECONCILE_QUEUE: usize = 8;

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
#[error("the gateway cannot start")]
pub struct BuildError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// A gateway with its listeners bound and its store at hand.
pub struct Gateway {
    http: (TcpListener, Classic),
    admin: (TcpListener, Admin),
    ops: Arc<Operations>,
    background: background::Background,
    components: Vec<Registered>,
    addresses: Addresses,
    config: HttpConfig,
}

/// Where a gateway listens.
#[derive(Debug, Clone, Serialize)]
pub struct Addresses {
    /// For the platform.
    pub http: String,
    /// For operators.
    pub admin: String,
}

/// How a gateway ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything in flight was finished.
    Clean,
    /// Some of it was cut off; the records know.
    CutOff,
}

impl Gateway {
    /// Binds and connects.
    ///
    /// # Errors
    ///
    /// [`BuildError`] says what is missing.
    pub async fn build(config: Config, crash: Crash) -> Result<Self, BuildError> {
        Self::try_build(config, crash).await.map_err(BuildError)
    }

    async fn try_build(
        config: Config,
        crash: Crash,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        install_tls();
        let http_listener = bind("http.listen", config.http.listen).await?;
        let admin_listener = bind("admin.listen", config.admin.listen).await?;
        let addresses = Addresses {
            http: format!("http://{}", http_listener.local_addr()?),
            admin: format!("http://{}", admin_listener.local_addr()?),
        };
        let store = Connection::establish(&config.nats, "state").await?;
        let requests = Connection::establish(&config.nats, "requests").await?;
        let (records, jobs) = state::prepare(&store.client, &config.state).await?;
        let epoch = records.epoch_or_new().await?;
        let offerings: Vec<_> = config.offerings.into_iter().map(Arc::new).collect();
        let components = component::bind(&config.component, &offerings).await;
        let components = components.map_err(BindError::of_component)?;
        let own_url = config.http.public_url.clone().unwrap_or_else(|| addresses.http.clone());
        let cloud_controller = config.cloud_controller.as_ref();
        let cloud_controller = cloud_controller.map(|cc| CloudController::new(cc, &own_url));
        let known = if cloud_controller.is_some() { offerings.as_slice() } else { &[] };
        let adoptions = Adoptions::read(&records, known).await?;
        let packages = packages(config.snapshots.as_ref(), &config.state.seal_key, &own_url)?;
        let ops = Arc::new(Operations {
            offerings,
            records,
            jobs,
            bus: Bus::new(requests).with_store(epoch),
            nodes: Nodes::default(),
            orphans: OrphanReports::default(),
            cloud_controller: cloud_controller.transpose()?,
            adoptions,
            seal_key: config.state.seal_key,
            packages,
            job_life: config.state.job_life,
            crash,
            tasks: TaskTracker::new(),
        });
        let metrics = Arc::new(Metrics::default());
        let (asked, requests) = mpsc::channel(RECONCILE_QUEUE);
        let permits = Arc::new(Semaphore::new(config.http.max_in_flight));
        let admin = Admin::new(&ops, &metrics, &permits, config.admin.token, asked, store.clone());
        let classic = classic(&config.http, &ops, &metrics, permits, store);
        let background = background::Background {
            ops: Arc::clone(&ops),
            metrics,
            requests,
            reconcile_interval: config.state.reconcile_interval,
            reread_interval: config.state.reread_interval,
            cloud_controller: config.cloud_controller,
        };
        Ok(Self {
            http: (http_listener, classic),
            admin: (admin_listener, admin),
            ops,
            background,
            components,
            addresses,
            config: config.http,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Serves until `stop` is cancelled, and ends in order.
    pub async fn run(self, stop: CancellationToken) -> Drained {
        let connections = TaskTracker::new();
        let limits = |connections_at_once| Limits {
            connections: connections_at_once,
            stall: self.config.stall(),
            stop: stop.clone(),
            tasks: connections.clone(),
        };
        let (http, classic) = self.http;
        connections.spawn(serve(http, classic, limits(self.config.max_connections)));
        let (admin, service) = self.admin;
        connections.spawn(serve(admin, service, limits(ADMIN_CONNECTIONS)));
        for registered in self.components {
            let (ops, metrics) = (Arc::clone(&self.ops), Arc::clone(&self.background.metrics));
            let page = registered.serve(ops, metrics, limits(component::CONNECTIONS));
            connections.spawn(page);
        }
        let (background, advertising) = (TaskTracker::new(), TaskTracker::new());
        self.background.start(&background, &advertising, &stop);
        tracing::info!(http = self.addresses.http, admin = self.addresses.admin, "ready");

        stop.cancelled().await;
        tracing::info!("stopping");
        let drain = drain(&self.ops, &advertising, [&connections, &background]);
        let limit = Duration::from_secs(self.config.drain_seconds);
        match tokio::time::timeout(limit, drain).await {
            Ok(()) => Drained::Clean,
            Err(_elapsed) => {
                let operations = self.ops.tasks.len();
                tracing::warn!(operations, "stopped before everything in flight was finished");
                Drained::CutOff
            }
        }
    }
}

/// Tells the platform, and waits for everything in flight.
async fn drain(ops: &Arc<Operations>, advertising: &TaskTracker, tasks: [&TaskTracker; 2]) {
    ops.orphans.stop();
    advertising.close();
    advertising.wait().await;
    background::deactivate(ops).await;
    for tracker in tasks {
        tracker.close();
        tracker.wait().await;
    }
    ops.tasks.close();
    ops.tasks.wait().await;
}

fn classic(
    config: &HttpConfig,
    ops: &Arc<Operations>,
    metrics: &Arc<Metrics>,
    permits: Arc<Semaphore>,
    store: Connection,
) -> Classic {
    let served = Arc::clone(ops);
    let ready = move |offering: &OfferingConfig| {
        if !store.is_up() || !served.bus.is_up() {
            return Err("the bus or the records are away");
        }
        // An instance that nobody took over yet would be "not found", and forgotten for that.
        if served.adoptions.is_pending(&offering.service) {
            return Err("the cloud controller's handles have not been read yet");
        }
        Ok(())
    };
    let metrics = Arc::clone(metrics);
    let refusals = Arc::new(Refusals::new(Arc::clone(&metrics)));
    let preflight = Preflight::new(ops.offerings.clone(), ready, Arc::clone(&refusals));
    let stall = config.stall();
    let max_body = config.max_body_bytes;
    let front = Front { ops: Arc::clone(ops), metrics, refusals, permits, stall, max_body };
    Classic::new(preflight, Arc::new(front))
}

/// What users download, if anything.
fn packages(
    config: Option<&SnapshotsConfig>,
    seal_key: &SealKey,
    own_url: &str,
) -> Result<Option<Packages>, StoreError> {
    let opened = config.map(|snapshots| {
        Packages::open_store(snapshots, seal_key, own_url)
            .map_err(|source| StoreError { dir: snapshots.dir.clone(), source })
    });
    opened.transpose()
}

/// Why the store of snapshots cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("snapshots.dir = {} cannot be opened", dir.display())]
struct StoreError {
    dir: PathBuf,
    #[source]
    source: std::io::Error,
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key} = {address} cannot be bound")]
struct BindError {
    key: &'static str,
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

impl BindError {
    fn of_component((address, source): (SocketAddr, std::io::Error)) -> Self {
        Self { key: "component.listen", address, source }
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { key, address, source })
}

/// TLS needs one implementation of its primitives for the whole process.
pub(crate) fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let installed = rustls::crypto::ring::default_provider().install_default();
        // Another thread was faster: it installed the same.
        tracing::debug!(first = installed.is_ok(), "TLS primitives installed");
    }
}

/// Why the ready file is not there.
#[derive(Debug, thiserror::Error)]
#[error("the ready file {path} cannot be written")]
pub struct ReadyFileError {
    path: String,
    #[source]
    source: std::io::Error,
}

/// Writes `addresses` to `path`, for whoever started this process.
///
/// # Errors
///
/// [`ReadyFileError`].
pub async fn write_ready_file(path: &Path, addresses: &Addresses) -> Result<(), ReadyFileError> {
    let failed = |source| ReadyFileError { path: path.display().to_string(), source };
    let text = serde_json::to_vec(addresses).map_err(|error| failed(error.into()))?;
    // Written aside and renamed: whoever waits for it never reads half of it.
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    tokio::fs::write(&aside, text).await.map_err(failed)?;
    tokio::fs::rename(&aside, path).await.map_err(failed)
}
