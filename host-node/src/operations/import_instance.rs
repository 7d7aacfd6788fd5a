//! Import: an instance comes to this node, with the credentials and the data that it had.
//!
//! The data is believed when it has its checksum, and when the order that it was written for is
//! the one that is obeyed here. Bindings come with [`super::update_instance`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Handle, HandlePair, ProvisionRequest};
use tenon_protocol::{Code, Fault, Generation, OperationId, Order};

use super::moving::{blocking, call_and_write, corrupt, export_of, is_late, long_facts};
use super::provision::provision_alone;
use super::{Task, conflict, fenced, unprovision};
use crate::exports::{Export, Manifest};
use crate::guest::Restore;
use crate::ledger::{Arrival, Book, InstanceEntry, InstancePhase, Note};
use crate::offering::{Offering, ledger_fault};

/// Time for the guest to make the instance, however long the gateway waits for this answer.
const PROVISION: Duration = Duration::from_secs(60);

/// What the ledger's entry says about an order.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// It was done.
    Done,
    /// It cannot be done.
    Refuse(Fault),
    /// It is to be done now, or once more from its beginning.
    Start,
    /// An older order left something here: if the data comes from elsewhere, that is what remains
    /// of an instance that moved away.
    Replace(OperationId, Generation),
}

/// Makes the instance that `task` names, and loads its data.
///
/// # Errors
///
/// A numbered error. After one of loading, the instance stays until it is unprovisioned or loaded.
pub(crate) async fn import_instance(
    offering: &Offering,
    task: &Task,
    pair: &HandlePair,
) -> Result<(), Fault> {
    let id = &task.order.instance;
    let _alone = offering.locks.exclusive(id).await;
    let found = offering.ledger.instance(offering.service(), id).map_err(ledger_fault)?;
    let decision = decide(found.as_ref(), task);
    match &decision {
        Decision::Done => return Ok(()),
        Decision::Refuse(fault) => return Err(fault.clone()),
        Decision::Start | Decision::Replace(..) => {}
    }
    let export = export_of(offering, id).await?;
    let manifest = checked(offering, task, &export).await?;
    offering.crash.point("import.checked");
    if let Decision::Replace(operation, generation) = decision {
        make_way(offering, &manifest, Order { operation, generation, ..task.order.clone() })
            .await?;
    }
    let mut ordered = task.clone();
    ordered.order.deadline = Millis::now().after(PROVISION);
    drop(provision_alone(offering, &ordered, request(&pair.0, &manifest)).await?);
    offering.crash.point("import.provisioned");
    let entry = arriving(offering, task).await?;
    load(offering, task, &export, manifest, entry).await?;
    offering.crash.point("import.loaded");
    tracing::info!(offering = offering.config.label, instance = %id, "imported");
    Ok(())
}

fn decide(entry: Option<&InstanceEntry>, task: &Task) -> Decision {
    let Some(entry) = entry else { return Decision::Start };
    if is_late(task, entry) {
        return Decision::Refuse(fenced());
    }
    let again = task.recorded && task.order.generation == entry.generation;
    let same = task.recorded && task.order.operation == entry.operation;
    let newer = task.recorded && task.order.generation > entry.generation;
    match (entry.phase, entry.moving.arrival) {
        // The rest is decided where it is made.
        (InstancePhase::Gone | InstancePhase::Provisioning, _) => Decision::Start,
        (InstancePhase::Removing, _) => Decision::Refuse(Fault::busy()),
        (InstancePhase::Present, arrival)
            if newer && (settled(arrival) || entry.is_suspended()) =>
        {
            Decision::Replace(entry.operation.clone(), entry.generation)
        }
        (InstancePhase::Present, _) if entry.is_suspended() => {
            Decision::Refuse(conflict(entry.id.as_str()))
        }
        (InstancePhase::Present, Arrival::Loaded | Arrival::Adopted) if again => Decision::Done,
        (InstancePhase::Present, Arrival::Loading | Arrival::Loaded) => Decision::Start,
        (InstancePhase::Present, Arrival::Here) if same => Decision::Start,
        // It lives here: nobody's data is replaced by a move.
        (InstancePhase::Present, Arrival::Here | Arrival::Adopted) => {
            Decision::Refuse(conflict(entry.id.as_str()))
        }
    }
}

/// Removes what an instance left here when it moved away, under the `last` order that it obeyed.
///
/// That it is no more than that is known by the data: the node that has the instance now wrote it,
/// for the order that is obeyed here.
async fn make_way(offering: &Offering, manifest: &Manifest, last: Order) -> Result<(), Fault> {
    if manifest.node == *offering.node() {
        return Err(conflict(last.instance.as_str()));
    }
    tracing::info!(instance = %last.instance, "what was left of it goes, it comes back");
    let removed = unprovision::remove(offering, &last, true, None).await;
    removed.map_err(|failure| {
        offering.left_over.store(true, Ordering::Relaxed);
        failure.to_fault()
    })
}

/// Whether an instance was served here, with these data.
const fn settled(arrival: Arrival) -> bool {
    match arrival {
        Arrival::Here | Arrival::Adopted => true,
        Arrival::Loading | Arrival::Loaded => false,
    }
}

