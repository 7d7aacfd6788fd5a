//! Tells the platform that an offering can be ordered; and that it cannot, when the last gateway
//! that serves it stops.
//!
//! No notice of a gateway that leaves comes last while another one serves: it asks first, and
//! whoever joins meanwhile hears when it has left, and tells the platform once more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenon_protocol::chain;
use tenon_protocol::complaints::Complaints;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::jittered;
use crate::cloud_controller::{CloudController, Presence};
use crate::config::OfferingConfig;
use crate::metrics::{Duty, Metrics};
use crate::operations::advertise::advertise;
use crate::operations::{OperationError, Operations};
use crate::siblings::{Others, Siblings};

/// How often it is looked whether the first node of an offering is there.
const FIRST_NODE_PAUSE: Duration = Duration::from_millis(200);
/// How long a platform may take to hear that the gateway leaves.
const DEACTIVATION: Duration = Duration::from_secs(3);

/// Tells the platform of `offering` once it can be ordered, again at each interval, and when another
/// gateway has left; until `stop`.
pub(super) async fn offer(
    ops: Arc<Operations>,
    offering: Arc<OfferingConfig>,
    (client, metrics): (CloudController, Arc<Metrics>),
    interval: Duration,
    stop: CancellationToken,
) {
    let served = async {
        // Advertised before it can be served, an offer fails its first users (P37).
        while !ops.bus.is_up()
            || ops.adoptions.is_pending(&offering.service)
            || ops.nodes.offers(&offering.service).is_empty()
        {
            tokio::time::sleep(FIRST_NODE_PAUSE).await;
        }
        siblings(&ops, &offering).join().await
    };
    let answering = tokio::select! {
        () = stop.cancelled() => return,
        answering = served => answering,
    };
    tracing::info!("offered from now on");
    let left = Notify::new();
    let heartbeats = async {
        let (mut told, mut complaints) = (Vec::new(), Complaints::default());
        loop {
            match advertise(&ops, &offering, &client, Presence::Here).await {
                Ok(kept) => {
                    if kept != told {
                        tracing::warn!(
                            ?kept,
                            "told of plans that are not configured: they have instances, or had until lately"
                        );
                        told = kept;
                    }
                    metrics.performed(Duty::Heartbeat);
                    // What fails from now on is news.
                    complaints = Complaints::default();
                    tracing::debug!("heartbeat");
                }
                Err(error) => complain(&mut complaints, &error),
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(interval)) => {}
                () = left.notified() => tracing::info!("another gateway left"),
            }
        }
    };
    tokio::select! {
        () = heartbeats => {}
        () = answering.answer(&left, &stop) => {}
    }
}

/// Says once an hour what a heartbeat fails of, while it does.
fn complain(complaints: &mut Complaints<String>, error: &OperationError) {
    let error = chain(error).to_string();
    if complaints.is_due(error.clone(), Instant::now()) {
        tracing::warn!(error, "heartbeat failed");
    } else {
        tracing::debug!(error, "heartbeat failed");
    }
}

/// Tells the platform that nothing can be ordered any more, unless another gateway serves it. This
/// one must have stopped to advertise.
pub(in crate::gateway) async fn deactivate(ops: &Operations) {
    let Some(client) = &ops.cloud_controller else {
        return;
    };
    // What was never served was never told.
    let served = ops.offerings.iter().filter(|of| !ops.adoptions.is_pending(&of.service));
    let notices = served.map(async |offering| {
        let siblings = siblings(ops, offering);
        match siblings.ask().await {
            Others::Serve => {
                tracing::info!(offering = offering.label, "another gateway goes on serving it");
            }
            Others::None => tell_leaving(ops, offering, client).await,
        }
        siblings.tell_left().await;
    });
    futures_util::future::join_all(notices).await;
}

async fn tell_leaving(ops: &Operations, offering: &Arc<OfferingConfig>, client: &CloudController) {
    let notice = advertise(ops, offering, client, Presence::Leaving);
    match tokio::time::timeout(DEACTIVATION, notice).await {
        Ok(Ok(_kept)) => tracing::info!(offering = offering.label, "deactivated"),
        Ok(Err(error)) => {
            tracing::warn!(error = %chain(&error), offering = offering.label, "deactivation failed");
        }
        Err(_elapsed) => {
            tracing::warn!(offering = offering.label, "deactivation took too long");
        }
    }
}

fn siblings(ops: &Operations, offering: &OfferingConfig) -> Siblings {
    Siblings::of(&ops.bus.connection().client, &offering.service)
}
