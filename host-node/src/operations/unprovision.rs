//! Unprovision: an instance goes, with its bindings.

use std::sync::atomic::Ordering;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Object, UnprovisionRequest};
use tenon_protocol::{Fault, Order};

use super::{Task, fenced};
use crate::credentials::Credentials;
use crate::guest::{CallFacts, GuestFailure, Unprovision, wit};
use crate::ledger::{
    Access, BindingEntry, BindingPhase, InstanceEntry, InstancePhase, Moving, Note,
};
use crate::offering::{Offering, facts, ledger_fault};

/// What the ledger's entry says about an order.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// It is gone already.
    Done,
    /// It cannot be done.
    Refuse(Fault),
    /// It is to be done now.
    Start,
}

/// Removes the instance that `task` names.
///
/// # Errors
///
/// A numbered error; the instance may be half gone, and is removed further by the next attempt.
pub(crate) async fn unprovision(
    offering: &Offering,
    task: &Task,
    request: &UnprovisionRequest,
) -> Result<(), Fault> {
    let order = &task.order;
    let _alone = offering.locks.exclusive(&order.instance).await;
    let found = offering.ledger.instance(offering.service(), &order.instance);
    let found = found.map_err(ledger_fault)?;
    match decide(found.as_ref(), task) {
        Decision::Done => return Ok(()),
        Decision::Refuse(fault) if fault == fenced() => return Err(fault),
        Decision::Refuse(_) => return Err(offering.no_instance(&order.instance)),
        Decision::Start => {}
    }
    let extra = request.bindings.clone();
    let removed = remove_with(offering, order, task.recorded, None, &extra).await;
    removed.map_err(|failure| {
        offering.left_over.store(true, Ordering::Relaxed);
        failure.to_fault()
    })?;
    tracing::info!(offering = offering.config.label, instance = %order.instance, "unprovisioned");
    Ok(())
}

fn decide(entry: Option<&InstanceEntry>, task: &Task) -> Decision {
    // Not known and ours: it may be a provision that is still on its way. The fence stops it.
    let Some(entry) = entry else {
        return if task.recorded { Decision::Start } else { Decision::Refuse(Fault::internal()) };
    };
    if task.recorded && task.order.generation < entry.generation {
        return Decision::Refuse(fenced());
    }
    match entry.phase {
        InstancePhase::Gone if !task.recorded => Decision::Refuse(Fault::internal()),
        InstancePhase::Gone if task.order.generation == entry.generation => Decision::Done,
        InstancePhase::Gone
        | InstancePhase::Provisioning
        | InstancePhase::Present
        | InstancePhase::Removing => Decision::Start,
    }
}

/// Removes the instance of `order`, whose lock the caller holds.
///
/// `failed` is remembered as the reason, for a provision that is undone.
///
/// # Errors
///
/// [`GuestFailure`]; the entry stays at *removing*, and [`super::resume`] tries again.
pub(crate) async fn remove(
    offering: &Offering,
    order: &Order,
    recorded: bool,
    failed: Option<Fault>,
) -> Result<(), GuestFailure> {
    remove_with(offering, order, recorded, failed, &[]).await
}

async fn remove_with(
    offering: &Offering,
    order: &Order,
    recorded: bool,
    failed: Option<Fault>,
    named: &[Object],
) -> Result<(), GuestFailure> {
    let entry = begin(offering, order, recorded).await?;
    offering.crash.point("unprovision.begun");
    let known = offering.ledger.read(|view| view.bindings(offering.service(), &entry.id))?;
    let call = Unprovision {
        instance: offering.instance_ref(&entry),
        bindings: bindings(offering, &entry, &known, named),
    };
    // A removal has the whole time of a call: whoever waits may have gone.
    let facts = CallFacts { deadline: None, ..facts(order) };
    let called = offering.call(&facts, call).await?;
    offering.crash.point("unprovision.called");

    let service = offering.service().clone();
    let tomb = InstanceEntry {
        phase: InstancePhase::Gone,
        changed: Millis::now(),
        credentials: None,
        failure: failed,
        // It says whether the instance was shut off to be moved away.
        moving: Moving { access: last_access(offering, &entry), ..Moving::default() },
        ..entry
    };
    let written = offering.ledger.update(move |book| {
        if !book.apply_state(&called.writes)? {
            return Ok(false);
        }
        book.forget_bindings(&service, &tomb.id)?;
        book.end_quarantine(&service, &tomb.id)?;
        book.forget_quota(&service, &tomb.id)?;
        book.put_instance(&service, &tomb)?;
        Ok(true)
    });
    if !written.await? {
        return Err(GuestFailure::StateConflict);
    }
    offering.quarantine.end(&order.instance).await?;
    offering.count(Some(InstancePhase::Removing), InstancePhase::Gone);
    offering.crash.point("unprovision.recorded");
    Ok(())
}

