//! Update: the bindings of an instance that was imported get the accounts that they had.

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Handle, HandlePair, Object};
use tenon_protocol::{BindingId, Fault, Generation, Sealed};

use super::handles::{binding_id, options_of};
use super::moving::{long_facts, present};
use super::{STATE_RETRIES, Task, conflict};
use crate::credentials::Credentials;
use crate::guest::{Adopt, Called, Everyone, GuestFailure, wit};
use crate::ledger::{Arrival, BindingEntry, BindingPhase, InstanceEntry};
use crate::offering::{Offering, ledger_fault};
use crate::quota::hold_or_doubt;

/// Makes the accounts of all bindings of the instance that `task` names.
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
    let adopted = adopt(offering, task, entry, pair).await;
    let entry = adopted?.map_err(|failure| failure.to_fault())?;
    hold_or_doubt(offering, &entry).await;
    offering.crash.point("update.recorded");
    tracing::info!(offering = offering.config.label, instance = %entry.id, "updated");
    answer(offering, &entry, pair)
}

/// Whether this move's bindings were made: what became of them since is not this order's matter.
fn is_done(entry: &InstanceEntry, task: &Task) -> bool {
    let again = task.recorded && task.order.generation == entry.generation;
    again && entry.moving.arrival == Arrival::Adopted
}

async fn adopt(
    offering: &Offering,
    task: &Task,
    mut entry: InstanceEntry,
    pair: &HandlePair,
) -> Result<Result<InstanceEntry, GuestFailure>, Fault> {
    let call = Adopt(everyone(offering, &entry, pair)?);
    entry.moving.arrival = Arrival::Adopted;
    entry.generation = entry.generation.max(task.order.generation);
    entry.changed = Millis::now();
    for _ in 0..STATE_RETRIES {
        let called = match offering.call(&long_facts(task), call.clone()).await {
            Ok(called) => called,
            Err(failure) => return Ok(Err(failure)),
        };
        offering.crash.point("update.called");
        match record(offering, task, entry.clone(), &call.0, called).await {
            Err(GuestFailure::StateConflict) => {}
            recorded => return Ok(recorded),
        }
    }
    Ok(Err(GuestFailure::StateConflict))
}

/// The owner and the bindings as the handles name them. One that this node saw removed is left
/// out.
fn everyone(
    offering: &Offering,
    entry: &InstanceEntry,
    HandlePair(instance, handles): &HandlePair,
) -> Result<Everyone, Fault> {
    let known = offering.ledger.read(|view| view.bindings(offering.service(), &entry.id));
    let known = known.map_err(ledger_fault)?;
    let mut bindings = Vec::new();
    for handle in handles {
        let id = binding_id(handle)?;
        let gone = |one: &BindingEntry| {
            one.id == id && matches!(one.phase, BindingPhase::Gone | BindingPhase::Removing)
        };
        if known.iter().any(gone) {
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
    let known = known.map_err(ledger_fault)?;
    for handle in handles {
        let is_it = |one: &&BindingEntry| one.id.as_str() == handle.service_id;
        let found = known.iter().find(is_it).filter(|one| one.phase == BindingPhase::Present);
        let Some(found) = found else { continue };
        let place = format!("{}/{}", found.instance, found.id);
        let credentials = offering.open(&place, found.credentials.as_ref())?;
        let credentials = credentials.to_message(&entry.id, None);
        all.push(Handle { credentials, ..handle.clone() });
    }
    Ok(all)
}
