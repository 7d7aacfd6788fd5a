//! Disable: nobody reaches an instance any more, and its data lies in the shared store.
//!
//! First the ledger says so, then all access is revoked, then the data is written: nothing that an
//! application was told to be written is missing from it.

use std::sync::Arc;

use tenon_protocol::Fault;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::HandlePair;

use super::Task;
use super::handles::everyone;
use super::moving::{blocking, call_and_record, export_of, long_facts, present};
use crate::exports::{Export, MANIFEST_VERSION, Manifest};
use crate::guest::{Disable, Snapshot};
use crate::ledger::{Access, InstanceEntry, Note};
use crate::offering::{Offering, ledger_fault};

/// Suspends the instance that `task` names, and exports it.
///
/// # Errors
///
/// A numbered error; the instance is suspended or not, and its data is where it was.
pub(crate) async fn disable_instance(
    offering: &Offering,
    task: &Task,
    pair: &HandlePair,
) -> Result<(), Fault> {
    let _alone = offering.locks.exclusive(&task.order.instance).await;
    let entry = present(offering, task)?;
    let export = export_of(offering, &entry.id).await?;
    if task.recorded && entry.is_suspended() && is_exported(&export, task).await? {
        return Ok(());
    }
    let entry = suspend(offering, task, entry).await?;
    offering.crash.point("disable.begun");
    for everyone in everyone(offering, &entry, pair)?.in_parts() {
        let call = Disable { everyone };
        let called = call_and_record(offering, &long_facts(task), call, &entry).await;
        called.map_err(|failure| failure.to_fault())?;
    }
    offering.crash.point("disable.called");
    write(offering, task, &entry, &export).await?;
    offering.crash.point("disable.exported");
    tracing::info!(offering = offering.config.label, instance = %entry.id, "disabled");
    Ok(())
}

/// Whether the data of this very order is in the store.
async fn is_exported(export: &Export, task: &Task) -> Result<bool, Fault> {
    let (export, generation) = (export.clone(), task.order.generation);
    let manifest = blocking(move || export.manifest()).await;
    // One that cannot be read is written anew.
    Ok(matches!(manifest, Ok(Some(manifest)) if manifest.generation == generation))
}

/// From here on no binding is made, whatever happens to this process.
async fn suspend(
    offering: &Offering,
    task: &Task,
    mut entry: InstanceEntry,
) -> Result<InstanceEntry, Fault> {
    entry.moving.access = Access::Suspended;
    entry.generation = entry.generation.max(task.order.generation);
    entry.changed = Millis::now();
    let note = Note::Instance(offering.service().clone(), entry.clone());
    offering.ledger.put(note).await.map_err(ledger_fault)?;
    Ok(entry)
}

async fn write(
    offering: &Offering,
    task: &Task,
    entry: &InstanceEntry,
    export: &Export,
) -> Result<(), Fault> {
    let max_bytes = offering.snapshots.as_ref().map_or(0, |store| store.max_bytes);
    let call = Snapshot {
        instance: offering.instance_ref(entry),
        dir: Arc::clone(export.dir()),
        file: Export::aside().to_owned(),
        max_bytes,
    };
    let taken = call_and_record(offering, &long_facts(task), call, entry).await;
    let taken = taken.map_err(|failure| failure.to_fault())?;
    let manifest = Manifest {
        v: MANIFEST_VERSION,
        service: offering.service().clone(),
        instance: entry.id.clone(),
        plan: entry.plan.clone(),
        version: entry.version.clone(),
        format: taken.format,
        size: taken.size,
        sha256: taken.sha256,
        generation: task.order.generation,
        node: offering.node().clone(),
        created: Millis::now(),
    };
    let export = export.clone();
    blocking(move || export.keep(&manifest)).await
}
