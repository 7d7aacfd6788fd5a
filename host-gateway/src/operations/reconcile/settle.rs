//! What is done about one unfinished record.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::job::JobStatus;
use tenon_protocol::record::{
    Abandon, BindingRecord, InstanceRecord, JobKind, JobRecord, Life, Phase,
};
use tenon_protocol::{Fault, NodeId, ServiceName};

use crate::config::OfferingConfig;
use crate::operations::{
    OperationError, Operations, Origin, bind, moving, provision, unbind, unprovision,
};
use crate::patience::Patience;
use crate::state::{
    Bucket, Cas, Entry, Put, Queued, Record, StateError, Stored, StoredMove, decode, decode_job,
    decode_move,
};

/// A queued job younger than this is still on its way into the queue.
const YOUNG_JOB: Duration = Duration::from_secs(10);

/// What became of a record that was taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// The work is done.
    Done,
    /// There was none: somebody else did it.
    Nothing,
    /// Somebody else works on it, or it is not due.
    NotOurs,
    /// A job is in the queue again.
    Requeued,
}

/// One pass, as far as a single record sees it.
pub(super) struct Pass {
    ops: Arc<Operations>,
    /// Nodes that let this pass wait: they do so once, not once for each record.
    silent: Mutex<HashSet<NodeId>>,
}

impl Pass {
    /// A pass in which every node may still answer.
    pub(super) fn new(ops: Arc<Operations>) -> Self {
        Self { ops, silent: Mutex::default() }
    }

    /// Takes up the record under `key`, if its work is due and nobody else does it.
    ///
    /// # Errors
    ///
    /// [`OperationError`] when the work is not done yet.
    pub(super) async fn settle(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Settled, OperationError> {
        let Some(entry) = bucket.get(key).await? else {
            return Ok(Settled::Nothing);
        };
        let settled = if key.starts_with("inst.") {
            self.settle_instance(decode(&entry)?).await
        } else if key.starts_with("bind.") {
            self.settle_binding(decode(&entry)?).await
        } else if key.starts_with("move.") {
            settle_move(&self.ops, decode_move(&entry)?).await
        } else {
            settle_job(&self.ops, &entry).await
        };
        if let Err(OperationError::Silent(node)) = &settled {
            self.silent().insert(node.clone());
        }
        settled
    }

    async fn settle_instance(
        &self,
        stored: Stored<InstanceRecord>,
    ) -> Result<Settled, OperationError> {
        let ops = &self.ops;
        let Some((offering, patience)) = self.take_up(&stored.record, &stored.record.service)
        else {
            return Ok(idle(stored.record.life()));
        };
        let Some(taken) = take(ops, &stored, patience).await? else {
            return Ok(Settled::NotOurs);
        };
        let left = match taken.record.life.phase {
            Phase::Intent => return finish_instance(ops, &offering, taken, patience).await,
            Phase::Ready | Phase::Moving | Phase::Deleting | Phase::Tomb => {
                let (left, cleaned) = unprovision::clean(ops, &offering, taken, patience).await?;
                cleaned.everywhere()?;
                left
            }
        };
        let phase = left.record.life.phase;
        tracing::info!(instance = %left.record.id, ?phase, "left-over work is done");
        Ok(Settled::Done)
    }

    async fn settle_binding(
        &self,
        stored: Stored<BindingRecord>,
    ) -> Result<Settled, OperationError> {
        let ops = &self.ops;
        let Some((offering, patience)) = self.take_up(&stored.record, &stored.record.service)
        else {
            return Ok(idle(stored.record.life()));
        };
        let Some(taken) = take(ops, &stored, patience).await? else {
            return Ok(Settled::NotOurs);
        };
        let left = match taken.record.life.phase {
            Phase::Intent => {
                bind::carry_out(ops, &offering, (taken, Origin::TakenOver), patience).await?
            }
            Phase::Ready | Phase::Moving | Phase::Deleting | Phase::Tomb => {
                let (left, cleaned) = unbind::clean(ops, &offering, taken, patience).await?;
                cleaned.everywhere()?;
                left
            }
        };
        let phase = left.record.life.phase;
        tracing::info!(binding = %left.record.id, ?phase, "left-over work is done");
        Ok(Settled::Done)
    }

    /// The offering of a record with work that is due; `None` when there is none, or all nodes that
    /// would be asked have let this pass wait already.
    fn take_up(
        &self,
        record: &impl Record,
        service: &ServiceName,
    ) -> Option<(Arc<OfferingConfig>, Patience)> {
        let offering = self.ops.offering(service)?;
        let life = record.life();
        let home = (life.phase == Phase::Intent).then_some(&life.node);
        let mut asked = life.garbage.iter().chain(home);
        let waits = asked.all(|node| self.silent().contains(node));
        let due = life.is_left_over(Millis::now()) && !waits;
        due.then(|| (Arc::clone(offering), Patience::of(offering.node_timeout)))
    }

    // A panic while it is held leaves a whole set behind.
    fn silent(&self) -> MutexGuard<'_, HashSet<NodeId>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn finish_instance(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    intent: Stored<InstanceRecord>,
    patience: Patience,
) -> Result<Settled, OperationError> {
    let Some(plan) = offering.plans.iter().find(|plan| plan.name == intent.record.plan) else {
        return Ok(Settled::NotOurs);
    };
    let intent = (intent, Origin::TakenOver);
    match provision::carry_out(ops, offering, plan, intent, patience).await {
        Ok(_ready) => Ok(Settled::Done),
        Err(provision::ProvisionError::Operation(error)) => Err(error),
        Err(error) => {
            tracing::debug!(error = %chain(&error), "an intent could not be finished, it is removed");
            Ok(Settled::NotOurs)
        }
    }
}

fn idle(life: &Life) -> Settled {
    let ever = Millis::from_millis(u64::MAX);
    if life.is_left_over(ever) { Settled::NotOurs } else { Settled::Nothing }
}

/// Claims a record: an abandoned intent is turned into a removal, if it is to be undone; of the
/// rest only the deadline changes. `None` when somebody else was faster.
async fn take<R: Record>(
    ops: &Operations,
    stored: &Stored<R>,
    patience: Patience,
) -> Result<Option<Stored<R>>, StateError> {
    let life = stored.record.life();
    let claimed = match (life.phase, life.on_abandon) {
        (Phase::Intent, Abandon::Undo) => {
            life.deleting(patience.lease()).unwrap_or_else(|_going| life.clone())
        }
        (Phase::Intent, Abandon::Finish)
        | (Phase::Ready | Phase::Moving | Phase::Deleting | Phase::Tomb, _) => {
            life.claimed(patience.lease())
        }
    };
    match ops.records.replace(stored, claimed).await? {
        Cas::Written(taken) => Ok(Some(taken)),
        Cas::Lost => Ok(None),
    }
}

/// Goes on with a move that nobody works on, in the background: a step may take long.
async fn settle_move(ops: &Arc<Operations>, stored: StoredMove) -> Result<Settled, OperationError> {
    if stored.record.step.is_final() {
        return Ok(Settled::Nothing);
    }
    let Some(offering) = ops.offering(&stored.record.service) else {
        return Ok(Settled::NotOurs);
    };
    if stored.record.is_left_over(Millis::now())
        && let Some(claimed) = moving::claim(ops, offering, &stored).await?
    {
        moving::carry_on_in_background(ops, offering, claimed);
    }
    Ok(Settled::NotOurs)
}

/// A queued job without a pointer in the queue gets one, and a job that nobody ends has failed.
async fn settle_job(ops: &Operations, entry: &Entry) -> Result<Settled, OperationError> {
    let stored = decode_job(entry)?;
    let job = &stored.record;
    if let Some(failed) = overdue(job, ops.job_life, Millis::now()) {
        tracing::warn!(job = %job.id, node = %job.node, "a job did not end in time");
        return match ops.jobs.replace(&stored, &failed).await? {
            Put::Written(_) => Ok(Settled::Done),
            Put::Lost => Ok(Settled::NotOurs),
        };
    }
    match job.status {
        JobStatus::Queued => {}
        JobStatus::Working => return Ok(Settled::NotOurs),
        JobStatus::Completed | JobStatus::Failed | JobStatus::Killed => {
            return Ok(Settled::Nothing);
        }
    }
    let queued = ops.jobs.queued(&job.service, &job.node, &job.instance);
    if Millis::now() < job.created.after(YOUNG_JOB) || queued.await?.is_some() {
        return Ok(Settled::NotOurs);
    }
    match ops.jobs.enqueue(job).await? {
        Queued::Waiting => Ok(Settled::Requeued),
        Queued::Busy => Ok(Settled::NotOurs),
    }
}

/// A job that is older than `life`, as it ends then; `None` for one that may go on.
fn overdue(job: &JobRecord, life: Duration, now: Millis) -> Option<JobRecord> {
    let waits_for_ever = matches!(job.kind, JobKind::ForgetSnapshots);
    if waits_for_ever || now < job.created.after(life) {
        return None;
    }
    let fault = match job.status {
        JobStatus::Queued => Fault::job_wait(life),
        JobStatus::Working => Fault::job_ttl(life),
        JobStatus::Completed | JobStatus::Failed | JobStatus::Killed => return None,
    };
    let mut failed = job.clone();
    failed.end(JobStatus::Failed, serde_json::to_value(&fault.msg).ok(), now);
    Some(failed)
}

#[cfg(test)]
mod tests {
    use tenon_protocol::{Generation, InstanceId, JobId};

