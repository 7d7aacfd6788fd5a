//! Roll back: a snapshot's data replaces an instance's.

use std::sync::{Arc, Mutex};

use tenon_protocol::Fault;
use tenon_protocol::record::{JobRecord, SnapshotRecord};

use super::create_snapshot::{in_time, job_facts, present, storage};
use super::moving::call_and_write;
use crate::capability::context::Progress;
use crate::guest::Restore;
use crate::ledger::{Book, Deed, JobEntry};
use crate::offering::{Offering, ledger_fault};
use crate::quota::hold_or_doubt;
use crate::snapshots::InstanceDir;

/// Replaces the data of the job's instance by `snapshot`.
///
/// Done once for each job: what was written since is not lost to a worker that comes again because
/// the job's end was not recorded (P31). Nor when that it was done was not recorded: the capability
/// that replaced the data knows the operation.
///
/// The stored bytes are compared with the record first: damaged data replaces nothing.
///
/// # Errors
///
/// A numbered error; the instance has the data it had.
pub(crate) async fn rollback_snapshot(
    offering: &Offering,
    job: &JobRecord,
    snapshot: &SnapshotRecord,
    progress: Arc<Mutex<Progress>>,
) -> Result<(), Fault> {
    let store = offering.snapshots.as_ref().ok_or_else(|| Fault::no_extension("snapshot"))?;
    let _alone = in_time(offering.locks.exclusive(&job.instance)).await?;
    let done = offering.ledger.read(|view| view.deed(&job.service, &job.instance, &job.id));
    if done.map_err(ledger_fault)?.is_some() {
        tracing::info!(instance = %job.instance, job = %job.id, "was rolled back already");
        return Ok(());
    }
    let entry = present(offering, job)?;
    let dir = store.instance(offering.service(), &snapshot.instance).map_err(storage)?;
    let (reader, id) = (dir.clone(), snapshot.id.clone());
    let sha256 = tokio::task::spawn_blocking(move || reader.sha256(&id)).await;
    let sha256 = sha256.map_err(|_panicked| Fault::internal())?.map_err(storage)?;
    if sha256 != snapshot.sha256 {
        tracing::error!(instance = %job.instance, snapshot = %snapshot.id, "a snapshot is damaged");
        return Err(Fault::snapshot_corrupt());
    }
    offering.crash.point("restore.begun");
    let call = Restore {
        instance: offering.instance_ref(&entry),
        dir: Arc::clone(dir.dir()),
        file: InstanceDir::name(&snapshot.id),
        format: snapshot.format.clone(),
    };
    let (service, instance) = (job.service.clone(), job.instance.clone());
    let done = JobEntry { instance, job: job.id.clone(), deed: Deed::RolledBack };
    let crash = offering.crash.clone();
    let record = move |book: &mut Book<'_>| {
        crash.point("restore.replaced");
        book.put_job(&service, &done)
    };
    let called = call_and_write(offering, &job_facts(job, progress), call, record).await;
    called.map_err(|failure| failure.to_fault())?;
    hold_or_doubt(offering, &entry).await;
    offering.crash.point("restore.called");
    tracing::info!(instance = %job.instance, snapshot = %snapshot.id, "rolled back");
    Ok(())
}
