//! Reconcile: finishes what a crash, a timeout or a silent node left over.
//!
//! Every gateway does this all the time, and none leads: work is claimed by compare-and-set on the
//! record's deadline. A pass reads what was written since the last one, and keeps the keys of
//! unfinished records in memory; everything is read anew now and then.

mod open;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tenon_protocol::ServiceName;
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::job::JobStatus;
use tenon_protocol::record::Life;
use tokio::time::Instant;

pub(crate) use self::open::Eagerness;
use self::open::OpenRecords;
use self::settle::{Pass, Settled};
use super::lost_nodes::greet_nodes;
use super::{Blamed, OperationError, Operations};
use crate::metrics::{Duty, Metrics};
use crate::state::{Bucket, Entry, KeepSeen, StateError, decode_job, decode_move};

/// Records that are read at once.
const PAGE: usize = 256;
/// Records that are worked on at once.
const AT_ONCE: usize = 8;
/// Unfinished records that are remembered for each bucket; a pass stops reading at them.
const MAX_OPEN: usize = 10_000;
/// The longest that a lease is believed.
const FAR: Duration = Duration::from_secs(3600);

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Records read because they are new or changed.
    pub(crate) read: u64,
    /// Unfinished ones of this gateway's offerings, whoever works on them.
    pub(crate) open: u64,
    /// Taken up by this pass, and ended.
    pub(crate) settled: u64,
    /// Taken up by this pass, and still unfinished.
    pub(crate) failed: u64,
    /// Queued jobs that were put into the queue again.
    pub(crate) requeued: u64,
    /// Records that cannot be read.
    pub(crate) damaged: u64,
}

/// What passes remember. One task owns it.
pub(crate) struct Reconciler {
    ops: Arc<Operations>,
    metrics: Arc<Metrics>,
    shards: Vec<Shard>,
    reread_interval: Duration,
    reread: Instant,
}

/// One bucket's unfinished records.
struct Shard {
    bucket: Bucket,
    /// Everything below was read.
    from: u64,
    open: OpenRecords,
}

/// The part of a record that says whether it is finished.
#[derive(Deserialize)]
struct Glance {
    service: ServiceName,
    life: Life,
}

impl Reconciler {
    /// Looks after all records that `ops` has, and reads them all anew at `reread_interval`.
    pub(crate) fn new(
        ops: Arc<Operations>,
        metrics: Arc<Metrics>,
        reread_interval: Duration,
    ) -> Self {
        let buckets = ops.records.buckets().iter().chain([ops.jobs.bucket()]).cloned();
        let shards =
            buckets.map(|bucket| Shard { bucket, from: 1, open: OpenRecords::default() }).collect();
        Self { ops, metrics, shards, reread_interval, reread: Instant::now() + reread_interval }
    }

    /// One pass over everything.
    ///
    /// # Errors
    ///
    /// [`StateError`] when records cannot be read; what was read by then is not lost.
    pub(crate) async fn pass(&mut self, eagerness: Eagerness) -> Result<Counts, StateError> {
        let mut counts = Counts::default();
        if Instant::now() > self.reread {
            self.reread = Instant::now() + self.reread_interval;
            self.metrics.performed(Duty::Reread);
            self.shards.iter_mut().for_each(|shard| shard.from = 1);
        }
        for shard in &mut self.shards {
            shard.read(&self.ops, &mut counts).await?;
        }
        if let Err(error) = greet_nodes(&self.ops).await {
            tracing::debug!(error = %chain(&error), "nodes that are gone for good could not be listed");
        }
        self.work(eagerness, &mut counts).await;
        let open: usize = self.shards.iter().map(|shard| shard.open.len()).sum();
        counts.open = u64::try_from(open).unwrap_or(u64::MAX);
        self.metrics.performed(Duty::Reconcile);
        self.metrics.reconciled("settled", counts.settled);
        self.metrics.reconciled("failed", counts.failed);
        self.metrics.reconciled("requeued", counts.requeued);
        Ok(counts)
    }

    /// Takes up what is due.
    async fn work(&mut self, eagerness: Eagerness, counts: &mut Counts) {
        let pass = Arc::new(Pass::new(Arc::clone(&self.ops)));
        let mut working = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            for key in shard.open.due(eagerness, Instant::now()) {
                let (pass, bucket) = (Arc::clone(&pass), shard.bucket.clone());
                working.push(async move {
                    let settled = pass.settle(&bucket, &key).await;
                    (number, key, settled)
                });
            }
        }
        let working = futures_util::stream::iter(working).buffer_unordered(AT_ONCE);
        let results: Vec<_> = working.collect().await;
        for (number, key, settled) in results {
            if let Some(shard) = self.shards.get_mut(number) {
                shard.note(&key, settled, counts);
            }
        }
    }
}

