//! One look at our nodes. A second one is part of each purge.

use std::collections::BTreeMap;

use tenon_protocol::chain;
use tenon_protocol::message::{InventoryScope, OrphanAct};
use tenon_protocol::record::StoreMark;
use tenon_protocol::{InstanceId, NodeId};

use super::inventories;
use super::known::{claimed, known};
use crate::config::OfferingConfig;
use crate::operations::{Operations, tend_orphans};
use crate::orphans::Report;
use crate::state::StateError;

/// Compares, and has nodes let out of quarantine what was ordered after all.
pub(super) async fn check(ops: &Operations, offering: &OfferingConfig) -> Report {
    let mut report = Report::begin();
    let mark = match ops.records.mark().await {
        Ok(mark) => mark,
        Err(error) => return unreadable(report, &error),
    };
    let nodes = ops.nodes.ids(&offering.service);
    let asked = inventories(ops, offering, nodes, (InventoryScope::All, &mark)).await;
    let mut whole = Vec::new();
    for (node, inventory) in asked {
        match inventory {
            Ok(inventory) => whole.push((node, inventory)),
            Err(problem) => report.problems.push(format!("node {node}: {problem}")),
        }
    }
    let claimed = claimed(ops, offering).await;
    let known = match known(ops, offering).await {
        Ok(known) => known,
        Err(error) => return unreadable(report, &error),
    };
    let ordered = report.compare(&whole, &known);
    match claimed {
        Ok(Some(fetched)) => report.compare_platform(&fetched.names().collect(), &known),
        // There is no platform: the records know all.
        Ok(None) => {}
        Err(error) => report.leave_open(&chain(&error)),
    }
    release(ops, offering, &mark, ordered).await;
    report
}

fn unreadable(mut report: Report, error: &StateError) -> Report {
    report.problems.push(format!("records cannot be read: {}", chain(error)));
    report
}

async fn release(
    ops: &Operations,
    offering: &OfferingConfig,
    mark: &StoreMark,
    ordered: BTreeMap<NodeId, Vec<InstanceId>>,
) {
    for (node, instances) in ordered {
        let act = OrphanAct::Release { instances };
        match tend_orphans::order(ops, offering, &node, (mark.clone(), act)).await {
            Ok(items) => tracing::warn!(%node, released = items.len(), "ordered after all"),
            Err(error) => {
                tracing::warn!(%node, error = %chain(&error), "still in quarantine, though ordered")
            }
        }
    }
}
