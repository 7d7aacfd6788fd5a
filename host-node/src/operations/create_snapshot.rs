//! Create snapshot: a copy of an instance's data goes into the store.

use std::sync::{Arc, Mutex};

use tenon_protocol::clock::Millis;
use tenon_protocol::record::{JobRecord, RECORD_VERSION, SnapshotRecord};
use tenon_protocol::{Fault, OperationId, SnapshotId};

use crate::capability::context::Progress;
use crate::guest::{CallFacts, Snapshot, TimeLimit};
use crate::ledger::{InstanceEntry, InstancePhase};
use crate::offering::{Offering, ledger_fault};
use crate::snapshots::InstanceDir;

/// Takes snapshot `id` of the job's instance.
///
/// Returns its record, to be written once the data is safe, which it is.
///
/// # Errors
///
/// A numbered error; nothing is left in the store.
pub(crate) async fn create_snapshot(
    offering: &Offering,
    job: &JobRecord,
    id: &SnapshotId,
    name: Option<&str>,
    progress: Arc<Mutex<Progress>>,
) -> Result<SnapshotRecord, Fault> {
    let store = offering.snapshots.as_ref().ok_or_else(|| Fault::no_extension("snapshot"))?;
    let _beside = offering.locks.shared(&job.instance).await;
    let entry = present(offering, job)?;
    let dir = store.instance(offering.service(), &job.instance).map_err(storage)?;
    offering.crash.point("snapshot.begun");
    let call = Snapshot {
        instance: offering.instance_ref(&entry),
        dir: Arc::clone(dir.dir()),
        file: InstanceDir::aside(&job.id),
        max_bytes: store.max_bytes,
    };
    let called = offering.call(&job_facts(job, progress), call).await;
    let taken = match called {
        Ok(called) => called.output,
        Err(failure) => {
            dir.discard(&job.id);
            return Err(failure.to_fault());
        }
    };
    offering.crash.point("snapshot.called");
    dir.keep(&job.id, id).map_err(storage)?;
    offering.crash.point("snapshot.stored");
    let created = Millis::now();
    let name = name.map_or_else(|| format!("Snapshot {}", created.to_iso8601()), str::to_owned);
    Ok(SnapshotRecord {
        v: RECORD_VERSION,
        id: id.clone(),
        instance: job.instance.clone(),
        service: job.service.clone(),
        node: job.node.clone(),
        plan: entry.plan,
        version: entry.version,
        format: taken.format,
        size: taken.size,
        sha256: taken.sha256,
        created,
        name,
    })
}

/// The instance's entry, if it is there to work on.
///
/// # Errors
///
/// `X configuration Y not found.`; busy while it is suspended.
pub(crate) fn present(offering: &Offering, job: &JobRecord) -> Result<InstanceEntry, Fault> {
    let found = offering.ledger.read(|view| view.instance(offering.service(), &job.instance));
    let found = found.map_err(ledger_fault)?;
    let present = found.filter(|entry| entry.phase == InstancePhase::Present);
    let present = present.ok_or_else(|| offering.no_instance(&job.instance))?;
    if present.is_suspended() { Err(Fault::busy()) } else { Ok(present) }
}

/// Facts of a job's call: the same operation at every attempt.
pub(crate) fn job_facts(job: &JobRecord, progress: Arc<Mutex<Progress>>) -> CallFacts {
    let internal = CallFacts::internal(job.instance.as_str());
    let operation =
        OperationId::new(job.id.as_str()).unwrap_or_else(|_never| OperationId::random());
    CallFacts { operation, limit: TimeLimit::Job, progress, ..internal }
}

/// What a failing store becomes outside.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(crate) fn storage(error: std::io::Error) -> Fault {
    tracing::error!(%error, "the snapshot store failed");
    Fault::unavailable()
}
