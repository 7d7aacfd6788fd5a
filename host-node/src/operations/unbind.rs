//! Unbind: an application loses its credentials.

use std::sync::atomic::Ordering;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Object, UnbindRequest};
use tenon_protocol::{BindingId, Fault, Order};

use super::{Task, fenced};
use crate::credentials::user_of;
use crate::guest::{CallFacts, GuestFailure, Unbind, wit};
use crate::ledger::{BindingEntry, BindingPhase, InstanceEntry, InstancePhase, Note};
use crate::offering::{Offering, facts, ledger_fault};

/// Revokes the binding that `task` names.
///
/// # Errors
///
/// A numbered error; the binding may be half gone, and is removed further by the next attempt.
pub(crate) async fn unbind(
    offering: &Offering,
    task: &Task,
    request: &UnbindRequest,
) -> Result<(), Fault> {
    let order = &task.order;
    let _beside = offering.locks.shared(&order.instance).await;
    let id = match &order.binding {
        Some(id) => id.clone(),
        None => match find(offering, order, &request.credentials)? {
            Some(id) => id,
            None => return Ok(()),
        },
    };
    let _alone = offering.locks.binding(&order.instance, &id).await;
    let found = offering.ledger.binding(offering.service(), &order.instance, &id);
    let found = found.map_err(ledger_fault)?;
    if let Some(entry) = found {
        if task.recorded && order.generation < entry.generation {
            return Err(fenced());
        }
        let again = order.generation == entry.generation;
        if entry.phase == BindingPhase::Gone && again {
            return Ok(());
        }
    }
    remove(offering, task, &id, None).await.map_err(|failure| {
        offering.left_over.store(true, Ordering::Relaxed);
        failure.to_fault()
    })?;
    tracing::info!(instance = %order.instance, binding = %id, "unbound");
    Ok(())
}

/// The binding that an original gateway names by its credentials. `None` for the owner's account:
/// the original treats its unbind as done.
fn find(
    offering: &Offering,
    order: &Order,
    credentials: &Object,
) -> Result<Option<BindingId>, Fault> {
    let user = user_of(credentials).unwrap_or_default();
    let service = offering.service();
    let instance = offering.ledger.read(|view| view.instance(service, &order.instance));
    let instance = instance.map_err(ledger_fault)?;
    let present = instance.filter(|entry| entry.phase == InstancePhase::Present);
    let Some(instance) = present else { return Err(offering.no_instance(&order.instance)) };
    let bindings = offering.ledger.read(|view| view.bindings(service, &order.instance));
    let mut bindings = bindings.map_err(ledger_fault)?.into_iter();
    let named = |entry: &BindingEntry| entry.user == user && entry.phase != BindingPhase::Gone;
    if let Some(entry) = bindings.find(named) {
        return Ok(Some(entry.id));
    }
    let owner = offering.open(instance.id.as_str(), instance.credentials.as_ref())?;
    if owner.user() == user {
        return Ok(None);
    }
    Err(Fault::node_no_binding(&offering.title(), user))
}

/// Removes the binding `id`, whose lock the caller holds.
///
/// # Errors
///
/// [`GuestFailure`]; the entry stays at *removing*, and [`super::resume`] tries again.
pub(crate) async fn remove(
    offering: &Offering,
    task: &Task,
    id: &BindingId,
    failed: Option<Fault>,
) -> Result<(), GuestFailure> {
    let order = &task.order;
    let Some((instance, entry)) = begin(offering, order, task.recorded, id).await? else {
        // The instance is gone, and its bindings with it.
        return Ok(());
    };
    offering.crash.point("unbind.begun");
    let call = Unbind { binding: binding(offering, &instance, &entry) };
    let facts = CallFacts { deadline: None, ..facts(order) };
    let called = offering.call(&facts, call).await?;
    offering.crash.point("unbind.called");

    let service = offering.service().clone();
    let tomb = BindingEntry {
        phase: BindingPhase::Gone,
        changed: Millis::now(),
        credentials: None,
        failure: failed,
        ..entry
    };
    let written = offering.ledger.update(move |book| {
        if !book.apply_state(&called.writes)? {
            return Ok(false);
        }
        book.put_binding(&service, &tomb)?;
        Ok(true)
    });
    if !written.await? {
        return Err(GuestFailure::StateConflict);
    }
    offering.crash.point("unbind.recorded");
    Ok(())
}

/// Makes the intent to remove durable, with the order's fence. `None` without the instance.
async fn begin(
    offering: &Offering,
    order: &Order,
    recorded: bool,
    id: &BindingId,
) -> Result<Option<(InstanceEntry, BindingEntry)>, GuestFailure> {
    let service = offering.service().clone();
    let found = offering.ledger.instance(&service, &order.instance)?;
    let present = found.filter(|entry| entry.phase == InstancePhase::Present);
    let Some(instance) = present else { return Ok(None) };
    let found = offering.ledger.binding(&service, &order.instance, id)?;
    let mut entry = found.unwrap_or_else(|| BindingEntry {
        id: id.clone(),
        instance: order.instance.clone(),
        generation: order.generation,
        operation: order.operation.clone(),
        recorded,
        phase: BindingPhase::Removing,
        user: String::new(),
        changed: Millis::now(),
        credentials: None,
        failure: None,
    });
    entry.generation = entry.generation.max(order.generation);
    entry.operation = order.operation.clone();
    entry.phase = BindingPhase::Removing;
    entry.changed = Millis::now();
    offering.intend(recorded, Note::Binding(service, entry.clone())).await?;
    Ok(Some((instance, entry)))
}

/// How a binding is named to the guest. One that was never finished has no credentials.
fn binding(offering: &Offering, instance: &InstanceEntry, entry: &BindingEntry) -> wit::Binding {
    let place = format!("{}/{}", entry.instance, entry.id);
    let credential = entry.credentials.as_ref().and_then(|sealed| {
        let credentials = offering.open(&place, Some(sealed)).ok()?;
        Some(credentials.to_guest())
    });
    wit::Binding {
        binding: wit::BindingRef {
            id: entry.id.to_string(),
            instance: offering.instance_ref(instance),
        },
        credential: credential
            .unwrap_or_else(|| wit::Credential { public: Vec::new(), secret: Vec::new() }),
    }
}