/// What the manifest says, if the data is whole and of this move.
async fn checked(offering: &Offering, task: &Task, export: &Export) -> Result<Manifest, Fault> {
    let id = &task.order.instance;
    let reader = export.clone();
    let manifest = blocking(move || reader.manifest()).await?;
    let manifest = manifest.ok_or_else(|| Fault::not_found(&format!("data of instance {id}")))?;
    if manifest.instance != *id || manifest.service != *offering.service() {
        return Err(corrupt());
    }
    if task.recorded && manifest.generation != task.order.generation {
        let text = format!("The data of instance {id} is that of another move");
        return Err(Fault::new(Code::CONFLICT, text));
    }
    let (reader, written) = (export.clone(), manifest.clone());
    if blocking(move || reader.is_whole(&written)).await? {
        Ok(manifest)
    } else {
        tracing::error!(instance = %id, "the data of a move is damaged");
        Err(corrupt())
    }
}

fn request(handle: &Handle, manifest: &Manifest) -> ProvisionRequest {
    let configuration = &handle.configuration;
    ProvisionRequest {
        plan: configuration.plan.clone().unwrap_or_else(|| manifest.plan.clone()),
        credentials: Some(handle.credentials.clone()),
        version: Some(configuration.version.clone().unwrap_or_else(|| manifest.version.clone())),
    }
}

/// The entry that was just made, which from now on says that its data is not there yet.
async fn arriving(offering: &Offering, task: &Task) -> Result<InstanceEntry, Fault> {
    let (service, id) = (offering.service().clone(), &task.order.instance);
    let found = offering.ledger.instance(&service, id).map_err(ledger_fault)?;
    let mut entry = found.ok_or_else(Fault::internal)?;
    entry.moving.arrival = Arrival::Loading;
    offering.ledger.put(Note::Instance(service, entry.clone())).await.map_err(ledger_fault)?;
    Ok(entry)
}

async fn load(
    offering: &Offering,
    task: &Task,
    export: &Export,
    manifest: Manifest,
    mut entry: InstanceEntry,
) -> Result<(), Fault> {
    entry.moving.arrival = Arrival::Loaded;
    let call = Restore {
        instance: offering.instance_ref(&entry),
        dir: Arc::clone(export.dir()),
        file: Export::data().to_owned(),
        format: manifest.format,
    };
    let (service, crash) = (offering.service().clone(), offering.crash.clone());
    let record = move |book: &mut Book<'_>| {
        crash.point("import.replaced");
        book.put_instance(&service, &entry)
    };
    let loaded = call_and_write(offering, &long_facts(task), call, record).await;
    loaded.map_err(|failure| failure.to_fault())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Access, Moving};
    use InstancePhase::{Gone, Present, Provisioning, Removing};

    fn check(phase: InstancePhase, arrival: Arrival, task: &Task, expected: &str) {
        check_moving(phase, Moving { arrival, ..Moving::default() }, task, expected);
    }

    fn check_moving(phase: InstancePhase, moving: Moving, task: &Task, expected: &str) {
        let entry = Task::of_test("op-5", 5, true).first_entry(phase, "", "");
        let entry = InstanceEntry { moving, ..entry };
        let decision = match decide(Some(&entry), task) {
            Decision::Done => "done".to_owned(),
            Decision::Start => "start".to_owned(),
            Decision::Refuse(fault) => fault.msg.code.to_string(),
            Decision::Replace(..) => "replace".to_owned(),
        };
        assert_eq!(decision, expected, "{phase:?} {task:?}");
    }

    #[test]
    fn p11_the_same_import_again_ends_in_the_same_state() {
        let same = Task::of_test("op-5", 5, true);
        for phase in [Provisioning, Gone] {
            check(phase, Arrival::Here, &same, "start");
        }
        check(Removing, Arrival::Here, &same, "30807");
        check(Present, Arrival::Here, &same, "start");
        check(Present, Arrival::Loading, &same, "start");
        check(Present, Arrival::Loaded, &same, "done");
        check(Present, Arrival::Adopted, &same, "done");
    }

    #[test]
    fn an_import_from_before_is_refused() {
        for arrival in [Arrival::Here, Arrival::Loading, Arrival::Loaded, Arrival::Adopted] {
            check(Present, arrival, &Task::of_test("op-4", 4, true), "30511");
        }
    }

    #[test]
    fn an_instance_that_lives_here_is_not_replaced() {
        let suspended = Moving { access: Access::Suspended, ..Moving::default() };
        for other in [Task::of_test("op-9", 5, true), Task::of_test("op-0", 0, false)] {
            check(Present, Arrival::Here, &other, "30301");
            check_moving(Present, suspended.clone(), &other, "30301");
            check(Present, Arrival::Loading, &other, "start");
        }
        check(Present, Arrival::Adopted, &Task::of_test("op-0", 0, false), "30301");
    }

    #[test]
    fn what_an_instance_left_here_when_it_moved_away_makes_way_for_it() {
        let newer = Task::of_test("op-9", 9, true);
        check(Present, Arrival::Here, &newer, "replace");
        check(Present, Arrival::Adopted, &newer, "replace");
        let suspended = Moving { access: Access::Suspended, ..Moving::default() };
        check_moving(Present, suspended, &newer, "replace");
        check(Present, Arrival::Loading, &newer, "start");
    }
}
