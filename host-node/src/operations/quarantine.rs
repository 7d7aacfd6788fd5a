//! Quarantine: instances that were purged go in, wait, and are removed, or are had back.

use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{OrphanItem, OrphanOutcome};
use tenon_protocol::{Fault, InstanceId};

use super::{internal_order, unprovision};
use crate::guest::{CallFacts, Purge, wit};
use crate::ledger::{InstancePhase, KnownBy, QuarantineEntry};
use crate::offering::{Offering, ledger_fault};

/// How long an instance of `offering` is kept.
pub(super) fn period(offering: &Offering) -> Duration {
    Duration::from_secs(u64::from(offering.config.quarantine_hours) * 3_600)
}

/// Takes an instance in, whose lock the caller holds.
///
/// # Errors
///
/// `Service unavailable` when the ledger cannot be written.
pub(super) async fn admit(offering: &Offering, entry: QuarantineEntry) -> Result<(), Fault> {
    let (id, until) = (entry.instance.clone(), entry.until.to_iso8601());
    offering.quarantine.put(entry).await.map_err(ledger_fault)?;
    let label = &offering.config.label;
    tracing::warn!(offering = label, instance = %id, until, "purged: in quarantine until then");
    Ok(())
}

/// Somebody orders something of an instance: if it was in quarantine, it has been had back.
/// The caller holds its lock.
///
/// # Errors
///
/// `Service unavailable` when the ledger cannot be written: it would be removed in the end.
pub(crate) async fn claim(offering: &Offering, id: &InstanceId) -> Result<(), Fault> {
    if offering.quarantine.end(id).await.map_err(ledger_fault)? {
        let label = &offering.config.label;
        tracing::warn!(offering = label, instance = %id, "ordered again: out of quarantine");
    }
    Ok(())
}

/// Lets instances out, because an operator or a record says so.
///
/// # Errors
///
/// `Service unavailable` when the ledger cannot be written; some may be out by then.
pub(crate) async fn release(
    offering: &Offering,
    instances: Vec<InstanceId>,
) -> Result<Vec<OrphanItem>, Fault> {
    let mut items = Vec::new();
    for id in instances {
        let _alone = offering.locks.exclusive(&id).await;
        let was_in = offering.quarantine.end(&id).await.map_err(ledger_fault)?;
        tracing::info!(offering = offering.config.label, instance = %id, was_in, "released");
        let outcome = if was_in { OrphanOutcome::Released } else { OrphanOutcome::Gone };
        items.push(OrphanItem::of(id, outcome));
    }
    Ok(items)
}

/// Removes what has been in for its time. While other records are about than those that the node
/// obeys, nothing is: its purge may have been the mistake.
pub(crate) async fn end_quarantine(offering: &Offering) {
    if !offering.store.known().is_trusted() {
        return;
    }
    for entry in offering.quarantine.due(Millis::now()) {
        let _alone = offering.locks.exclusive(&entry.instance).await;
        // Had back while the lock was waited for.
        if offering.quarantine.get(&entry.instance).as_ref() != Some(&entry) {
            continue;
        }
        let id = &entry.instance;
        match remove(offering, &entry).await {
            Ok(()) => tracing::warn!(instance = %id, "removed after its time in quarantine"),
            Err(fault) => tracing::warn!(instance = %id, %fault, "still in quarantine"),
        }
    }
}

/// Removes a purged instance, whose lock the caller holds, and takes it out of quarantine.
///
/// # Errors
///
/// The guest's error, or `Service unavailable`; it is tried again.
pub(super) async fn remove(offering: &Offering, entry: &QuarantineEntry) -> Result<(), Fault> {
    let id = &entry.instance;
    let found = offering.ledger.instance(offering.service(), id).map_err(ledger_fault)?;
    let present = found.filter(|found| found.phase != InstancePhase::Gone);
    match (present, entry.known_by) {
        (Some(found), KnownBy::Ledger) if found.generation <= entry.generation => {
            let order = internal_order(id, found.generation);
            let removed = unprovision::remove(offering, &order, found.recorded, None).await;
            removed.map_err(|failure| failure.to_fault())?;
        }
        (None, KnownBy::Guest) => purge_stranger(offering, id).await?,
        // Gone by itself, or another one by now.
        (Some(_) | None, KnownBy::Ledger) | (Some(_), KnownBy::Guest) => {}
    }
    offering.quarantine.end(id).await.map_err(ledger_fault).map(drop)
}

/// The ledger has no entry: the service is told by the id alone.
async fn purge_stranger(offering: &Offering, id: &InstanceId) -> Result<(), Fault> {
    let instance = wit::InstanceRef {
        id: id.to_string(),
        plan: offering.config.plan.clone(),
        version: offering.config.versions.first().cloned().unwrap_or_default(),
    };
    let call = Purge { instances: vec![instance], bindings: Vec::new() };
    let called = offering.call(&CallFacts::internal("purge"), call).await;
    let called = called.map_err(|failure| failure.to_fault())?;
    let writes = called.writes;
    let applied = offering.ledger.update(move |book| book.apply_state(&writes)).await;
    applied.map_err(ledger_fault).map(drop)
}
