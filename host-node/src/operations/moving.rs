//! What the steps of a move have in common.

use std::io;

use tenon_protocol::chain;
use tenon_protocol::{Code, Fault, InstanceId};

use super::{STATE_RETRIES, Task, fenced};
use crate::exports::Export;
use crate::guest::{CallFacts, GuestCall, GuestFailure, TimeLimit};
use crate::ledger::{Book, InstanceEntry, InstancePhase, LedgerError};
use crate::offering::{Offering, facts, ledger_fault};

/// The instance's entry, if it is there and the order is not from before it.
///
/// # Errors
///
/// `X configuration Y not found.`, busy while it is being made or removed, or a newer command.
pub(super) fn present(offering: &Offering, task: &Task) -> Result<InstanceEntry, Fault> {
    let id = &task.order.instance;
    let found = offering.ledger.instance(offering.service(), id).map_err(ledger_fault)?;
    let entry = found.ok_or_else(|| offering.no_instance(id))?;
    if is_late(task, &entry) {
        return Err(fenced());
    }
    match entry.phase {
        InstancePhase::Present => Ok(entry),
        InstancePhase::Provisioning | InstancePhase::Removing => Err(Fault::busy()),
        InstancePhase::Gone => Err(offering.no_instance(id)),
    }
}

/// Whether a newer command for the instance was seen.
pub(super) fn is_late(task: &Task, entry: &InstanceEntry) -> bool {
    task.recorded && task.order.generation < entry.generation
}

/// Facts of a call that may take long, whoever waits for it.
pub(super) fn long_facts(task: &Task) -> CallFacts {
    CallFacts { deadline: None, limit: TimeLimit::Job, ..facts(&task.order) }
}

/// Makes a call, and makes `entry` durable together with what the guest staged.
///
/// # Errors
///
/// [`GuestFailure`]; nothing was written.
pub(super) async fn call_and_record<C: GuestCall>(
    offering: &Offering,
    facts: &CallFacts,
    call: C,
    entry: &InstanceEntry,
) -> Result<C::Output, GuestFailure> {
    let (service, entry) = (offering.service().clone(), entry.clone());
    let record = move |book: &mut Book<'_>| book.put_instance(&service, &entry);
    call_and_write(offering, facts, call, record).await
}

/// Makes a call, and makes what `record` writes durable together with what the guest staged.
///
/// # Errors
///
/// [`GuestFailure`]; nothing was written.
pub(super) async fn call_and_write<C: GuestCall>(
    offering: &Offering,
    facts: &CallFacts,
    call: C,
    record: impl Fn(&mut Book<'_>) -> Result<(), LedgerError> + Clone + Send + 'static,
) -> Result<C::Output, GuestFailure> {
    for _ in 0..STATE_RETRIES {
        let called = offering.call(facts, call.clone()).await?;
        let record = record.clone();
        let written = offering.ledger.update(move |book| {
            let applies = book.apply_state(&called.writes)?;
            if applies {
                record(book)?;
            }
            Ok(applies)
        });
        if written.await? {
            return Ok(called.output);
        }
    }
    Err(GuestFailure::StateConflict)
}

/// The place of the instance's data between nodes.
///
/// # Errors
///
/// `Service extension migration is not implemented.` without a store, and the store's failures.
pub(super) async fn export_of(offering: &Offering, id: &InstanceId) -> Result<Export, Fault> {
    let store = offering.snapshots.clone().ok_or_else(|| Fault::no_extension("migration"))?;
    let (service, id) = (offering.service().clone(), id.clone());
    blocking(move || Export::of(&store, &service, &id)).await
}

/// Works on the store where blocking is no harm.
///
/// # Errors
///
/// `Serialized file is corrupted.` for what cannot be understood, else `Service unavailable`.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(panic.into())).map_err(|error| {
        tracing::error!(error = %chain(&error), "the shared store failed");
        let damaged = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
        if damaged.contains(&error.kind()) { corrupt() } else { Fault::unavailable() }
    })
}

/// What is stored is not what was stored.
pub(super) fn corrupt() -> Fault {
    Fault::new(Code::SNAPSHOT_CORRUPT, "Serialized file is corrupted.")
}
