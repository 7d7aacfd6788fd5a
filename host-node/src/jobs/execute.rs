//! Does the work of a job: what each kind asks for, and what is recorded of it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tenon_protocol::chain;
use tenon_protocol::record::{JobKind, JobRecord, SnapshotRecord};
use tenon_protocol::{Fault, SnapshotId};

use super::record::{JobError, Records};
use crate::capability::context::Progress;
use crate::ledger::{Deed, JobEntry};
use crate::offering::{Offering, ledger_fault};
use crate::operations::create_serialized_url::create_serialized_url;
use crate::operations::create_snapshot::create_snapshot;
use crate::operations::delete_snapshot::delete_snapshot;
use crate::operations::forget_snapshots::forget_snapshots;
use crate::operations::import_from_url::{Import, import_from_url};
use crate::operations::rollback_snapshot::rollback_snapshot;

type Watched = Arc<Mutex<Progress>>;

/// Does the work; the value is the job's result. Every kind can be repeated from its beginning.
pub(super) async fn execute(
    offering: &Offering,
    records: &Records,
    job: &JobRecord,
    progress: Watched,
) -> Result<Value, Fault> {
    match &job.kind {
        JobKind::CreateSnapshot { snapshot, name, quota } => {
            let work = create_snapshot(offering, job, snapshot, name.as_deref(), progress);
            let points = ["snapshot.noted", "snapshot.recorded"];
            new_snapshot((offering, records, job), (snapshot, *quota), work, points).await
        }
        JobKind::ImportFromUrl { snapshot, url, linked, name, quota } => {
            // Absent only once the job has ended.
            let url = url.as_ref().ok_or_else(Fault::internal)?;
            let import = Import { snapshot, url, linked: linked.as_ref(), name: name.as_deref() };
            let work = import_from_url(offering, job, import, progress);
            let points = ["fetch.noted", "fetch.recorded"];
            new_snapshot((offering, records, job), (snapshot, *quota), work, points).await
        }
        JobKind::RollbackSnapshot { snapshot } => {
            let record = recorded(records, job, snapshot).await?;
            rollback_snapshot(offering, job, &record, progress).await?;
            Ok(ok())
        }
        JobKind::DeleteSnapshot { snapshot } => {
            offering.crash.point("delete.begun");
            records.delete_snapshot(job, snapshot).await.map_err(fault)?;
            offering.crash.point("delete.unlisted");
            delete_snapshot(offering, job, snapshot)?;
            offering.crash.point("delete.removed");
            Ok(ok())
        }
        JobKind::CreateSerializedUrl { snapshot, provider } => {
            let record = recorded(records, job, snapshot).await?;
            let package = create_serialized_url(offering, job, &record, provider, progress).await?;
            records.put_package(job, snapshot, &package).await.map_err(fault)?;
            offering.crash.point("package.recorded");
            // The link is the gateway's to sign.
            Ok(ok())
        }
        JobKind::ForgetSnapshots => {
            records.delete_snapshots(job).await.map_err(fault)?;
            offering.crash.point("forget.unlisted");
            forget_snapshots(offering, job)?;
            offering.crash.point("forget.removed");
            Ok(ok())
        }
    }
}

/// Lets what `work` takes or fetches be a snapshot, and writes it down once its data is safe.
async fn new_snapshot(
    (offering, records, job): (&Offering, &Records, &JobRecord),
    (snapshot, quota): (&SnapshotId, Option<usize>),
    work: impl Future<Output = Result<SnapshotRecord, Fault>>,
    [noted, recorded]: [&str; 2],
) -> Result<Value, Fault> {
    let record = match records.snapshot(job, snapshot).await.map_err(fault)? {
        // Taken before a crash, and not yet said.
        Some(record) => record,
        None => {
            let record = match kept(offering, job)? {
                Some(record) => record,
                None => taken(offering, records, job, quota, work).await?,
            };
            offering.crash.point(noted);
            records.put_snapshot(&record).await.map_err(fault)?;
            record
        }
    };
    offering.crash.point(recorded);
    serde_json::to_value(record.view()).map_err(|_never| Fault::internal())
}

/// What the job kept before a crash, or before its end could not be recorded: nothing is fetched
/// twice.
fn kept(offering: &Offering, job: &JobRecord) -> Result<Option<SnapshotRecord>, Fault> {
    let deed = offering.ledger.read(|view| view.deed(&job.service, &job.instance, &job.id));
    Ok(match deed.map_err(ledger_fault)? {
        Some(Deed::Kept(record)) => Some(*record),
        Some(Deed::RolledBack) | None => None,
    })
}

/// Takes or fetches a snapshot, if the quota has room, and notes that its data is safe.
async fn taken(
    offering: &Offering,
    records: &Records,
    job: &JobRecord,
    quota: Option<usize>,
    work: impl Future<Output = Result<SnapshotRecord, Fault>>,
) -> Result<SnapshotRecord, Fault> {
    let there = records.count_snapshots(job).await.map_err(fault)?;
    if let Some(quota) = quota.filter(|quota| there >= *quota) {
        return Err(Fault::snapshot_quota(job.instance.as_str(), there, quota));
    }
    let record = work.await?;
    let (service, instance) = (job.service.clone(), job.instance.clone());
    let deed = Deed::Kept(Box::new(record.clone()));
    let entry = JobEntry { instance, job: job.id.clone(), deed };
    let noted = offering.ledger.update(move |book| book.put_job(&service, &entry)).await;
    noted.map_err(ledger_fault)?;
    Ok(record)
}

async fn recorded(
    records: &Records,
    job: &JobRecord,
    snapshot: &SnapshotId,
) -> Result<SnapshotRecord, Fault> {
    let record = records.snapshot(job, snapshot).await.map_err(fault)?;
    record.ok_or_else(|| Fault::not_found(&format!("snapshot {snapshot}")))
}

fn ok() -> Value {
    json!({ "result": "ok" })
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn fault(error: JobError) -> Fault {
    tracing::warn!(error = %chain(&error), "the records of jobs do not answer");
    Fault::unavailable()
}
