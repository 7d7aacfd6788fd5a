//! Making writes what the ledger says that they are to be.

use std::sync::atomic::Ordering;

use tenon_protocol::InstanceId;
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;

use super::decide::{decide, settled, writes};
use super::figures::Look;
use crate::guest::{CallFacts, Enforce, GuestFailure, Measure};
use crate::ledger::{Arrival, InstanceEntry, InstancePhase, QuotaEntry, QuotaPhase, StateWrites};
use crate::offering::Offering;
use crate::operations::handles;

/// Whether the guest is also called where nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thorough {
    /// What is really there may differ: after a start, another generation, a failure.
    Yes,
    No,
}

/// Measures one instance, and acts on it. `None` when it is gone, or somebody is at work on it:
/// the next round finds it.
///
/// # Errors
///
/// [`GuestFailure`], which is in the log; the ledger says what is to be, and the next round or
/// start sees to it.
pub(super) async fn look_at(
    offering: &Offering,
    id: &InstanceId,
    thorough: Thorough,
) -> Result<Option<Look>, GuestFailure> {
    let Some(_beside) = offering.locks.try_shared(id) else { return Ok(None) };
    let found = offering.ledger.instance(offering.service(), id)?;
    let settled_here = |entry: &InstanceEntry| {
        entry.phase == InstancePhase::Present && entry.moving.arrival != Arrival::Loading
    };
    let Some(instance) = found.filter(settled_here) else { return Ok(None) };
    let call = Measure { instance: offering.instance_ref(&instance) };
    let measured = offering.call(&CallFacts::internal(id.as_str()), call).await?;
    let usage = measured.output;

    let _alone = offering.locks.writes(id).await;
    let before = offering.ledger.read(|view| view.quota(offering.service(), id))?;
    let before = before.map(|entry| entry.phase);
    let phase = decide(before, &usage, offering.config.metering.allow_below_percent);
    if phase != before {
        let (used, limit) = (usage.bytes_used, usage.bytes_limit);
        tracing::info!(offering = offering.config.label, instance = %id, used, limit, ?phase, "quota");
        write_down(offering, id, phase, &usage).await?;
        offering.crash.point("quota.noted");
    }
    if thorough == Thorough::Yes || phase != settled(phase) {
        enforce(offering, &instance, phase).await?;
    }
    let over = settled(phase).is_some();
    Ok(Some(Look { bytes: usage.bytes_used, limit: usage.bytes_limit, over }))
}

async fn write_down(
    offering: &Offering,
    id: &InstanceId,
    phase: Option<QuotaPhase>,
    usage: &crate::guest::wit::Usage,
) -> Result<(), GuestFailure> {
    // From no entry to no entry there is no way.
    let Some(phase) = phase else { return Ok(()) };
    let entry = QuotaEntry {
        id: id.clone(),
        phase,
        changed: Millis::now(),
        bytes_used: usage.bytes_used,
        bytes_limit: usage.bytes_limit,
    };
    let service = offering.service().clone();
    Ok(offering.ledger.update(move |book| book.put_quota(&service, &entry)).await?)
}

/// Calls the guest, and records that it obeyed. The caller holds the instance's lock of writes.
async fn enforce(
    offering: &Offering,
    instance: &InstanceEntry,
    phase: Option<QuotaPhase>,
) -> Result<(), GuestFailure> {
    let everyone = handles::everyone_of_ledger(offering, instance);
    let everyone = everyone.map_err(|fault| GuestFailure::Host(fault.to_string()))?;
    let changes = settled(phase) != phase;
    let mut parts = everyone.in_parts().into_iter().peekable();
    while let Some(everyone) = parts.next() {
        let call = Enforce { everyone, writes: writes(phase) };
        let called = offering.call(&CallFacts::internal(instance.id.as_str()), call).await?;
        // With the last part it is so for everybody.
        let reached = if parts.peek().is_some() { phase } else { settled(phase) };
        if changes && reached != phase {
            offering.crash.point("quota.enforced");
        }
        record(offering, &instance.id, (phase, reached), called.writes).await?;
    }
    if changes {
        offering.crash.point("quota.recorded");
    }
    Ok(())
}

async fn record(
    offering: &Offering,
    id: &InstanceId,
    (phase, after): (Option<QuotaPhase>, Option<QuotaPhase>),
    staged: StateWrites,
) -> Result<(), GuestFailure> {
    if after == phase && staged.writes.is_empty() {
        return Ok(());
    }
    let (service, id) = (offering.service().clone(), id.clone());
    let written = offering.ledger.update(move |book| {
        if !book.apply_state(&staged)? {
            return Ok(false);
        }
        match after {
            None => book.forget_quota(&service, &id)?,
            Some(QuotaPhase::Blocking | QuotaPhase::Blocked | QuotaPhase::Allowing)
                if after == phase => {}
            Some(phase) => book.settle_quota(&service, &id, phase)?,
        }
        Ok(true)
    });
    if written.await? { Ok(()) } else { Err(GuestFailure::StateConflict) }
}

/// Blocks writes into an instance that is over its quota once more, as somebody may have been
/// given rights just now. The caller holds the instance; nothing is asked for any other one.
///
/// # Errors
///
/// [`GuestFailure`]: somebody may have rights to write. Whoever asked must not be answered.
pub(crate) async fn hold(
    offering: &Offering,
    instance: &InstanceEntry,
) -> Result<(), GuestFailure> {
    let look = || offering.ledger.read(|view| view.quota(offering.service(), &instance.id));
    if look()?.is_none() {
        return Ok(());
    }
    let _alone = offering.locks.writes(&instance.id).await;
    let Some(entry) = look()? else { return Ok(()) };
    match enforce(offering, instance, Some(entry.phase)).await {
        // Another generation, which has no quotas.
        Ok(()) | Err(GuestFailure::NotOffered(_)) => Ok(()),
        Err(failure) => {
            offering.figures.doubtful.store(true, Ordering::Relaxed);
            Err(failure)
        }
    }
}

/// The same where what was done stands, whether it succeeds or not: the next round repeats it.
pub(crate) async fn hold_or_doubt(offering: &Offering, instance: &InstanceEntry) {
    if let Err(failure) = hold(offering, instance).await {
        tracing::warn!(instance = %instance.id, %failure, "a quota is enforced later");
    }
}

/// The same for all, at a start: before anybody is served.
pub(crate) async fn hold_all(offering: &Offering) {
    let entries = match offering.ledger.read(|view| view.quotas(offering.service())) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::error!(error = %chain(&error), "the ledger cannot be read");
            return;
        }
    };
    for QuotaEntry { id, .. } in entries {
        let _beside = offering.locks.shared(&id).await;
        let found = offering.ledger.instance(offering.service(), &id);
        let Ok(Some(instance)) = found else { continue };
        if instance.phase != InstancePhase::Present {
            continue;
        }
        if let Err(failure) = hold(offering, &instance).await {
            tracing::warn!(instance = %id, %failure, "a quota is enforced later");
            if failure.is_passing() {
                return;
            }
        }
    }
}