    use super::*;

    fn job(kind: JobKind, status: JobStatus) -> JobRecord {
        JobRecord {
            v: 1,
            id: JobId::random(),
            service: ServiceName::new("MyaaS").unwrap(),
            node: NodeId::new("n1").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            generation: Generation::FIRST,
            kind,
            status,
            attempts: 0,
            progress: 0,
            created: Millis::from_millis(1_000),
            completed: None,
            result: None,
            request: None,
        }
    }

    #[test]
    fn p31_a_job_that_nobody_takes_or_ends_has_failed() {
        use JobStatus::{Completed, Failed, Killed, Queued, Working};
        let kind = || JobKind::RollbackSnapshot { snapshot: 2.into() };
        let life = Duration::from_secs(60);
        let ended = |kind, status, millis| {
            let ended = overdue(&job(kind, status), life, Millis::from_millis(millis))?;
            assert_eq!(ended.status, Failed);
            Some(ended.result.unwrap().to_string())
        };
        let waited = r#"{"code":30801,"description":"Job timeout after waiting for 60 seconds."}"#;
        let killed = r#"{"code":30802,"description":"Job is killed since it runs longer than ttl: 60 seconds."}"#;
        assert_eq!(ended(kind(), Queued, 61_000).as_deref(), Some(waited));
        assert_eq!(ended(kind(), Working, 61_000).as_deref(), Some(killed));
        assert_eq!(ended(kind(), Queued, 60_999), None);
        for status in [Completed, Failed, Killed] {
            assert_eq!(ended(kind(), status, 99_000), None);
        }
        assert_eq!(ended(JobKind::ForgetSnapshots, Queued, 99_000), None);
    }
}
