//! Update: the bindings of an instance that was imported get the accounts that they had.
//!
//! There may be more of them than a message holds. Each page of them is durable before it is
//! answered, and the instance counts as adopted with the last one, which is sent after that.

use std::collections::HashMap;

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Handle, HandlePair, Object, Rest};
use tenon_protocol::{BindingId, Fault, Generation, Sealed};

use super::handles::{binding_id, options_of};
use super::moving::{long_facts, present};
use super::{STATE_RETRIES, Task, conflict};
use crate::credentials::Credentials;
use crate::guest::{Adopt, Called, Everyone, GuestFailure, wit};
use crate::ledger::{Arrival, BindingEntry, BindingPhase, InstanceEntry, Moving};
use crate::offering::{Offering, ledger_fault};
use crate::quota::hold_or_doubt;

/// Makes the accounts of those bindings of the instance that `task` names which are in `pair`, and
/// adopts the instance when no `rest` follows.
///
/// Returns the handles as they are now, the instance's first. A binding that was removed since is
/// not among them, and is not made again.
///
/// # Errors
///
/// A numbered error; the next attempt finds what was made.
pub(crate) async fn update_instance(
    offering: &Offering,
    task: &Task,
    pair: &HandlePair,
    rest: Option<Rest>,
) -> Result<Vec<Handle>, Fault> {
    let _alone = offering.locks.exclusive(&task.order.instance).await;
    let entry = present(offering, task)?;
    if entry.is_suspended() || (task.recorded && entry.moving.arrival == Arrival::Loading) {
        return Err(conflict(entry.id.as_str()));
    }
    if is_done(&entry, task) {
        return answer(offering, &entry, pair);
    }
    offering.crash.point("update.begun");
    let wanted = everyone(offering, task, &entry, pair)?;
    if rest.is_some() && wanted.bindings.is_empty() {
        // An attempt before this one was here.
        return answer(offering, &entry, pair);
    }
    let adopted = adopt(offering, task, reached(entry, task, rest), wanted).await;
    let entry = adopted.map_err(|failure| failure.to_fault())?;
    if rest.is_none() {
        hold_or_doubt(offering, &entry).await;
    }
    offering.crash.point("update.recorded");
    tracing::info!(offering = offering.config.label, instance = %entry.id, ?rest, "updated");
    answer(offering, &entry, pair)
}

/// The entry as it is once a page was taken.
fn reached(entry: InstanceEntry, task: &Task, rest: Option<Rest>) -> InstanceEntry {
    let arrival = match rest {
        Some(Rest::More) => entry.moving.arrival,
        None => Arrival::Adopted,
    };
    InstanceEntry {
        generation: entry.generation.max(task.order.generation),
        changed: Millis::now(),
        moving: Moving { arrival, ..entry.moving },
        ..entry
    }
}

/// Whether this move's bindings were made: what became of them since is not this order's matter.
fn is_done(entry: &InstanceEntry, task: &Task) -> bool {
    let again = task.recorded && task.order.generation == entry.generation;
    again && entry.moving.arrival == Arrival::Adopted
}

async fn adopt(
    offering: &Offering,
    task: &Task,
    entry: InstanceEntry,
    wanted: Everyone,
) -> Result<InstanceEntry, GuestFailure> {
    let call = Adopt { everyone: wanted };
    for _ in 0..STATE_RETRIES {
        let called = offering.call(&long_facts(task), call.clone()).await?;
        offering.crash.point("update.called");
        match record(offering, task, entry.clone(), &call.everyone, called).await {
            Err(GuestFailure::StateConflict) => {}
            recorded => return recorded,
        }
    }
    Err(GuestFailure::StateConflict)
}

/// The owner and the bindings as the handles name them. One that this node saw removed is left
/// out, and so is one that it made for this very order.
fn everyone(
    offering: &Offering,
    task: &Task,
    entry: &InstanceEntry,
    HandlePair(instance, handles): &HandlePair,
) -> Result<Everyone, Fault> {
    let known = offering.ledger.read(|view| view.bindings(offering.service(), &entry.id));
    let known = by_id(known.map_err(ledger_fault)?);
    let mut bindings = Vec::new();
    for handle in handles {
        let id = binding_id(handle)?;
        if known.get(&id).is_some_and(|one| is_settled(one, task)) {
            continue;
        }
        let credentials = Credentials::from_message(handle.credentials.clone());
        let credentials = credentials.with_options(options_of(&handle.configuration));
        bindings.push(wit::Binding {
            binding: wit::BindingRef { id: id.to_string(), instance: offering.instance_ref(entry) },
            credential: credentials.to_guest_with_options(),
        });
    }
    Ok(Everyone {
        instance: offering.instance_ref(entry),
        owner: Credentials::from_message(instance.credentials.clone()).to_guest(),
        bindings,
    })
}

