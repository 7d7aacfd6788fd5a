//! Provision: an instance comes into being.

use std::sync::atomic::Ordering;

use tenon_protocol::Fault;
use tenon_protocol::chain;
use tenon_protocol::message::{Object, ProvisionRequest};

use super::{STATE_RETRIES, Task, conflict, fenced, full, quarantine, unprovision};
use crate::credentials::{Credentials, attrs};
use crate::guest::{Called, GuestFailure, Provision, wit};
use crate::ledger::{InstanceEntry, InstancePhase, Note};
use crate::offering::{Offering, facts, ledger_fault};

/// What the ledger's entry says about an order.
#[derive(Debug)]
enum Decision {
    /// It was done: the same answer again.
    Repeat(Box<InstanceEntry>),
    /// It cannot be done.
    Refuse(Fault),
    /// It is to be done now.
    Start,
}

/// What is written before the guest is called.
enum Begun {
    /// Nothing: the operation was done before.
    Done(Box<InstanceEntry>),
    /// That it is being made.
    New,
    /// Nothing: it is there, and is made once more where it lacks something (recovery).
    Over,
}

/// Creates the instance that `task` names.
///
/// Returns its credentials, with `name` and `node_id`.
///
/// # Errors
///
/// A numbered error. After one, the instance does not exist or is being removed; one that was there
/// before is there still.
pub(crate) async fn provision(
    offering: &Offering,
    task: &Task,
    request: ProvisionRequest,
) -> Result<Object, Fault> {
    quarantine::claim(offering, &task.order.instance).await?;
    let _alone = offering.locks.exclusive(&task.order.instance).await;
    quarantine::check_out(offering, &task.order.instance)?;
    provision_alone(offering, task, request).await
}

/// The same for who holds the instance's lock.
///
/// # Errors
///
/// As [`provision`].
pub(crate) async fn provision_alone(
    offering: &Offering,
    task: &Task,
    request: ProvisionRequest,
) -> Result<Object, Fault> {
    let version = check(offering, &request)?;
    let begun = begin(offering, task, &request.plan, &version).await?;
    if let Begun::Done(done) = &begun {
        return answer(offering, done);
    }
    offering.crash.point("provision.begun");
    let reuse = request.credentials.map(Credentials::from_message);
    let mut tries = 0;
    let entry = loop {
        let made = make(offering, task, &request.plan, &version, reuse.as_ref()).await;
        tries += 1;
        match made {
            Ok(entry) => break entry,
            Err(GuestFailure::StateConflict) if tries < STATE_RETRIES => {}
            // What was there before stays, whatever is wrong now.
            Err(failure) if matches!(begun, Begun::Over) => return Err(failure.to_fault()),
            Err(failure) => return Err(undo(offering, task, &failure).await),
        }
    };
    offering.crash.point("provision.recorded");
    tracing::info!(offering = offering.config.label, instance = %entry.id, "provisioned");
    answer(offering, &entry)
}

/// The version to provision.
fn check(offering: &Offering, request: &ProvisionRequest) -> Result<String, Fault> {
    if request.plan != offering.config.plan {
        return Err(Fault::node_invalid_plan(&request.plan));
    }
    let version = request.version.clone().unwrap_or_default();
    if !offering.config.versions.contains(&version) {
        return Err(Fault::unsupported_version(&version));
    }
    Ok(version)
}

/// Writes the intent, if there is to be one.
async fn begin(
    offering: &Offering,
    task: &Task,
    plan: &str,
    version: &str,
) -> Result<Begun, Fault> {
    let room = offering.reserve();
    let has_room = room.is_some();
    let service = offering.service().clone();
    // The lock is held: nobody else changes this entry between the look and the write.
    let found = offering.ledger.instance(&service, &task.order.instance).map_err(ledger_fault)?;
    let before = found.as_ref().map(|entry| entry.phase);
    match decide(found, task, has_room) {
        Decision::Repeat(entry) => Ok(Begun::Done(entry)),
        Decision::Refuse(fault) => Err(fault),
        Decision::Start if before == Some(InstancePhase::Present) => Ok(Begun::Over),
        Decision::Start => {
            let intent = Note::Instance(
                service,
                task.first_entry(InstancePhase::Provisioning, plan, version),
            );
            offering.intend(task.recorded, intent).await.map_err(ledger_fault)?;
            // One that is begun again has its room already.
            let again = before.is_some_and(InstancePhase::takes_room);
            if let Some(room) = room.filter(|_| !again) {
                room.keep();
            }
            Ok(Begun::New)
        }
    }
}

fn decide(entry: Option<InstanceEntry>, task: &Task, has_room: bool) -> Decision {
    let start_if_room = || if has_room { Decision::Start } else { Decision::Refuse(full()) };
    let Some(entry) = entry else { return start_if_room() };
    let same = entry.operation == task.order.operation;
    let newer = task.order.generation > entry.generation;
    if task.recorded && task.order.generation < entry.generation {
        return Decision::Refuse(fenced());
    }
    match entry.phase {
        InstancePhase::Present if same => Decision::Repeat(Box::new(entry)),
        InstancePhase::Provisioning if same => Decision::Start,
        // An original gateway repeats by giving the old credentials again (recover).
        InstancePhase::Present | InstancePhase::Provisioning if newer || !task.recorded => {
            Decision::Start
        }
        InstancePhase::Present | InstancePhase::Provisioning => {
            Decision::Refuse(conflict(entry.id.as_str()))
        }
        InstancePhase::Removing => Decision::Refuse(Fault::busy()),
        InstancePhase::Gone if newer || !task.recorded => start_if_room(),
        // Undone because something was away. Nothing newer was seen: as if it had not come yet.
        InstancePhase::Gone if same && entry.failure.is_none() => start_if_room(),
        InstancePhase::Gone if same => Decision::Refuse(entry.failure.unwrap_or_else(fenced)),
        InstancePhase::Gone => Decision::Refuse(fenced()),
    }
}

