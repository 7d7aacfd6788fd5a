//! The node: configuration → [`Node::build`] (opens and connects) → [`Node::run`] → drained.

mod parts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tenon_protocol::chain;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::parts::Parts;
pub use self::parts::{BuildError, Environment};
use crate::bus::{self, BusError, Connection};
use crate::component::{self, Registered};
use crate::config::{Config, Peers};
use crate::disabled;
use crate::duties::Duty;
use crate::guest::{CallFacts, Health, watch, wit};
use crate::health::{Page, router};
use crate::identity::Identity;
use crate::jobs;
use crate::maintenance::maintain;
use crate::offering::Offering;
use crate::operations::backup::keep_backups;
use crate::operations::quarantine::end_quarantine;
use crate::operations::resume::resume;
use crate::quota::{hold_all, police};

/// How often guests are asked how they are, and what is left is looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// How long a start waits for the plugins that are there.
const FIRST_LOAD: Duration = Duration::from_secs(120);

/// Asks a running node for a backup of everything.
#[derive(Clone)]
pub struct Backups(Arc<Vec<Arc<Offering>>>);

impl Backups {
    /// Has it begin. While one is taken, one more follows.
    pub fn take(&self) {
        if self.0.iter().all(|offering| offering.backups.is_none()) {
            tracing::warn!("a backup was asked for, and there is no [backups] dir for it");
        }
        self.0.iter().for_each(|offering| offering.backup_wanted.notify_one());
    }
}

/// A node that is ready to run.
pub struct Node {
    parts: Parts,
    listener: TcpListener,
    address: SocketAddr,
    components: Vec<Registered>,
    stop: CancellationToken,
}

impl Node {
    /// Opens ledger, stores and the pages. Nothing is served yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`] says which part could not be opened, and why.
    pub async fn build(config: Config, environment: Environment) -> Result<Self, BuildError> {
        install_tls();
        let listen = config.health.listen;
        let parts = Parts::open(config, environment)?;
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|source| BuildError::Listen { listen, source })?;
        let address = listener.local_addr();
        let address = address.map_err(|source| BuildError::Listen { listen, source })?;
        let components = component::bind(&parts.config, &parts.offerings).await;
        let components =
            components.map_err(|(listen, source)| BuildError::Listen { listen, source })?;
        Ok(Self { parts, listener, address, components, stop: CancellationToken::new() })
    }

    /// Where the health page listens.
    #[must_use]
    pub const fn health_address(&self) -> SocketAddr {
        self.address
    }

    /// Cancel it to drain and stop the node.
    #[must_use]
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// For an operator's wish.
    #[must_use]
    pub fn backups(&self) -> Backups {
        Backups(Arc::clone(&self.parts.offerings))
    }

    /// Serves until the stopper is cancelled, then drains: no new requests, those in flight end,
    /// within the configured time. Calls `ready` once requests are taken.
    ///
    /// # Errors
    ///
    /// [`BusError`] when the bus refuses what the node needs, or another process is this node.
    pub async fn run(self, ready: impl FnOnce() + Send) -> Result<(), BusError> {
        let Self { parts, listener, components, stop, .. } = self;
        let mut background = JoinSet::new();
        let page = Page { offerings: Arc::clone(&parts.offerings), guests: parts.guests.clone() };
        let quiet = stop.clone().cancelled_owned();
        background.spawn(async move {
            let served = axum::serve(listener, router(page)).with_graceful_shutdown(quiet).await;
            if let Err(error) = served {
                tracing::error!(error = %chain(&error), "the health page stopped");
            }
        });
        load_plugins(&parts, &mut background, &stop).await;
        let bus = bus::connect(&parts.config.nats, parts.name(), &stop).await?;
        let lost = Arc::new(AtomicBool::new(false));
        claim(&parts, &bus, &mut background, (&stop, &lost)).await?;
        for registered in components {
            background.spawn(registered.serve(bus.client.clone(), bus.connects.clone()));
        }
        if let Some(file) = parts.config.node.disabled_file.clone() {
            disabled::look(&file, &parts.offerings).await;
            background.spawn(disabled::watch(file, Arc::clone(&parts.offerings)));
        }
        let tasks = TaskTracker::new();
        let serving = serve(&parts, &bus, &mut background, (&tasks, &stop)).await?;
        ready();
        tracing::info!("the node serves");
        wait(serving, &stop).await;
        drain(&parts, &tasks, background).await;
        if lost.load(Ordering::Relaxed) { Err(BusError::Lost) } else { Ok(()) }
    }
}

/// Makes sure that no other process is one of our nodes (P19), before anything is done as one.
async fn claim(
    parts: &Parts,
    bus: &Connection,
    background: &mut JoinSet<()>,
    (stop, lost): (&CancellationToken, &Arc<AtomicBool>),
) -> Result<(), BusError> {
    let claims = parts.offerings.iter().map(|offering| Identity::claim(&bus.client, offering));
    for identity in futures_util::future::join_all(claims).await {
        background.spawn(identity?.hold(bus.client.clone(), stop.clone(), Arc::clone(lost)));
    }
    Ok(())
}

/// The TLS of everything in this process.
pub(crate) fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let installed = rustls::crypto::ring::default_provider().install_default();
        // Another thread was faster: it installed the same.
        tracing::debug!(first = installed.is_ok(), "TLS primitives installed");
    }
}