fn by_id(known: Vec<BindingEntry>) -> HashMap<BindingId, BindingEntry> {
    known.into_iter().map(|one| (one.id.clone(), one)).collect()
}

/// Whether nothing is to be done for a binding that the ledger knows.
fn is_settled(known: &BindingEntry, task: &Task) -> bool {
    match known.phase {
        BindingPhase::Gone | BindingPhase::Removing => true,
        BindingPhase::Present => task.recorded && known.operation == task.order.operation,
        BindingPhase::Binding => false,
    }
}

/// Makes all that the guest made durable, together.
async fn record(
    offering: &Offering,
    task: &Task,
    mut entry: InstanceEntry,
    asked: &Everyone,
    called: Called<(wit::Credential, Vec<wit::Binding>)>,
) -> Result<InstanceEntry, GuestFailure> {
    let (owner, made) = called.output;
    let owner = credentials(owner)?;
    entry.credentials = Some(seal(offering, entry.id.as_str(), &owner)?);
    let mut bindings = Vec::new();
    for one in made {
        let asked = asked.bindings.iter().find(|asked| asked.binding.id == one.binding.id);
        let asked = asked.ok_or_else(|| broken("the guest adopted a binding that nobody named"))?;
        let options = credentials(asked.credential.clone())?.into_options();
        bindings.push(binding(offering, task, one, options)?);
    }
    if bindings.len() != asked.bindings.len() {
        return Err(broken("the guest did not adopt all bindings"));
    }
    let service = offering.service().clone();
    let written = offering.ledger.update(move |book| {
        if !book.apply_state(&called.writes)? {
            return Ok(None);
        }
        book.put_instance(&service, &entry)?;
        for binding in &bindings {
            book.put_binding(&service, binding)?;
        }
        Ok(Some(entry))
    });
    written.await?.ok_or(GuestFailure::StateConflict)
}

/// A binding as the ledger keeps it. Its fence is the lowest: orders of it count on their own.
fn binding(
    offering: &Offering,
    task: &Task,
    made: wit::Binding,
    options: Object,
) -> Result<BindingEntry, GuestFailure> {
    let instance = task.order.instance.clone();
    let id = BindingId::new(made.binding.id).map_err(|error| broken(&chain(&error).to_string()))?;
    let credentials = credentials(made.credential)?.with_options(options);
    let sealed = seal(offering, &format!("{instance}/{id}"), &credentials)?;
    Ok(BindingEntry {
        id,
        instance,
        generation: Generation::default(),
        operation: task.order.operation.clone(),
        recorded: task.recorded,
        phase: BindingPhase::Present,
        user: credentials.user(),
        changed: Millis::now(),
        credentials: Some(sealed),
        failure: None,
    })
}

fn credentials(credential: wit::Credential) -> Result<Credentials, GuestFailure> {
    Credentials::from_guest(credential).map_err(|error| broken(&chain(&error).to_string()))
}

fn broken(what: &str) -> GuestFailure {
    GuestFailure::Broken(what.to_owned())
}

fn seal(
    offering: &Offering,
    place: &str,
    credentials: &Credentials,
) -> Result<Sealed, GuestFailure> {
    let sealed = offering.key.seal(place, credentials);
    sealed.map_err(|error| GuestFailure::Host(chain(&error).to_string()))
}

/// The handles of `pair`, with the credentials that the ledger has.
fn answer(
    offering: &Offering,
    entry: &InstanceEntry,
    HandlePair(instance, handles): &HandlePair,
) -> Result<Vec<Handle>, Fault> {
    let owner = offering.open(entry.id.as_str(), entry.credentials.as_ref())?;
    let credentials = owner.to_message(&entry.id, Some(offering.node()));
    let mut all = vec![Handle { credentials, ..instance.clone() }];
    let known = offering.ledger.read(|view| view.bindings(offering.service(), &entry.id));
    let known = by_id(known.map_err(ledger_fault)?);
    for handle in handles {
        let found = known.get(&binding_id(handle)?);
        let found = found.filter(|one| one.phase == BindingPhase::Present);
        let Some(found) = found else { continue };
        let place = format!("{}/{}", found.instance, found.id);
        let credentials = offering.open(&place, found.credentials.as_ref())?;
        let credentials = credentials.to_message(&entry.id, None);
        all.push(Handle { credentials, ..handle.clone() });
    }
    Ok(all)
}
