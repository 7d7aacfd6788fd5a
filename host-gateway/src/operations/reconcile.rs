//! Reconcile: finishes what a crash, a timeout or a silent node left over.
//!
//! Every gateway does this all the time, and none leads: work is claimed by compare-and-set on the
//! record's deadline. A pass reads what was written since the last one, and keeps the keys of
//! unfinished records in memory; everything is read anew once an hour.

mod settle;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::job::JobStatus;
use tenon_protocol::record::Life;
use tokio::time::Instant;

use self::settle::{Pass, Settled};
use super::{Blamed, OperationError, Operations};
use crate::metrics::Metrics;
use crate::state::{Bucket, Entry, KeepSeen, StateError, decode_job, decode_move};

/// Records that are read at once.
const PAGE: usize = 256;
/// Records that are worked on at once.
const AT_ONCE: usize = 8;
/// Records of one bucket that a pass takes up; the rest waits for the next one.
const MAX_DUE: usize = 128;
/// Unfinished records that are remembered for each bucket; a pass stops reading at them.
const MAX_OPEN: usize = 10_000;
/// How often everything is read anew.
const REREAD: Duration = Duration::from_secs(3600);
/// Longest pause before a record is tried again.
const MAX_BACKOFF: Duration = Duration::from_secs(300);
/// First pause.
const MIN_BACKOFF: Duration = Duration::from_secs(5);

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Records read because they are new or changed.
    pub(crate) read: u64,
    /// Unfinished ones, whoever works on them.
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

/// Whether records that failed shortly before are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eagerness {
    Patient,
    /// An operator asked.
    Eager,
}

/// What passes remember. One task owns it.
pub(crate) struct Reconciler {
    ops: Arc<Operations>,
    metrics: Arc<Metrics>,
    shards: Vec<Shard>,
    reread: Instant,
}

/// One bucket's unfinished records.
struct Shard {
    bucket: Bucket,
    /// Everything below was read.
    from: u64,
    open: HashMap<String, Open>,
}

/// An unfinished record.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    failures: u32,
    not_before: Option<Instant>,
}

/// The part of a record that says whether it is finished.
#[derive(Deserialize)]
struct Glance {
    life: Life,
}

impl Reconciler {
    /// Looks after all records that `ops` has.
    pub(crate) fn new(ops: Arc<Operations>, metrics: Arc<Metrics>) -> Self {
        let buckets = ops.records.buckets().iter().chain([ops.jobs.bucket()]).cloned();
        let shards =
            buckets.map(|bucket| Shard { bucket, from: 1, open: HashMap::new() }).collect();
        Self { ops, metrics, shards, reread: Instant::now() + REREAD }
    }

    /// One pass over everything.
    ///
    /// # Errors
    ///
    /// [`StateError`] when records cannot be read; what was read by then is not lost.
    pub(crate) async fn pass(&mut self, eagerness: Eagerness) -> Result<Counts, StateError> {
        let mut counts = Counts::default();
        if Instant::now() > self.reread {
            self.reread = Instant::now() + REREAD;
            self.shards.iter_mut().for_each(|shard| shard.from = 1);
        }
        for shard in &mut self.shards {
            shard.read(&self.ops, &mut counts).await?;
        }
        self.work(eagerness, &mut counts).await;
        let open: usize = self.shards.iter().map(|shard| shard.open.len()).sum();
        counts.open = u64::try_from(open).unwrap_or(u64::MAX);
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
            for key in shard.due(eagerness) {
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
                match is_open(entry) {
                    Ok(Openness::Open) => {
                        self.open.entry(entry.key.clone()).or_default();
                    }
                    Ok(Openness::Closed) => {
                        self.open.remove(&entry.key);
                    }
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

    /// Keys of some unfinished records that are not waiting after a failure.
    fn due(&self, eagerness: Eagerness) -> Vec<String> {
        let now = Instant::now();
        let is_due = |open: &Open| {
            eagerness == Eagerness::Eager || open.not_before.is_none_or(|moment| moment <= now)
        };
        let due = self.open.iter().filter(|(_, open)| is_due(open));
        due.take(MAX_DUE).map(|(key, _)| key.clone()).collect()
    }

    fn note(&mut self, key: &str, settled: Result<Settled, OperationError>, counts: &mut Counts) {
        match settled {
            Ok(Settled::Done) => {
                counts.settled += 1;
                self.open.remove(key);
            }
            Ok(Settled::Nothing) => {
                self.open.remove(key);
            }
            Ok(Settled::Requeued) => counts.requeued += 1,
            Ok(Settled::NotOurs) => {}
            Err(error) => {
                counts.failed += 1;
                let open = self.open.entry(key.to_owned()).or_default();
                open.not_before = Some(Instant::now() + backoff(open.failures));
                open.failures = open.failures.saturating_add(1);
                let fault = error.fault();
                tracing::warn!(
                    error = %chain(&error),
                    code = fault.msg.code,
                    key,
                    failures = open.failures,
                    "left-over work failed"
                );
            }
        }
    }
}

/// How long a record waits after it failed that often.
fn backoff(failures: u32) -> Duration {
    MIN_BACKOFF.saturating_mul(1 << failures.min(10)).min(MAX_BACKOFF)
}

enum Openness {
    Open,
    Closed,
    /// A finished job that stays for ever unless it is told to go.
    Expiring,
}

fn is_open(entry: &Entry) -> Result<Openness, StateError> {
    if entry.key.starts_with("job.") {
        return Ok(match (decode_job(entry)?.record.status, entry.keep) {
            (JobStatus::Queued | JobStatus::Working, _) => Openness::Open,
            (JobStatus::Completed | JobStatus::Failed | JobStatus::Killed, KeepSeen::Forever) => {
                Openness::Expiring
            }
            (JobStatus::Completed | JobStatus::Failed | JobStatus::Killed, KeepSeen::Expires) => {
                Openness::Closed
            }
        });
    }
    if entry.key.starts_with("move.") {
        let ended = decode_move(entry)?.record.step.is_final();
        return Ok(if ended { Openness::Closed } else { Openness::Open });
    }
    if !entry.key.starts_with("inst.") && !entry.key.starts_with("bind.") {
        return Ok(Openness::Closed);
    }
    let glance: Glance = serde_json::from_slice(&entry.value)
        .map_err(|source| StateError::Damaged { key: entry.key.clone(), source })?;
    // Long after every deadline, whatever is unfinished is left over.
    let ever = Millis::from_millis(u64::MAX);
    Ok(if glance.life.is_left_over(ever) { Openness::Open } else { Openness::Closed })
}

/// Nodes write the end of a job; that it may be forgotten later is written here.
async fn expire(ops: &Operations, entry: &Entry) -> Result<(), StateError> {
    let stored = decode_job(entry)?;
    ops.jobs.replace(&stored, &stored.record).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_fails_waits_longer_each_time() {
        assert_eq!(backoff(0), MIN_BACKOFF);
        assert_eq!(backoff(1), MIN_BACKOFF * 2);
        assert_eq!(backoff(40), MAX_BACKOFF);
    }
}
