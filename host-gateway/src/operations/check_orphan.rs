//! Check orphans: what nodes have, against the records, and the records against the platform.
//!
//! Nodes are asked first and records are read afterwards: an intent is written before the deed, so
//! whatever a node has by then is in a record, or was not ordered.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    InventoryInstance, InventoryPage, InventoryRequest, NodeHandlesReport,
};
use tenon_protocol::record::{BindingRecord, InstanceRecord};
use tenon_protocol::{Generation, InstanceId, NodeId, subject};
use tracing::{Instrument, Span};

use super::{OperationError, Operations};
use crate::config::{OfferingConfig, Peers};
use crate::orphans::{Inventory, Known, KnownInstance, Report, Turn};
use crate::state::{StateError, decode};

/// Most pages of one node; more is a node that does not end.
const MAX_PAGES: usize = 10_000;
/// How long reports of original nodes are collected: they cannot say that they are complete.
const REPORT_WINDOW: Duration = Duration::from_secs(5);
/// Records that are read at once.
const PAGE: usize = 500;

/// What each node has; `Err` says why it is not known.
type Inventories = Vec<(NodeId, Result<Inventory, String>)>;

/// Begins a check of `offering`; its report appears in the admin interface. While one runs, it is
/// that one.
///
/// # Errors
///
/// [`OperationError::Away`] when nodes cannot be asked.
pub(crate) fn check_orphan(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
) -> Result<(), OperationError> {
    ops.check_up()?;
    if ops.orphans.begin(&offering.service) == Turn::Taken {
        return Ok(());
    }
    let (ops, offering) = (Arc::clone(ops), Arc::clone(offering));
    let tasks = ops.tasks.clone();
    let work = async move {
        let report = check(&ops, &offering).await;
        tracing::info!(
            orphan_instances = report.orphan_instances.values().map(Vec::len).sum::<usize>(),
            strangers = report.strangers.values().map(Vec::len).sum::<usize>(),
            orphan_bindings = report.orphan_bindings.values().map(Vec::len).sum::<usize>(),
            missing_instances = report.missing_instances.values().map(Vec::len).sum::<usize>(),
            problems = report.problems.len(),
            "orphans checked"
        );
        ops.orphans.end(&offering.service, report);
    };
    tasks.spawn(work.instrument(Span::current()));
    Ok(())
}

async fn check(ops: &Operations, offering: &OfferingConfig) -> Report {
    let mut report = Report::begin();
    let inventories = match offering.peers {
        Peers::Native => inventories(ops, offering).await,
        Peers::Original => {
            report.problems.push("original nodes cannot say that a report is complete".to_owned());
            collect_reports(ops, offering).await
        }
    };
    let claimed = claimed(ops, offering, &mut report).await;
    let known = match known(ops, offering).await {
        Ok(known) => known,
        Err(error) => {
            report.problems.push(format!("records cannot be read: {error}"));
            return report;
        }
    };
    for (node, inventory) in inventories {
        match inventory {
            Ok(inventory) => report.compare(&node, &inventory, &known),
            Err(problem) => report.problems.push(format!("node {node}: {problem}")),
        }
    }
    if let Some(claimed) = claimed {
        report.compare_platform(&claimed, &known);
    }
    report
}

/// Ids of instances that the platform has; `None` when there is none, or it cannot be asked.
async fn claimed(
    ops: &Operations,
    offering: &OfferingConfig,
    report: &mut Report,
) -> Option<HashSet<String>> {
    let cloud_controller = ops.cloud_controller.as_ref()?;
    match cloud_controller.handles(offering).await {
        Ok(fetched) if fetched.unreadable == 0 => Some(
            fetched.instances().chain(fetched.bindings()).map(|handle| handle.service_id).collect(),
        ),
        Ok(fetched) => {
            let problem =
                format!("{} handles of the cloud controller cannot be read", fetched.unreadable);
            report.problems.push(problem);
            None
        }
        Err(error) => {
            report.problems.push(format!("the cloud controller's handles: {error}"));
            None
        }
    }
}

