//! Which jobs this process works on. A job that the queue gives out again meanwhile, as it does
//! after an outage of the bus, is not begun beside itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenon_protocol::JobId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Jobs at once on one offering, however often the queue is looked for anew.
const MAX_JOBS: usize = 2;

/// The jobs of one offering that run.
#[derive(Clone)]
pub(super) struct Running {
    slots: Arc<Semaphore>,
    jobs: Arc<Mutex<HashSet<JobId>>>,
}

impl Running {
    pub(super) fn new() -> Self {
        Self { slots: Arc::new(Semaphore::new(MAX_JOBS)), jobs: Arc::default() }
    }

    /// Waits for room for one more.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// `None` when the job runs.
    pub(super) fn enter(&self, job: &JobId) -> Option<Entered> {
        let entered = self.lock().insert(job.clone());
        entered.then(|| Entered { running: self.clone(), job: job.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<JobId>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that runs. Dropped, it may be begun again.
pub(super) struct Entered {
    running: Running,
    job: JobId,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.running.lock().remove(&self.job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p31_a_job_is_not_begun_beside_itself() {
        let running = Running::new();
        let (job, other) = (JobId::random(), JobId::random());
        let first = running.enter(&job);
        assert!(first.is_some());
        assert!(running.enter(&job).is_none());
        assert!(running.clone().enter(&job).is_none());
        assert!(running.enter(&other).is_some());
        drop(first);
        assert!(running.enter(&job).is_some());
    }

    #[tokio::test]
    async fn no_more_jobs_run_than_there_are_slots() {
        let running = Running::new();
        let first = running.slot().await;
        let _second = running.slot().await;
        let third = running.slot();
        tokio::pin!(third);
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(first);
        assert!(third.await.is_some());
    }
}
