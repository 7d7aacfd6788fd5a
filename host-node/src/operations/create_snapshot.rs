//! Create snapshot: a copy of an instance's data goes into the store.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tenon_protocol::chain;
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
    let _beside = in_time(offering.locks.shared(&job.instance)).await?;
    let entry = present(offering, job)?;
    let dir = store.instance(offering.service(), &job.instance).map_err(storage)?;
    let _aside = dir.aside_of(&job.id);
    offering.crash.point("snapshot.begun");
    let call = Snapshot {
        instance: offering.instance_ref(&entry),
        dir: Arc::clone(dir.dir()),
        file: InstanceDir::aside(&job.id),
        max_bytes: store.max_bytes,
    };
    let called = offering.call(&job_facts(job, progress), call).await;
    let taken = called.map_err(|failure| failure.to_fault())?.output;
    offering.crash.point("snapshot.called");
    dir.keep(&job.id, id).map_err(storage)?;
    offering.crash.point("snapshot.stored");
    let created = Millis::now();
    let name = name_of(name, created);
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
        package: None,
    })
}

/// Waits for an instance, as long as the original's jobs did.
///
/// # Errors
///
/// `Job timeout after waiting for 20 seconds.`
pub(crate) async fn in_time<T>(lock: impl Future<Output = T>) -> Result<T, Fault> {
    const LONGEST: Duration = Duration::from_secs(20);
    tokio::time::timeout(LONGEST, lock).await.map_err(|_elapsed| Fault::job_wait(LONGEST))
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
    tracing::error!(error = %chain(&error), "the snapshot store failed");
    Fault::unavailable()
}

/// The user's name for a snapshot, or the original's.
pub(crate) fn name_of(name: Option<&str>, created: Millis) -> String {
    name.map_or_else(|| format!("Snapshot {}", created.to_iso8601()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_job_waits_no_longer_than_the_originals_did() {
        let fault = in_time(std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(fault.msg.code, 30801);
        assert_eq!(fault.msg.description, "Job timeout after waiting for 20 seconds.");
        assert!(in_time(std::future::ready(())).await.is_ok());
    }

    #[test]
    fn p34_a_snapshot_always_has_a_name() {
        let created = Millis::from_millis(1_373_444_142_000);
        assert_eq!(name_of(None, created), "Snapshot 2013-07-10T08:15:42Z");
        assert_eq!(name_of(Some("nightly"), created), "nightly");
    }
}