impl Shard {
    /// Reads what is new.
    async fn read(&mut self, ops: &Operations, counts: &mut Counts) -> Result<(), StateError> {
        while self.open.len() < MAX_OPEN {
            let page = self.bucket.page(">", self.from, PAGE).await?;
            for entry in &page.entries {
                counts.read += 1;
                match is_open(ops, entry) {
                    Ok(Openness::Open(until)) => self.open.found(&entry.key, moment(until)),
                    Ok(Openness::Closed) => self.open.finished(&entry.key),
                    Ok(Openness::Expiring) => expire(ops, entry).await?,
                    Err(error) => {
                        counts.damaged += 1;
                        tracing::error!(error = %chain(&error), key = entry.key, "a record cannot be read");
                    }
                }
                self.from = entry.revision + 1;
            }
            match page.next {
                Some(next) => self.from = next,
                None => return Ok(()),
            }
        }
        tracing::warn!(open = self.open.len(), "too much unfinished work, the rest waits");
        Ok(())
    }

    fn note(&mut self, key: &str, settled: Result<Settled, OperationError>, counts: &mut Counts) {
        match settled {
            Ok(Settled::Done) => {
                counts.settled += 1;
                self.open.finished(key);
            }
            Ok(Settled::Nothing) => self.open.finished(key),
            Ok(Settled::Requeued) => {
                counts.requeued += 1;
                self.open.waits(key, Instant::now());
            }
            Ok(Settled::NotOurs) => self.open.waits(key, Instant::now()),
            Err(error) => {
                counts.failed += 1;
                let failures = self.open.failed(key, Instant::now());
                let fault = error.fault();
                tracing::warn!(
                    error = %chain(&error),
                    code = fault.msg.code,
                    key,
                    failures = failures.saturating_add(1),
                    "left-over work failed"
                );
            }
        }
    }
}

/// When the wall clock will say `until`, at once if it has; the lease of a clock that is far ahead
/// is looked at again.
fn moment(until: Millis) -> Instant {
    let left = until.as_millis().saturating_sub(Millis::now().as_millis());
    Instant::now() + Duration::from_millis(left).min(FAR)
}

enum Openness {
    /// Somebody may be at work until then.
    Open(Millis),
    /// There is no work, or none for this gateway.
    Closed,
    /// A finished job that stays for ever unless it is told to go.
    Expiring,
}

fn is_open(ops: &Operations, entry: &Entry) -> Result<Openness, StateError> {
    if entry.key.starts_with("job.") {
        return Ok(match (decode_job(entry)?.record.status, entry.keep) {
            (JobStatus::Queued | JobStatus::Working, _) => Openness::Open(Millis::default()),
            (JobStatus::Completed | JobStatus::Failed | JobStatus::Killed, KeepSeen::Forever) => {
                Openness::Expiring
            }
            (JobStatus::Completed | JobStatus::Failed | JobStatus::Killed, KeepSeen::Expires) => {
                Openness::Closed
            }
        });
    }
    let open = |service: &ServiceName, work: bool, until| {
        // What another gateway offers is its own to finish.
        let is_ours = ops.offering(service).is_some();
        if work && is_ours { Openness::Open(until) } else { Openness::Closed }
    };
    if entry.key.starts_with("move.") {
        let record = decode_move(entry)?.record;
        return Ok(open(&record.service, !record.step.is_final(), record.deadline));
    }
    if !entry.key.starts_with("inst.") && !entry.key.starts_with("bind.") {
        return Ok(Openness::Closed);
    }
    let glance: Glance = serde_json::from_slice(&entry.value)
        .map_err(|source| StateError::Damaged { key: entry.key.clone(), source })?;
    // Long after every deadline, whatever is unfinished is left over.
    let ever = Millis::from_millis(u64::MAX);
    Ok(open(&glance.service, glance.life.is_left_over(ever), glance.life.deadline))
}

/// Nodes write the end of a job; that it may be forgotten later is written here.
async fn expire(ops: &Operations, entry: &Entry) -> Result<(), StateError> {
    let stored = decode_job(entry)?;
    ops.jobs.replace(&stored, &stored.record).await?;
    Ok(())
}
