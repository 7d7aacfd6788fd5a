//! Orphans are looked for at an interval, and reports of original nodes are listened to.

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::chain;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span};

use super::until;
use crate::config::{OfferingConfig, Peers};
use crate::jitter::jittered;
use crate::metrics::{Duty, Metrics};
use crate::operations::Operations;
use crate::operations::check_orphan::{check_orphan, listen};
use crate::orphans::Turn;

/// Starts it for all offerings; it ends with `stop`.
pub(super) fn start(
    ops: &Arc<Operations>,
    metrics: &Arc<Metrics>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    for offering in &ops.offerings {
        let span = || info_span!("orphans", offering = offering.label.as_str());
        if offering.peers == Peers::Original {
            let (ops, offering) = (Arc::clone(ops), Arc::clone(offering));
            let listening = async move { listen(&ops, &offering).await };
            tasks.spawn(until(stop.clone(), listening.instrument(span())));
        }
        if let Some(interval) = offering.check_orphan_interval {
            let (ops, metrics) = (Arc::clone(ops), Arc::clone(metrics));
            let checks = check_at(ops, metrics, Arc::clone(offering), interval);
            tasks.spawn(until(stop.clone(), checks.instrument(span())));
        }
    }
}

/// If gateways meet, nothing is harmed.
async fn check_at(
    ops: Arc<Operations>,
    metrics: Arc<Metrics>,
    offering: Arc<OfferingConfig>,
    interval: Duration,
) {
    loop {
        tokio::time::sleep(jittered(interval)).await;
        match check_orphan(&ops, &offering) {
            Ok(Turn::Yours) => metrics.performed(Duty::CheckOrphan),
            Ok(Turn::Taken) => {}
            Err(error) => tracing::warn!(error = %chain(&error), "orphans were not checked"),
        }
    }
}
