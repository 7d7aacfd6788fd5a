//! Restore: a periodic backup replaces the data of an instance.

use tenon_protocol::chain;
use tenon_protocol::message::RestoreRequest;
use tenon_protocol::{Code, Fault};

use super::Task;
use super::moving::{call_and_write, corrupt, long_facts, present};
use crate::backups::{FindError, Found};
use crate::guest::Restore;
use crate::ledger::Book;
use crate::offering::Offering;
use crate::quota::hold_or_doubt;

/// Loads the backup of the instance that `task` names.
///
/// Done once for each order of a gateway of ours: what was written since is not lost to a late
/// copy of it, nor to a second attempt after a crash.
///
/// # Errors
///
/// A numbered error; the instance has the data it had.
pub(crate) async fn restore(
    offering: &Offering,
    task: &Task,
    request: &RestoreRequest,
) -> Result<(), Fault> {
    let _alone = offering.locks.exclusive(&task.order.instance).await;
    let mut entry = present(offering, task)?;
    if entry.is_suspended() {
        return Err(Fault::busy());
    }
    let operation = Some(task.order.operation.clone());
    if task.recorded && entry.moving.restored == operation {
        return Ok(());
    }
    let found = find(offering, task, request.backup_path.clone()).await?;
    offering.crash.point("reload.begun");
    entry.moving.restored = operation;
    let call = Restore {
        instance: offering.instance_ref(&entry),
        dir: found.dir,
        file: found.file,
        format: found.format,
    };
    let (service, restored) = (offering.service().clone(), entry.clone());
    let crash = offering.crash.clone();
    let record = move |book: &mut Book<'_>| {
        crash.point("reload.replaced");
        book.put_instance(&service, &restored)
    };
    let loaded = call_and_write(offering, &long_facts(task), call, record).await;
    loaded.map_err(|failure| failure.to_fault())?;
    hold_or_doubt(offering, &entry).await;
    offering.crash.point("reload.recorded");
    tracing::info!(offering = offering.config.label, instance = %entry.id, "restored");
    Ok(())
}

async fn find(offering: &Offering, task: &Task, path: String) -> Result<Found, Fault> {
    let store = offering.backups.clone().ok_or_else(|| Fault::no_extension("restore"))?;
    let id = task.order.instance.clone();
    let looked = tokio::task::spawn_blocking(move || store.find(&path, &id)).await;
    let found = looked.map_err(|_panicked| Fault::internal())?;
    found.map_err(|error| {
        let instance = &task.order.instance;
        tracing::warn!(%instance, error = %chain(&error), "no backup to restore");
        match error {
            FindError::Outside => {
                let text = "backup_path is not below the node's directory of backups";
                Fault::new(Code::MALFORMED, text)
            }
            FindError::Nothing => Fault::not_found(&format!("backup of {instance}")),
            FindError::Damaged => corrupt(),
            FindError::Disk(_) => Fault::unavailable(),
        }
    })
}
