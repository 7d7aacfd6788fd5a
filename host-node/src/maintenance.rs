//! Maintenance: work that guests ask for on a schedule of their own.

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::chain;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::guest::{CallFacts, Maintain, Tasks};
use crate::offering::Offering;

/// Shortest interval that is kept; a guest that asks for less gets this.
const LEAST: Duration = Duration::from_secs(1);

/// How long to wait when a plugin wants nothing, or is not there.
const NOTHING: Duration = Duration::from_secs(60);

/// Most tasks of one plugin; the rest is ignored, and said so.
const MAX_TASKS: usize = 16;

/// A task and when it is due.
struct Due {
    name: String,
    every: Duration,
    at: Instant,
}

/// Calls the guest's maintenance tasks until `stop`. A new generation is asked anew.
pub(crate) async fn maintain(offering: Arc<Offering>, stop: CancellationToken) {
    let mut tasks = tasks(&offering).await;
    loop {
        let next = tasks.iter().map(|task| task.at).min();
        let next = next.unwrap_or_else(|| Instant::now() + NOTHING);
        tokio::select! {
            () = stop.cancelled() => return,
            () = offering.plugin.changed() => tasks = self::tasks(&offering).await,
            () = tokio::time::sleep_until(next) => run_due(&offering, &mut tasks).await,
        }
    }
}

async fn tasks(offering: &Offering) -> Vec<Due> {
    let facts = CallFacts::internal("tasks");
    let asked = offering.guests.call(&offering.plugin, &offering.grants, &facts, Tasks).await;
    let wanted = asked.map(|called| called.output).unwrap_or_default();
    if wanted.len() > MAX_TASKS {
        tracing::warn!(offering = offering.config.label, wanted = wanted.len(), "too many tasks");
    }
    let due = |(name, seconds): (String, u32)| {
        let every = Duration::from_secs(seconds.into()).max(LEAST);
        Due { name, every, at: Instant::now() + every }
    };
    wanted.into_iter().take(MAX_TASKS).map(due).collect()
}

async fn run_due(offering: &Offering, tasks: &mut [Due]) {
    let now = Instant::now();
    for task in tasks.iter_mut().filter(|task| task.at <= now) {
        let call = Maintain { task: task.name.clone() };
        // A failure is in the log already; the task comes round again.
        if let Ok(called) = offering.call(&CallFacts::internal(&task.name), call).await
            && !called.writes.writes.is_empty()
        {
            let writes = called.writes;
            let applied = offering.ledger.update(move |book| book.apply_state(&writes)).await;
            if let Err(error) = applied {
                tracing::error!(error = %chain(&error), "the state of a maintenance task was not recorded");
            }
        }
        task.at = Instant::now() + task.every;
    }
}