/// Whether an instance that goes was shut off; the one in quarantine is shut off for its end.
fn last_access(offering: &Offering, entry: &InstanceEntry) -> Access {
    match offering.quarantine.get(&entry.id) {
        Some(_purged) => Access::Open,
        None => entry.moving.access,
    }
}

/// Makes the intent to remove durable, with the order's fence.
async fn begin(
    offering: &Offering,
    order: &Order,
    recorded: bool,
) -> Result<InstanceEntry, GuestFailure> {
    let service = offering.service().clone();
    let found = offering.ledger.instance(&service, &order.instance)?;
    let before = found.as_ref().map(|entry| entry.phase);
    let mut entry = found.unwrap_or_else(|| {
        let version = offering.config.versions.first().map_or("", String::as_str);
        let task = Task { order: order.clone(), recorded };
        task.first_entry(InstancePhase::Removing, &offering.config.plan, version)
    });
    entry.generation = entry.generation.max(order.generation);
    entry.operation = order.operation.clone();
    entry.phase = InstancePhase::Removing;
    entry.changed = Millis::now();
    offering.intend(recorded, Note::Instance(service, entry.clone())).await?;
    offering.count(before, InstancePhase::Removing);
    Ok(entry)
}

/// Bindings of the ledger, and those that only the gateway knows.
fn bindings(
    offering: &Offering,
    instance: &InstanceEntry,
    known: &[BindingEntry],
    named: &[Object],
) -> Vec<wit::Binding> {
    let binding = |id: String, credential: wit::Credential| wit::Binding {
        binding: wit::BindingRef { id, instance: offering.instance_ref(instance) },
        credential,
    };
    let mut all: Vec<wit::Binding> = known
        .iter()
        .filter(|entry| entry.phase != BindingPhase::Gone)
        .filter_map(|entry| {
            let place = format!("{}/{}", entry.instance, entry.id);
            let credentials = offering.open(&place, entry.credentials.as_ref()).ok()?;
            Some(binding(entry.id.to_string(), credentials.to_guest()))
        })
        .collect();
    for object in named {
        let credentials = Credentials::from_message(object.clone());
        let user = credentials.user();
        if !known.iter().any(|entry| entry.user == user) {
            all.push(binding(user, credentials.to_guest()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstancePhase::{Gone, Present, Provisioning, Removing};

    fn task(generation: u64, recorded: bool) -> Task {
        Task::of_test("any", generation, recorded)
    }

    fn check_decision(phase: Option<InstancePhase>, task: &Task, expected: &Decision) {
        let entry = phase.map(|phase| self::task(2, true).first_entry(phase, "", ""));
        assert_eq!(&decide(entry.as_ref(), task), expected, "{phase:?}");
    }

    #[test]
    fn a_removal_is_obeyed_once_and_repeated_for_ever() {
        for phase in [None, Some(Provisioning), Some(Present), Some(Removing)] {
            check_decision(phase, &task(2, true), &Decision::Start);
        }
        check_decision(Some(Gone), &task(2, true), &Decision::Done);
        check_decision(Some(Gone), &task(3, true), &Decision::Start);
    }

    #[test]
    fn a_late_removal_does_not_touch_what_came_after() {
        for phase in [Provisioning, Present, Removing, Gone] {
            check_decision(Some(phase), &task(1, true), &Decision::Refuse(fenced()));
        }
    }

    #[test]
    fn an_original_gateway_is_told_when_there_is_nothing() {
        check_decision(None, &task(0, false), &Decision::Refuse(Fault::internal()));
        check_decision(Some(Gone), &task(0, false), &Decision::Refuse(Fault::internal()));
        check_decision(Some(Present), &task(0, false), &Decision::Start);
    }
}
