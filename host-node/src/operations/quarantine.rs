//! Quarantine: instances that were purged go in, shut off, wait, and are removed, or are had back.

use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{OrphanItem, OrphanOutcome};
use tenon_protocol::{Fault, InstanceId};

use super::handles::everyone_of_ledger;
use super::moving::call_and_record;
use super::{internal_order, unprovision};
use crate::guest::{CallFacts, Disable, Enable, GuestFailure, Purge, wit};
use crate::ledger::{Access, InstanceEntry, InstancePhase, KnownBy, Note, QuarantineEntry};
use crate::offering::{Offering, ledger_fault};
use crate::quota::hold_or_doubt;

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
    suspend(offering, &id).await
}

/// Shuts an instance off, where the service knows how to. It need not succeed: what matters is
/// that nothing is lost.
///
/// # Errors
///
/// `Service unavailable` when the ledger cannot be written.
async fn suspend(offering: &Offering, id: &InstanceId) -> Result<(), Fault> {
    let found = offering.ledger.instance(offering.service(), id).map_err(ledger_fault)?;
    let present = found.filter(|found| found.phase == InstancePhase::Present);
    let Some(mut entry) = present.filter(|found| !found.is_suspended()) else { return Ok(()) };
    // First the ledger says so: whoever lets it out gives back what was revoked by then.
    entry.moving.access = Access::Suspended;
    let note = Note::Instance(offering.service().clone(), entry.clone());
    offering.ledger.put(note).await.map_err(ledger_fault)?;
    let call = Disable { everyone: everyone_of_ledger(offering, &entry)? };
    match call_and_record(offering, &CallFacts::internal("quarantine"), call, &entry).await {
        Ok(()) => Ok(()),
        Err(GuestFailure::NotOffered(_)) => {
            entry.moving.access = Access::Open;
            let note = Note::Instance(offering.service().clone(), entry);
            offering.ledger.put(note).await.map_err(ledger_fault)
        }
        Err(failure) => {
            tracing::warn!(instance = %id, %failure, "in quarantine, and not shut off");
            Ok(())
        }
    }
}

/// Gives back what [`suspend`] revoked.
///
/// # Errors
///
/// The guest's error; it stays in quarantine then, and whoever wants it may ask again.
async fn resume(offering: &Offering, id: &InstanceId) -> Result<(), Fault> {
    let found = offering.ledger.instance(offering.service(), id).map_err(ledger_fault)?;
    let present = found.filter(|found| found.phase == InstancePhase::Present);
    let Some(mut entry) = present.filter(InstanceEntry::is_suspended) else { return Ok(()) };
    let call = Enable { everyone: everyone_of_ledger(offering, &entry)? };
    entry.moving.access = Access::Open;
    let called = call_and_record(offering, &CallFacts::internal("quarantine"), call, &entry).await;
    called.map_err(|failure| failure.to_fault())?;
    hold_or_doubt(offering, &entry).await;
    Ok(())
}

/// Somebody orders something of an instance: if it was in quarantine, it has been had back.
///
/// # Errors
///
/// The guest's error, or `Service unavailable`: it would be removed in the end.
pub(crate) async fn claim(offering: &Offering, id: &InstanceId) -> Result<(), Fault> {
    if offering.quarantine.get(id).is_none() {
        return Ok(());
    }
    let _alone = offering.locks.exclusive(id).await;
    if let_out(offering, id).await? {
        let label = &offering.config.label;
        tracing::warn!(offering = label, instance = %id, "ordered again: out of quarantine");
    }
    Ok(())
}

/// For who claimed an instance and then waited for its lock: it may have been purged in between.
///
/// # Errors
///
/// Busy: the order is to be repeated.
pub(crate) fn check_out(offering: &Offering, id: &InstanceId) -> Result<(), Fault> {
    if offering.quarantine.get(id).is_some() { Err(Fault::busy()) } else { Ok(()) }
}

/// Whether an instance, whose lock the caller holds, was in.
async fn let_out(offering: &Offering, id: &InstanceId) -> Result<bool, Fault> {
    if offering.quarantine.get(id).is_none() {
        return Ok(false);
    }
    resume(offering, id).await?;
    offering.quarantine.end(id).await.map_err(ledger_fault)
}

/// Lets instances out, because an operator or a record says so.
///
/// # Errors
///
/// The guest's error, or `Service unavailable`; some may be out by then.
pub(crate) async fn release(
    offering: &Offering,
    instances: Vec<InstanceId>,
) -> Result<Vec<OrphanItem>, Fault> {
    let mut items = Vec::new();
    for id in instances {
        let _alone = offering.locks.exclusive(&id).await;
        let was_in = let_out(offering, &id).await?;
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
