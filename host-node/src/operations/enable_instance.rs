//! Enable: a move is called off, and everybody has the access back that was revoked.

use tenon_protocol::Fault;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::HandlePair;

use super::Task;
use super::handles::everyone;
use super::moving::{call_and_record, long_facts, present};
use crate::guest::{Enable, Everyone, GuestFailure};
use crate::ledger::{Access, InstanceEntry, Note};
use crate::offering::{Offering, ledger_fault};
use crate::quota::hold_or_doubt;

/// Lets everybody into the instance that `task` names.
///
/// # Errors
///
/// A numbered error; the instance stays suspended then.
pub(crate) async fn enable_instance(
    offering: &Offering,
    task: &Task,
    pair: &HandlePair,
) -> Result<(), Fault> {
    let _alone = offering.locks.exclusive(&task.order.instance).await;
    let entry = present(offering, task)?;
    // What a late order to disable it would meet, also when there is nothing else to do.
    let entry = raise_fence(offering, task, entry).await?;
    if task.recorded && !entry.is_suspended() {
        return Ok(());
    }
    offering.crash.point("enable.begun");
    let everyone = everyone(offering, &entry, pair)?;
    let mut open = entry.clone();
    open.moving.access = Access::Open;
    open.changed = Millis::now();
    match call(offering, task, everyone, &entry, &open).await {
        Ok(()) => {}
        // Who cannot shut anybody out has shut out nobody: only the ledger says "suspended".
        Err(GuestFailure::NotOffered(_)) => {
            let note = Note::Instance(offering.service().clone(), open.clone());
            offering.ledger.put(note).await.map_err(ledger_fault)?;
        }
        Err(failure) => return Err(failure.to_fault()),
    }
    hold_or_doubt(offering, &open).await;
    offering.crash.point("enable.recorded");
    tracing::info!(offering = offering.config.label, instance = %open.id, "enabled");
    Ok(())
}

/// Gives everybody access; only when all have it again, the ledger says so.
async fn call(
    offering: &Offering,
    task: &Task,
    everyone: Everyone,
    suspended: &InstanceEntry,
    open: &InstanceEntry,
) -> Result<(), GuestFailure> {
    let mut parts = everyone.in_parts().into_iter().peekable();
    while let Some(part) = parts.next() {
        let entry = if parts.peek().is_some() { suspended } else { open };
        call_and_record(offering, &long_facts(task), Enable { everyone: part }, entry).await?;
    }
    Ok(())
}

async fn raise_fence(
    offering: &Offering,
    task: &Task,
    mut entry: InstanceEntry,
) -> Result<InstanceEntry, Fault> {
    if task.order.generation > entry.generation {
        entry.generation = task.order.generation;
        let note = Note::Instance(offering.service().clone(), entry.clone());
        offering.ledger.put(note).await.map_err(ledger_fault)?;
    }
    Ok(entry)
}