/// Calls the guest, and records what it made.
async fn make(
    offering: &Offering,
    task: &Task,
    plan: &str,
    version: &str,
    reuse: Option<&Credentials>,
) -> Result<InstanceEntry, GuestFailure> {
    let call = Provision {
        instance: wit::InstanceRef {
            id: task.order.instance.to_string(),
            plan: plan.to_owned(),
            version: version.to_owned(),
        },
        parameters: parameters(&task.order.parameters),
        reuse: reuse.map(Credentials::to_guest),
    };
    let called = offering.call(&facts(&task.order), call).await?;
    offering.crash.point("provision.called");
    record(offering, task.first_entry(InstancePhase::Provisioning, plan, version), called).await
}

/// Makes credentials and the guest's state durable, together.
async fn record(
    offering: &Offering,
    mut entry: InstanceEntry,
    called: Called<wit::Credential>,
) -> Result<InstanceEntry, GuestFailure> {
    let credentials = Credentials::from_guest(called.output)
        .map_err(|error| GuestFailure::Broken(chain(&error).to_string()))?;
    let sealed = offering.key.seal(entry.id.as_str(), &credentials);
    entry.credentials =
        Some(sealed.map_err(|error| GuestFailure::Host(chain(&error).to_string()))?);
    entry.phase = InstancePhase::Present;
    let service = offering.service().clone();
    let written = offering.ledger.update(move |book| {
        if !book.apply_state(&called.writes)? {
            return Ok(None);
        }
        if let Some(begun) = book.instance(&service, &entry.id)? {
            entry.created = begun.created;
        }
        book.put_instance(&service, &entry)?;
        Ok(Some(entry))
    });
    written.await?.ok_or(GuestFailure::StateConflict)
}

/// Removes what a failed provision may have left; what cannot be removed now is removed later.
async fn undo(offering: &Offering, task: &Task, failure: &GuestFailure) -> Fault {
    let fault = failure.to_fault();
    let failed = (!failure.is_passing()).then(|| fault.clone());
    if let Err(left) = unprovision::remove(offering, &task.order, task.recorded, failed).await {
        offering.left_over.store(true, Ordering::Relaxed);
        let instance = &task.order.instance;
        tracing::warn!(%instance, %left, "a failed provision is undone later");
    }
    fault
}

fn answer(offering: &Offering, entry: &InstanceEntry) -> Result<Object, Fault> {
    let credentials = offering.open(entry.id.as_str(), entry.credentials.as_ref())?;
    Ok(credentials.to_message(&entry.id, Some(offering.node())))
}

/// The user's parameters for the guest; anything but a JSON object is nothing.
fn parameters(text: &str) -> Vec<(String, String)> {
    serde_json::from_str::<Object>(text).map(|object| attrs(&object)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstancePhase::{Gone, Present, Provisioning, Removing};

    fn check_decision(phase: Option<InstancePhase>, task: &Task, has_room: bool, expected: &str) {
        let entry =
            phase.map(|phase| Task::of_test("op-2", 2, true).first_entry(phase, "free", "1"));
        let decision = match decide(entry, task, has_room) {
            Decision::Repeat(_) => "repeat".to_owned(),
            Decision::Start => "start".to_owned(),
            Decision::Refuse(fault) => fault.msg.code.to_string(),
        };
        assert_eq!(decision, expected, "{phase:?} {task:?}");
    }

    #[test]
    fn the_same_operation_again_gets_the_same_answer() {
        let same = Task::of_test("op-2", 2, true);
        check_decision(None, &same, true, "start");
        check_decision(Some(Provisioning), &same, false, "start");
        check_decision(Some(Present), &same, false, "repeat");
        check_decision(Some(Removing), &same, true, "30807");
        check_decision(Some(Gone), &same, true, "start");
        check_decision(Some(Gone), &same, false, "30510");
    }

    #[test]
    fn an_older_command_is_refused_and_a_newer_one_is_obeyed() {
        let older = Task::of_test("op-1", 1, true);
        let newer = Task::of_test("op-3", 3, true);
        for phase in [Provisioning, Present, Removing, Gone] {
            check_decision(Some(phase), &older, true, "30511");
        }
        check_decision(Some(Provisioning), &newer, true, "start");
        check_decision(Some(Present), &newer, true, "start");
        check_decision(Some(Removing), &newer, true, "30807");
        check_decision(Some(Gone), &newer, true, "start");
    }

    #[test]
    fn another_operation_of_the_same_generation_is_a_conflict() {
        let other = Task::of_test("op-9", 2, true);
        check_decision(Some(Present), &other, true, "30301");
        check_decision(Some(Provisioning), &other, true, "30301");
        check_decision(Some(Gone), &other, true, "30511");
    }

    #[test]
    fn a_full_node_takes_nothing_new() {
        check_decision(None, &Task::of_test("op-1", 1, true), false, "30510");
        check_decision(Some(Gone), &Task::of_test("op-3", 3, true), false, "30510");
    }

    #[test]
    fn an_original_gateway_knows_no_fence() {
        let original = Task::of_test("op-9", 0, false);
        check_decision(Some(Present), &original, true, "start");
        check_decision(Some(Gone), &original, true, "start");
    }
}
