//! Takes over what a cloud controller has of an offering, until it worked once.

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::chain;
use tenon_protocol::complaints::Complaints;
use tokio::time::Instant;

use crate::cloud_controller::CloudController;
use crate::config::{CloudControllerConfig, OfferingConfig};
use crate::jitter::jittered;
use crate::operations::Operations;
use crate::operations::adopt_handles::adopt_handles;

/// Pauses that double from one to the other.
struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// From the interval of fetches to that of heartbeats: a cloud controller that does not answer,
    /// or has what it has as somebody else's, is not asked more often than it is told.
    fn of(config: &CloudControllerConfig) -> Self {
        let next = config.handle_fetch_interval;
        Self { next, longest: config.heartbeat_interval.max(next) }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }
}

/// Asks `client` until all was taken over.
pub(super) async fn fetch(
    ops: Arc<Operations>,
    offering: Arc<OfferingConfig>,
    client: CloudController,
    config: CloudControllerConfig,
) {
    let (mut pauses, mut told) = (Pauses::of(&config), Complaints::default());
    if ops.adoptions.is_pending(&offering.service) {
        tracing::warn!("not served until the cloud controller's handles have been read once");
    }
    while let Err(error) = take_over(&ops, &offering, &client).await {
        let why = chain(&*error).to_string();
        let pause = pauses.next();
        if told.is_due(why.clone(), Instant::now().into_std()) {
            tracing::warn!(error = why, "no handles yet");
        } else {
            tracing::debug!(error = why, ?pause, "no handles yet");
        }
        hear_of_another(&ops, &offering).await;
        tokio::time::sleep(jittered(pause)).await;
    }
}

/// Another gateway may have taken them over.
async fn hear_of_another(ops: &Operations, offering: &OfferingConfig) {
    if !ops.adoptions.is_pending(&offering.service) {
        return;
    }
    match ops.records.platform(&offering.service).await {
        Ok(Some(_)) => {
            tracing::info!("another gateway has read the handles");
            ops.adoptions.done(&offering.service);
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(error = %chain(&error), "records are away"),
    }
}

async fn take_over(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    client: &CloudController,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let began = Instant::now();
    let fetched = client.handles(offering).await?;
    let fetch_seconds = began.elapsed().as_secs_f64();
    let (adopted, odd) = adopt_handles(ops, offering, &fetched).await?;
    client.tell(offering, &odd);
    let adopt_seconds = began.elapsed().as_secs_f64() - fetch_seconds;
    let unreadable = fetched.unreadable();
    tracing::info!(?adopted, unreadable, fetch_seconds, adopt_seconds, "handles fetched");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_interval_of_heartbeats() {
        let text = include_str!("../../../testdata/gateway.toml");
        let config = crate::Config::parse(text, std::path::Path::new("gw.toml")).unwrap();
        let mut config = config.cloud_controller.unwrap();
        let seconds = |config: &CloudControllerConfig| {
            let mut pauses = Pauses::of(config);
            (0..8).map(|_| pauses.next().as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(seconds(&config), [1, 2, 4, 8, 16, 32, 60, 60]);
        config.handle_fetch_interval = Duration::from_secs(90);
        assert_eq!(seconds(&config), [90; 8]);
    }
}
