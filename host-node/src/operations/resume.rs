//! Finishing what a crash or a failure left: removals that did not succeed, and intents that no
//! gateway of ours will ask about again.

use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::{BindingId, InstanceId, OperationId, Order};

use super::{Task, unbind, unprovision};
use crate::ledger::{BindingEntry, BindingPhase, InstanceEntry, InstancePhase, LedgerError};
use crate::offering::Offering;

/// A removal that failed rests this long before it is tried again.
const REST: Duration = Duration::from_secs(5);

/// How long the tomb of an instance is kept: longer than any message can be late.
const TOMB: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Something that is left to do.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Instance(InstanceId),
    Binding(InstanceId, BindingId),
    Tomb(InstanceId),
}

/// Goes once through the ledger, and finishes what is left. `just_started` also takes up what
/// this process cannot be working on.
///
/// Returns how much is still left.
///
/// # Errors
///
/// [`LedgerError`] when the ledger cannot be read.
pub(crate) async fn resume(offering: &Offering, just_started: bool) -> Result<usize, LedgerError> {
    let work = list(offering, just_started)?;
    let mut still = work.resting;
    for left in work.due {
        still += usize::from(!finish(offering, &left).await);
    }
    Ok(still)
}

/// What the ledger says is left.
#[derive(Default)]
struct Work {
    due: Vec<Left>,
    /// Removals that failed a moment ago.
    resting: usize,
}

fn list(offering: &Offering, just_started: bool) -> Result<Work, LedgerError> {
    let now = Millis::now();
    let rested = |changed: Millis| just_started || has_rested(changed, now);
    let mut work = Work::default();
    let mut present = Vec::new();
    offering.for_each_instance(|entry| {
        let removing = entry.phase == InstancePhase::Removing;
        work.resting += usize::from(removing && !rested(entry.changed));
        work.due.extend(instance_left(entry, just_started, &rested, now));
        if entry.phase == InstancePhase::Present {
            present.push(entry.id.clone());
        }
    })?;
    for instance in present {
        let bindings = offering.ledger.read(|view| view.bindings(offering.service(), &instance))?;
        for entry in bindings {
            let removing = entry.phase == BindingPhase::Removing;
            work.resting += usize::from(removing && !rested(entry.changed));
            work.due.extend(binding_left(&entry, just_started, &rested));
        }
    }
    Ok(work)
}

/// Whether what was set at `changed` is tried again at `now`. A moment that is yet to come was set
/// by a clock that went wrong: nothing waits for it.
fn has_rested(changed: Millis, now: Millis) -> bool {
    changed > now || changed.after(REST) < now
}

fn instance_left(
    entry: &InstanceEntry,
    just_started: bool,
    rested: &impl Fn(Millis) -> bool,
    now: Millis,
) -> Option<Left> {
    let due = match entry.phase {
        InstancePhase::Removing => rested(entry.changed),
        // Ours are asked about again by the gateway, which has the intent in its records.
        InstancePhase::Provisioning => just_started && !entry.recorded,
        InstancePhase::Present => false,
        InstancePhase::Gone => {
            return (entry.changed.after(TOMB) < now).then(|| Left::Tomb(entry.id.clone()));
        }
    };
    due.then(|| Left::Instance(entry.id.clone()))
}

fn binding_left(
    entry: &BindingEntry,
    just_started: bool,
    rested: &impl Fn(Millis) -> bool,
) -> Option<Left> {
    let due = match entry.phase {
        BindingPhase::Removing => rested(entry.changed),
        BindingPhase::Binding => just_started && !entry.recorded,
        BindingPhase::Present | BindingPhase::Gone => false,
    };
    due.then(|| Left::Binding(entry.instance.clone(), entry.id.clone()))
}

async fn finish(offering: &Offering, left: &Left) -> bool {
    let done = match left {
        Left::Tomb(id) => return forget(offering, id).await,
        Left::Instance(id) => {
            let _alone = offering.locks.exclusive(id).await;
            let Some(order) = instance_order(offering, id) else { return false };
            unprovision::remove(offering, &order, true, None).await
        }
        Left::Binding(instance, id) => {
            let _beside = offering.locks.shared(instance).await;
            let _alone = offering.locks.binding(instance, id).await;
            let Some(order) = binding_order(offering, instance, id) else { return false };
            unbind::remove(offering, &Task { order, recorded: true }, id, None).await
        }
    };
    match done {
        Ok(()) => {
            tracing::info!(offering = offering.config.label, ?left, "finished what was left");
            true
        }
        Err(failure) => {
            tracing::warn!(offering = offering.config.label, ?left, %failure, "still left");
            false
        }
    }
}

async fn forget(offering: &Offering, id: &InstanceId) -> bool {
    let (service, id) = (offering.service().clone(), id.clone());
    offering.ledger.update(move |book| book.forget_instance(&service, &id)).await.is_ok()
}

/// The order to go on with, if the entry still is where it was when it was listed.
fn instance_order(offering: &Offering, id: &InstanceId) -> Option<Order> {
    let entry = offering.ledger.read(|view| view.instance(offering.service(), id)).ok()??;
    let still = matches!(entry.phase, InstancePhase::Removing | InstancePhase::Provisioning);
    still.then(|| order(&entry.operation, entry.generation, id, None))
}

fn binding_order(offering: &Offering, instance: &InstanceId, id: &BindingId) -> Option<Order> {
    let bindings = offering.ledger.read(|view| view.bindings(offering.service(), instance)).ok()?;
    let entry = bindings.into_iter().find(|entry| entry.id == *id)?;
    let still = matches!(entry.phase, BindingPhase::Removing | BindingPhase::Binding);
    still.then(|| order(&entry.operation, entry.generation, instance, Some(id.clone())))
}

fn order(
    operation: &OperationId,
    generation: tenon_protocol::Generation,
    instance: &InstanceId,
    binding: Option<BindingId>,
) -> Order {
    let order = Order::of(instance.clone(), operation.clone(), generation, Millis::now());
    Order { binding, ..order }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_rests_for_a_moment_and_not_until_a_wrong_clock_was_right() {
        let now = Millis::from_millis(1_000_000);
        let at = |millis: u64| has_rested(Millis::from_millis(millis), now);
        assert!(at(0) && at(994_999));
        assert!(!at(995_000) && !at(1_000_000));
        assert!(at(1_000_001) && at(u64::MAX));
    }
}
