//! What a gateway does unasked: listens to nodes, reconciles, keeps the platform informed.

mod handles;
mod offer;
mod orphans;

pub(super) use offer::deactivate;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::chain;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span};

use crate::config::CloudControllerConfig;
use crate::jitter::jittered;
use crate::metrics::{Duty, Metrics};
use crate::nodes;
use crate::operations::Operations;
use crate::operations::reconcile::{Counts, Eagerness, Reconciler};
use crate::questions;
use crate::uploads::Uploads;

/// How often it is looked which uploads are over.
const SWEEP_PAUSE: Duration = Duration::from_secs(15);

/// An operator wants a pass now; told what it did, or why it failed.
pub(crate) type ReconcileRequest = oneshot::Sender<Result<Counts, String>>;

/// What is needed for it.
pub(super) struct Background {
    pub(super) ops: Arc<Operations>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) requests: mpsc::Receiver<ReconcileRequest>,
    pub(super) reconcile_interval: Duration,
    pub(super) reread_interval: Duration,
    pub(super) cloud_controller: Option<CloudControllerConfig>,
}

impl Background {
    /// Starts it all in `tasks`, and what tells the platform in `advertising`; it ends with `stop`.
    pub(super) fn start(
        self,
        tasks: &TaskTracker,
        advertising: &TaskTracker,
        stop: &CancellationToken,
    ) {
        for offering in &self.ops.offerings {
            let (nodes, bus) = (self.ops.nodes.clone(), self.ops.bus.clone());
            tasks.spawn(nodes::listen(nodes, Arc::clone(offering), bus, stop.clone()));
            let ops = Arc::clone(&self.ops);
            tasks.spawn(questions::answer(ops, Arc::clone(offering), stop.clone()));
            let (Some(config), Some(client)) =
                (self.cloud_controller.clone(), self.ops.cloud_controller.clone())
            else {
                continue;
            };
            let span = || info_span!("platform", offering = offering.label.as_str());
            let (ops, of) = (Arc::clone(&self.ops), Arc::clone(offering));
            let fetch = handles::fetch(ops, of, client.clone(), config.clone());
            let metrics = Arc::clone(&self.metrics);
            let fetch = async move {
                fetch.await;
                metrics.performed(Duty::Handles);
            };
            tasks.spawn(until(stop.clone(), fetch.instrument(span())));
            let interval = config.heartbeat_interval;
            let (ops, offering) = (Arc::clone(&self.ops), Arc::clone(offering));
            let metrics = Arc::clone(&self.metrics);
            let offer = offer::offer(ops, offering, (client, metrics), interval, stop.clone());
            advertising.spawn(offer.instrument(span()));
        }
        let packages = self.ops.packages.as_ref();
        if let Some(uploads) = packages.and_then(|packages| packages.uploads.clone()) {
            tasks.spawn(until(stop.clone(), sweep(uploads)));
        }
        orphans::start(&self.ops, &self.metrics, tasks, stop);
        let reconciler = Reconciler::new(self.ops, self.metrics, self.reread_interval);
        let reconcile = reconcile(reconciler, self.requests, self.reconcile_interval, stop.clone());
        tasks.spawn(reconcile.instrument(info_span!("reconcile")));
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Passes at the interval, and when asked.
async fn reconcile(
    mut reconciler: Reconciler,
    mut requests: mpsc::Receiver<ReconcileRequest>,
    interval: Duration,
    stop: CancellationToken,
) {
    loop {
        let (eagerness, asker) = tokio::select! {
            () = stop.cancelled() => return,
            request = requests.recv() => match request {
                Some(asker) => (Eagerness::Eager, Some(asker)),
                None => return,
            },
            () = tokio::time::sleep(jittered(interval)) => {
                (Eagerness::Patient, None)
            }
        };
        let result = reconciler.pass(eagerness).await;
        if let Err(error) = &result {
            tracing::warn!(error = %chain(error), "records could not be gone through");
        }
        if let Some(asker) = asker
            && asker.send(result.map_err(|error| chain(&error).to_string())).is_err()
        {
            tracing::debug!("whoever asked for a pass is gone");
        }
    }
}

/// Removes uploads whose time is over, and what a gateway that died left of others.
async fn sweep(uploads: Arc<Uploads>) {
    loop {
        match uploads.sweep().await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "uploads are over"),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "uploads cannot be gone through");
            }
        }
        tokio::time::sleep(jittered(SWEEP_PAUSE)).await;
    }
}
