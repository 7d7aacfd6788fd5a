//! Check orphans: what nodes have, against the records, and the records against the platform.
//!
//! Our nodes are looked at once: they are asked first and records are read afterwards. An intent is
//! written before the deed, so whatever a node has by then is in a record, or was not ordered.
//! Original nodes are looked at twice.

mod inventory;
mod known;
mod native;
mod original;

use std::sync::Arc;

pub(super) use inventory::inventories;
pub(super) use known::{claimed, listed};
pub(crate) use original::listen;

use super::{OperationError, Operations};
use crate::config::{OfferingConfig, Peers};
use crate::orphans::{Report, Turn};
use crate::sender::going_on;

/// Begins a check of `offering`; its report appears in the admin interface. While one runs, it is
/// that one.
///
/// # Errors
///
/// [`OperationError::Away`] when nodes cannot be asked.
pub(crate) fn check_orphan(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
) -> Result<Turn, OperationError> {
    ops.check_up()?;
    if ops.orphans.begin(&offering.service) == Turn::Taken {
        return Ok(Turn::Taken);
    }
    let (ops, offering) = (Arc::clone(ops), Arc::clone(offering));
    let tasks = ops.tasks.clone();
    let work = async move {
        let report = tokio::select! {
            report = check(&ops, &offering) => report,
            () = ops.orphans.stopped() => return,
        };
        say(&report);
        ops.orphans.end(&offering.service, report);
    };
    tasks.spawn(going_on(work));
    Ok(Turn::Yours)
}

async fn check(ops: &Operations, offering: &OfferingConfig) -> Report {
    match offering.peers {
        Peers::Native => native::check(ops, offering).await,
        Peers::Original => original::check(ops, offering).await,
    }
}

fn say(report: &Report) {
    tracing::info!(
        orphan_instances = report.orphan_instances.values().map(Vec::len).sum::<usize>(),
        strangers = report.strangers.values().map(Vec::len).sum::<usize>(),
        orphan_bindings = report.orphan_bindings.values().map(Vec::len).sum::<usize>(),
        missing_instances = report.missing_instances.values().map(Vec::len).sum::<usize>(),
        problems = ?report.problems,
        "orphans checked"
    );
}
