//! Bind: an application gets credentials for an instance.

use std::sync::atomic::Ordering;

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{BindRequest, Object};
use tenon_protocol::{BindingId, Fault};

use super::{STATE_RETRIES, Task, conflict, fenced, quarantine, unbind};
use crate::credentials::{Credentials, attrs};
use crate::guest::{Bind, CallFacts, Called, GuestFailure, wit};
use crate::ledger::{BindingEntry, BindingPhase, InstanceEntry, InstancePhase, Note};
use crate::offering::{Offering, facts, ledger_fault};
use crate::quota::hold;

/// What the ledger's entry says about an order.
#[derive(Debug)]
enum Decision {
    /// It was done: the same answer again.
    Repeat(Box<BindingEntry>),
    /// It cannot be done.
    Refuse(Fault),
    /// It is to be done now.
    Start,
}

/// Creates the binding that `task` names.
///
/// Returns its credentials, with `name`.
///
/// # Errors
///
/// A numbered error. After one, the binding does not exist, or is being removed.
pub(crate) async fn bind(
    offering: &Offering,
    task: &Task,
    request: BindRequest,
) -> Result<Object, Fault> {
    let id = task.order.binding.clone().ok_or_else(Fault::malformed)?;
    quarantine::claim(offering, &task.order.instance).await?;
    let _beside = offering.locks.shared(&task.order.instance).await;
    let _alone = offering.locks.binding(&task.order.instance, &id).await;
    quarantine::check_out(offering, &task.order.instance)?;
    let (instance, done) = begin(offering, task, &id).await?;
    if let Some(done) = done {
        hold(offering, &instance).await.map_err(|failure| failure.to_fault())?;
        return answer(offering, &done);
    }
    offering.crash.point("bind.begun");
    let reuse = request.credentials.map(Credentials::from_message);
    let options = request.bind_opts.unwrap_or_default();
    let call = Bind {
        binding: wit::BindingRef { id: id.to_string(), instance: offering.instance_ref(&instance) },
        parameters: attrs(&options),
        reuse: reuse.as_ref().map(Credentials::to_guest),
    };
    let mut tries = 0;
    let entry = loop {
        tries += 1;
        let intent = intent(task, &id);
        match make(offering, &instance, intent, &facts(&task.order), call.clone(), &options).await {
            Ok(entry) => break entry,
            Err(GuestFailure::StateConflict) if tries < STATE_RETRIES => {}
            Err(failure) => return Err(undo(offering, task, &id, &failure).await),
        }
    };
    offering.crash.point("bind.recorded");
    tracing::info!(instance = %entry.instance, binding = %entry.id, "bound");
    answer(offering, &entry)
}

/// Writes the intent. `Some` when the operation was done before.
async fn begin(
    offering: &Offering,
    task: &Task,
    id: &BindingId,
) -> Result<(InstanceEntry, Option<BindingEntry>), Fault> {
    let (service, on) = (offering.service().clone(), &task.order.instance);
    let found = offering.ledger.instance(&service, on).map_err(ledger_fault)?;
    let present = found.filter(|entry| entry.phase == InstancePhase::Present);
    let instance = present.ok_or_else(|| offering.no_instance(on))?;
    if instance.is_suspended() {
        return Err(Fault::busy());
    }
    // The locks are held: nobody else changes this entry between the look and the write.
    let found = offering.ledger.binding(&service, on, id).map_err(ledger_fault)?;
    match decide(found, task) {
        Decision::Repeat(entry) => Ok((instance, Some(*entry))),
        Decision::Refuse(fault) => Err(fault),
        Decision::Start => {
            let intent = Note::Binding(service, intent(task, id));
            offering.intend(task.recorded, intent).await.map_err(ledger_fault)?;
            Ok((instance, None))
        }
    }
}

fn intent(task: &Task, id: &BindingId) -> BindingEntry {
    BindingEntry {
        id: id.clone(),
        instance: task.order.instance.clone(),
        generation: task.order.generation,
        operation: task.order.operation.clone(),
        recorded: task.recorded,
        phase: BindingPhase::Binding,
        user: String::new(),
        changed: Millis::now(),
        credentials: None,
        failure: None,
    }
}