/// Starts the watchers, and waits until each plugin that is there serves or was refused.
async fn load_plugins(parts: &Parts, background: &mut JoinSet<()>, stop: &CancellationToken) {
    let mut first = JoinSet::new();
    for watched in &parts.watched {
        let once = watched.clone();
        first.spawn(async move {
            // The watcher reports what is wrong.
            drop(once.change().await);
        });
    }
    let all = async { while first.join_next().await.is_some() {} };
    if tokio::time::timeout(FIRST_LOAD, all).await.is_err() {
        tracing::warn!("a plugin takes long to load; the node starts without it");
    }
    for watched in parts.watched.iter().cloned() {
        background.spawn(watch(watched, stop.clone()));
    }
}

type Serving = JoinSet<()>;

/// Finishes what a crash left, then takes requests (P22: never before).
async fn serve(
    parts: &Parts,
    bus: &Connection,
    background: &mut JoinSet<()>,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) -> Result<Serving, BusError> {
    let mut serving = JoinSet::new();
    for offering in parts.offerings.iter() {
        check_health(offering).await;
        finish_loads(offering).await;
        let still = resume(offering, true).await;
        tracing::info!(offering = offering.config.label, ?still, "looked for what was left");
        offering.left_over.store(!matches!(still, Ok(0)), Ordering::Relaxed);
        hold_all(offering).await;
        let (client, offering) = (bus.client.clone(), Arc::clone(offering));
        if offering.config.peers == Peers::Native && offering.snapshots.is_some() {
            let (client, offering) = (client.clone(), Arc::clone(&offering));
            background.spawn(jobs::work(client, offering, tasks.clone(), stop.clone()));
        }
        if let Some(store) = offering.backups.clone() {
            background.spawn(keep_backups(Arc::clone(&offering), store, stop.clone()));
        }
        let every = Duration::from_secs(parts.config.node.look_interval_seconds);
        background.spawn(keep_house(Arc::clone(&offering), every, stop.clone()));
        background.spawn(maintain(Arc::clone(&offering), stop.clone()));
        background.spawn(police(Arc::clone(&offering), stop.clone()));
        let requests = bus::open(&client, &offering).await?;
        let (bus, tasks, stop) = (bus.clone(), tasks.clone(), stop.clone());
        serving.spawn(bus::serve(bus, requests, offering, tasks, stop));
    }
    Ok(serving)
}

async fn wait(mut serving: Serving, stop: &CancellationToken) {
    while let Some(ended) = serving.join_next().await {
        if let Err(panic) = ended {
            tracing::error!(%panic, "an offering stopped serving");
            stop.cancel();
        }
    }
}

async fn drain(parts: &Parts, tasks: &TaskTracker, mut background: JoinSet<()>) {
    let patience = Duration::from_secs(parts.config.node.drain_seconds);
    tasks.close();
    if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "requests were cut off; the next start finishes them");
    }
    for offering in parts.offerings.iter() {
        if tokio::time::timeout(patience, offering.steps.drained()).await.is_err() {
            tracing::warn!("a move was cut off; its gateway orders the step again");
        }
    }
    background.shutdown().await;
    let servers = Arc::clone(&parts.servers);
    let drained = parts.guests.spawn(async move { servers.drain().await });
    if tokio::time::timeout(patience, drained).await.is_err() {
        tracing::warn!("a database server is still busy; the next start finishes what it left");
    }
    tracing::info!("the node stopped");
}

/// Goes through the whole ledger at `every`, for tombs and what nothing else noticed.
async fn keep_house(offering: Arc<Offering>, every: Duration, stop: CancellationToken) {
    let mut looked = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HOUSEKEEPING) => {}
            () = offering.plugin.changed() => {}
        }
        check_health(&offering).await;
        finish_loads(&offering).await;
        end_quarantine(&offering).await;
        offering.duties.performed(Duty::Housekeeping);
        let left = offering.left_over.swap(false, Ordering::Relaxed);
        if left || looked.elapsed() > every {
            looked = tokio::time::Instant::now();
            look_for_left(&offering).await;
            offering.duties.performed(Duty::Look);
        }
    }
}

async fn look_for_left(offering: &Offering) {
    match resume(offering, false).await {
        Ok(still) => offering.left_over.store(still > 0, Ordering::Relaxed),
        Err(error) => {
            tracing::error!(error = %chain(&error), "the ledger cannot be read");
        }
    }
}

/// Finishes what a crash left of a restore, on the runtime that the connections belong to.
async fn finish_loads(offering: &Offering) {
    let Some(mysql) = offering.grants.mysql.clone() else { return };
    let work = offering.guests.spawn(async move { mysql.finish_interrupted_loads().await });
    if !matches!(work.await, Ok(0)) {
        tracing::warn!(offering = offering.config.label, "restores are still to be finished");
    }
}

/// Asks the guest how its service is; a change is announced, or silences the announcements.
async fn check_health(offering: &Offering) {
    let facts = CallFacts::internal("health");
    let report = offering.guests.call(&offering.plugin, &offering.grants, &facts, Health {}).await;
    let (well, detail) = match report {
        Ok(called) => (!matches!(called.output.status, wit::Health::Failed), called.output.detail),
        Err(failure) => (false, failure.to_string()),
    };
    if offering.well.swap(well, Ordering::Relaxed) != well {
        tracing::info!(offering = offering.config.label, well, detail, "health changed");
        offering.changed.notify_one();
    }
}
