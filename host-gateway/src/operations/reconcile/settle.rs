//! What is done about one unfinished record.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::job::JobStatus;
use tenon_protocol::record::{Abandon, BindingRecord, InstanceRecord, Life, Phase};
use tenon_protocol::{NodeId, ServiceName};

use crate::config::OfferingConfig;
use crate::operations::{
    OperationError, Operations, Origin, bind, moving, provision, unbind, unprovision,
};
use crate::patience::Patience;
use crate::state::{
    Bucket, Cas, Entry, Queued, Record, StateError, Stored, StoredMove, decode, decode_job,
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
                unprovision::clean(ops, &offering, taken, patience).await?
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
                unbind::clean(ops, &offering, taken, patience).await?
            }
        };
        let phase = left.record.life.phase;
        tracing::info!(binding = %left.record.id, ?phase, "left-over work is done");
        Ok(Settled::Done)
    }

    /// The offering of a record with work that is due; `None` when there is none, or its node has
    /// let this pass wait already.
    fn take_up(
        &self,
        record: &impl Record,
        service: &ServiceName,
    ) -> Option<(Arc<OfferingConfig>, Patience)> {
        let offering = self.ops.offering(service)?;
        let life = record.life();
        let mut asked = life.garbage.iter().chain([&life.node]);
        let waits = asked.any(|node| self.silent().contains(node));
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
            tracing::debug!(%error, "an intent could not be finished, it is removed");
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

/// A queued job without a pointer in the queue gets one.
async fn settle_job(ops: &Operations, entry: &Entry) -> Result<Settled, OperationError> {
    let job = decode_job(entry)?.record;
    match job.status {
        JobStatus::Queued => {}
        JobStatus::Working | JobStatus::Completed | JobStatus::Failed | JobStatus::Killed => {
            return Ok(Settled::Nothing);
        }
    }
    if Millis::now() < job.created.after(YOUNG_JOB) || ops.jobs.queued(&job).await?.is_some() {
        return Ok(Settled::NotOurs);
    }
    match ops.jobs.enqueue(&job).await? {
        Queued::Waiting => Ok(Settled::Requeued),
        Queued::Busy => Ok(Settled::NotOurs),
    }
}