fn decide(entry: Option<BindingEntry>, task: &Task) -> Decision {
    let Some(entry) = entry else { return Decision::Start };
    let same = entry.operation == task.order.operation;
    let newer = task.order.generation > entry.generation;
    if task.order.generation < entry.generation {
        return Decision::Refuse(fenced());
    }
    match entry.phase {
        BindingPhase::Present if same => Decision::Repeat(Box::new(entry)),
        BindingPhase::Binding if same => Decision::Start,
        BindingPhase::Present | BindingPhase::Binding | BindingPhase::Gone if newer => {
            Decision::Start
        }
        BindingPhase::Present | BindingPhase::Binding => {
            Decision::Refuse(conflict(entry.id.as_str()))
        }
        BindingPhase::Removing => Decision::Refuse(Fault::busy()),
        BindingPhase::Gone if same => Decision::Refuse(entry.failure.unwrap_or_else(fenced)),
        BindingPhase::Gone => Decision::Refuse(fenced()),
    }
}

/// Calls the guest, and records what it made.
async fn make(
    offering: &Offering,
    instance: &InstanceEntry,
    entry: BindingEntry,
    facts: &CallFacts,
    call: Bind,
    options: &Object,
) -> Result<BindingEntry, GuestFailure> {
    let called = offering.call(facts, call).await?;
    offering.crash.point("bind.called");
    let entry = record(offering, entry, called, options).await?;
    // Nobody has the password yet: there is no moment to write in.
    hold(offering, instance).await?;
    Ok(entry)
}

/// Makes credentials and the guest's state durable, together.
async fn record(
    offering: &Offering,
    mut entry: BindingEntry,
    called: Called<wit::Credential>,
    options: &Object,
) -> Result<BindingEntry, GuestFailure> {
    let credentials = Credentials::from_guest(called.output)
        .map_err(|error| GuestFailure::Broken(chain(&error).to_string()))?
        .with_options(options.clone());
    let sealed = offering.key.seal(&place(&entry), &credentials);
    entry.credentials =
        Some(sealed.map_err(|error| GuestFailure::Host(chain(&error).to_string()))?);
    entry.user = credentials.user();
    entry.phase = BindingPhase::Present;
    let service = offering.service().clone();
    let written = offering.ledger.update(move |book| {
        if !book.apply_state(&called.writes)? {
            return Ok(None);
        }
        book.put_binding(&service, &entry)?;
        Ok(Some(entry))
    });
    written.await?.ok_or(GuestFailure::StateConflict)
}

/// Removes what a failed bind may have left; what cannot be removed now is removed later.
async fn undo(offering: &Offering, task: &Task, id: &BindingId, failure: &GuestFailure) -> Fault {
    let fault = failure.to_fault();
    let failed = (!failure.is_passing()).then(|| fault.clone());
    if let Err(left) = unbind::remove(offering, task, id, failed).await {
        offering.left_over.store(true, Ordering::Relaxed);
        tracing::warn!(binding = %id, %left, "a failed bind is undone later");
    }
    fault
}

fn answer(offering: &Offering, entry: &BindingEntry) -> Result<Object, Fault> {
    let credentials = offering.open(&place(entry), entry.credentials.as_ref())?;
    Ok(credentials.to_message(&entry.instance, None))
}

fn place(entry: &BindingEntry) -> String {
    format!("{}/{}", entry.instance, entry.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use BindingPhase::{Binding, Gone, Present, Removing};

    fn task(operation: &str, generation: u64) -> Task {
        let mut task = Task::of_test(operation, generation, true);
        task.order.binding = BindingId::new("b1").ok();
        task
    }

    fn check_decision(phase: Option<BindingPhase>, task: &Task, expected: &str) {
        let id = BindingId::new("b1").unwrap();
        let entry =
            phase.map(|phase| BindingEntry { phase, ..intent(&self::task("op-2", 2), &id) });
        let decision = match decide(entry, task) {
            Decision::Repeat(_) => "repeat".to_owned(),
            Decision::Start => "start".to_owned(),
            Decision::Refuse(fault) => fault.msg.code.to_string(),
        };
        assert_eq!(decision, expected, "{phase:?} {task:?}");
    }

    #[test]
    fn the_same_operation_again_gets_the_same_answer() {
        let same = task("op-2", 2);
        check_decision(None, &same, "start");
        check_decision(Some(Binding), &same, "start");
        check_decision(Some(Present), &same, "repeat");
        check_decision(Some(Removing), &same, "30807");
        check_decision(Some(Gone), &same, "30511");
    }

    #[test]
    fn an_older_command_is_refused_and_a_newer_one_is_obeyed() {
        for phase in [Binding, Present, Removing, Gone] {
            check_decision(Some(phase), &task("op-1", 1), "30511");
        }
        for phase in [Binding, Present, Gone] {
            check_decision(Some(phase), &task("op-3", 3), "start");
        }
    }

    #[test]
    fn another_operation_of_the_same_generation_is_a_conflict() {
        check_decision(Some(Present), &task("op-9", 2), "30301");
        check_decision(Some(Gone), &task("op-9", 2), "30511");
    }
}