async fn inventories(ops: &Operations, offering: &OfferingConfig) -> Inventories {
    let mut inventories = Vec::new();
    for node in ops.nodes.ids(&offering.service) {
        let inventory = inventory(ops, offering, &node).await;
        inventories.push((node, inventory));
    }
    inventories
}

/// All pages of one node, or none.
async fn inventory(
    ops: &Operations,
    offering: &OfferingConfig,
    node: &NodeId,
) -> Result<Inventory, String> {
    let subject = subject::inventory(&offering.service, node);
    let mut all = Inventory::default();
    let mut request = InventoryRequest { after: None };
    for _page in 0..MAX_PAGES {
        let page: InventoryPage = ops
            .bus
            .ask(&subject, &request, offering.node_timeout)
            .await
            .map_err(|error| error.to_string())?;
        all.instances.extend(page.instances);
        all.strangers.extend(page.strangers);
        match page.next {
            None => return Ok(all),
            Some(next) => request.after = Some(next),
        }
    }
    Err(format!("more than {MAX_PAGES} pages"))
}

async fn collect_reports(ops: &Operations, offering: &OfferingConfig) -> Inventories {
    let client = &ops.bus.connection().client;
    let reports = client.subscribe(subject::node_handles_shared(&offering.service)).await;
    let Ok(mut reports) = reports else {
        return Vec::new();
    };
    let question = bytes::Bytes::from_static(b"Send Me Handles");
    if let Err(error) = ops.bus.tell(subject::check_orphan(&offering.service), question).await {
        tracing::warn!(%error, "nodes were not asked what they have");
    }
    let mut inventories = Inventories::new();
    let window = tokio::time::sleep(REPORT_WINDOW);
    let mut window = std::pin::pin!(window);
    loop {
        tokio::select! {
            () = window.as_mut() => return inventories,
            message = reports.next() => {
                let Some(message) = message else { return inventories };
                match serde_json::from_slice::<NodeHandlesReport>(&message.payload) {
                    Ok(report) => take_report(&mut inventories, report),
                    Err(error) => tracing::debug!(%error, "a report cannot be read"),
                }
            }
        }
    }
}

fn take_report(inventories: &mut Inventories, report: NodeHandlesReport) {
    let ids = report.instances_list.into_iter().filter_map(|id| InstanceId::new(id).ok());
    let seen = ids.map(|id| InventoryInstance {
        id,
        generation: Generation::default(),
        created: Millis::default(),
        bindings: Vec::new(),
    });
    match inventories.iter_mut().find(|(node, _)| *node == report.node_id) {
        Some((_, Ok(all))) => all.instances.extend(seen),
        Some((_, Err(_))) => {}
        None => {
            let all = Inventory { instances: seen.collect(), strangers: Vec::new() };
            inventories.push((report.node_id, Ok(all)));
        }
    }
}

async fn known(ops: &Operations, offering: &OfferingConfig) -> Result<Known, StateError> {
    let mut known = Known::default();
    for bucket in ops.records.buckets() {
        let mut from = Some(1);
        while let Some(start) = from {
            let page = bucket.page(">", start, PAGE).await?;
            for entry in &page.entries {
                if entry.key.starts_with("inst.") {
                    let record = decode::<InstanceRecord>(entry)?.record;
                    let InstanceRecord { id, service, created, life, .. } = record;
                    if service == offering.service {
                        known.instances.insert(id, KnownInstance { life, created });
                    }
                } else if entry.key.starts_with("bind.") {
                    let record = decode::<BindingRecord>(entry)?.record;
                    if record.service == offering.service {
                        known.bindings.insert((record.instance, record.id), record.life.phase);
                    }
                }
            }
            from = page.next;
        }
    }
    Ok(known)
}
