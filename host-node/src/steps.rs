//! Steps of a move or restore: work of minutes, for requests that wait for seconds.
//!
//! A gateway of ours asks again until it hears of the end: meanwhile the answer is "busy". What
//! was done is in the ledger and the store, and a repeated step finds it there; only why one
//! failed is kept here, until it was told. An original gateway waits for the end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::Handle;
use tenon_protocol::subject::Operation;
use tenon_protocol::{Fault, InstanceId, OperationId};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::operations::Task;

/// Steps at once of one offering; one more is told that the node is busy.
const MAX_STEPS: usize = 4;

/// How long the first request waits for the end: most steps are that quick.
const PATIENCE: Duration = Duration::from_secs(1);

/// Left of a request's time for its answer to arrive.
const MARGIN: Duration = Duration::from_millis(200);

/// How long a failure waits to be told.
const KEPT: Duration = Duration::from_secs(600);

/// Failures that wait to be told; beyond it the oldest is forgotten, and its step made again.
const MAX_KEPT: usize = 256;

/// What a step answers: handles, if it is one that changes them.
pub(crate) type Outcome = Result<Vec<Handle>, Fault>;

/// The steps of one offering that run, and those that failed.
pub(crate) struct Steps {
    table: Arc<Mutex<Table>>,
    slots: Arc<Semaphore>,
    tracker: TaskTracker,
}

#[derive(Default)]
struct Table {
    running: HashSet<InstanceId>,
    failed: HashMap<InstanceId, Failed>,
}

/// A step that failed while nobody listened.
struct Failed {
    step: Operation,
    operation: OperationId,
    fault: Fault,
    since: Instant,
}

impl Default for Steps {
    fn default() -> Self {
        let slots = Arc::new(Semaphore::new(MAX_STEPS));
        Self { table: Arc::default(), slots, tracker: TaskTracker::new() }
    }
}

impl Steps {
    /// Refuses what is asked of an instance while a step works on it.
    ///
    /// # Errors
    ///
    /// `Server busy`.
    pub(crate) fn refuse_while_running(&self, instance: &InstanceId) -> Result<(), Fault> {
        if lock(&self.table).running.contains(instance) { Err(Fault::busy()) } else { Ok(()) }
    }

    /// Runs `work`, or looks what became of it.
    ///
    /// # Errors
    ///
    /// Those of `work`; busy while it goes on, or too many others do.
    pub(crate) async fn run(
        &self,
        step: Operation,
        task: &Task,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> Outcome {
        if task.recorded {
            self.run_aside(step, task, work).await
        } else {
            let _slot = self.slots.acquire().await;
            let _running = Running::enter(&self.table, &task.order.instance);
            work.await
        }
    }

    async fn run_aside(
        &self,
        step: Operation,
        task: &Task,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> Outcome {
        let (instance, operation) = (task.order.instance.clone(), task.order.operation.clone());
        if let Some(fault) = lock(&self.table).take_failure(&instance, step, &operation) {
            return Err(fault);
        }
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let slot = slot.map_err(|_all_taken| Fault::busy())?;
        let running = Running::enter(&self.table, &instance).ok_or_else(Fault::busy)?;
        let table = Arc::clone(&self.table);
        let (done, heard) = oneshot::channel();
        let kept = (instance.clone(), operation.clone());
        let work = async move {
            let outcome = work.await;
            if let Err(fault) = &outcome {
                let (instance, operation) = kept;
                tracing::info!(%instance, step = step.as_str(), %fault, "a step failed");
                let fault = fault.clone();
                let failed = Failed { step, operation, fault, since: Instant::now() };
                lock(&table).keep_failure(instance, failed);
            }
            drop((running, slot));
            // Nobody may be listening any more.
            drop(done.send(outcome));
        };
        drop(self.tracker.spawn(work.in_current_span()));
        let left = task.order.deadline.remaining(Millis::now()).saturating_sub(MARGIN);
        match tokio::time::timeout(left.min(PATIENCE), heard).await {
            Ok(Ok(outcome)) => {
                // It is told now.
                drop(lock(&self.table).take_failure(&instance, step, &operation));
                outcome
            }
            // The task panicked: its instance is free again.
            Ok(Err(_panicked)) => Err(Fault::internal()),
            Err(_elapsed) => Err(Fault::busy()),
        }
    }

    /// Waits for the steps that run.
    pub(crate) async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Table {
    fn take_failure(
        &mut self,
        instance: &InstanceId,
        step: Operation,
        operation: &OperationId,
    ) -> Option<Fault> {
        let found = self.failed.get(instance)?;
        let same = found.step == step && found.operation == *operation;
        let failed = same.then(|| self.failed.remove(instance)).flatten();
        failed.map(|failed| failed.fault)
    }

    fn keep_failure(&mut self, instance: InstanceId, failed: Failed) {
        self.failed.retain(|_, failed| failed.since.elapsed() < KEPT);
        if self.failed.len() >= MAX_KEPT {
            let oldest = self.failed.iter().min_by_key(|(_, failed)| failed.since);
            let oldest = oldest.map(|(instance, _)| instance.clone());
            oldest.and_then(|oldest| self.failed.remove(&oldest));
        }
        self.failed.insert(instance, failed);
    }
}

/// A step's place in the table. Dropped, its instance is free.
struct Running {
    table: Arc<Mutex<Table>>,
    instance: InstanceId,
}

impl Running {
    /// `None` when another step works on the instance.
    fn enter(table: &Arc<Mutex<Table>>, instance: &InstanceId) -> Option<Self> {
        let entered = lock(table).running.insert(instance.clone());
        entered.then(|| Self { table: Arc::clone(table), instance: instance.clone() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.table).running.remove(&self.instance);
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Notify;

    fn task(operation: &str, recorded: bool) -> Task {
        let mut task = Task::of_test(operation, 1, recorded);
        task.order.deadline = Millis::now().after(Duration::from_secs(5));
        task
    }

    fn code(outcome: &Outcome) -> u32 {
        outcome.as_ref().err().map_or(0, |fault| fault.msg.code)
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_step_is_busy_until_it_ended_and_is_not_begun_twice() {
        let steps = Steps::default();
        let go = Arc::new(Notify::new());
        let work = |go: &Arc<Notify>| {
            let go = Arc::clone(go);
            async move {
                go.notified().await;
                Ok(Vec::new())
            }
        };
        let same = task("op-1", true);
        assert_eq!(code(&steps.run(Operation::ImportInstance, &same, work(&go)).await), 30807);
        let never = async { unreachable!("it runs already") };
        assert_eq!(code(&steps.run(Operation::ImportInstance, &same, never).await), 30807);
        assert!(steps.refuse_while_running(&same.order.instance).is_err());
        go.notify_one();
        steps.drained().await;
        assert!(steps.refuse_while_running(&same.order.instance).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_once_to_whoever_ordered_the_step() {
        let steps = Steps::default();
        let late = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Err(Fault::unavailable())
        };
        let order = task("op-1", true);
        let step = Operation::DisableInstance;
        assert_eq!(code(&steps.run(step, &order, late).await), 30807);
        steps.drained().await;
        let done = async { Ok(Vec::new()) };
        assert_eq!(code(&steps.run(step, &task("op-2", true), done).await), 0);
        let done = async { Ok(Vec::new()) };
        assert_eq!(code(&steps.run(step, &order, done).await), 30600);
        let done = async { Ok(Vec::new()) };
        assert_eq!(code(&steps.run(step, &order, done).await), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_original_gateway_waits_for_the_end() {
        let steps = Steps::default();
        let long = async {
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok(Vec::new())
        };
        assert_eq!(code(&steps.run(Operation::Restore, &task("op-1", false), long).await), 0);
    }

    #[test]
    fn failures_that_nobody_asks_for_are_bounded() {
        let mut table = Table::default();
        for _ in 0..2 * MAX_KEPT {
            let failed = Failed {
                step: Operation::Restore,
                operation: OperationId::random(),
                fault: Fault::internal(),
                since: Instant::now(),
            };
            table.keep_failure(InstanceId::random(), failed);
        }
        assert_eq!(table.failed.len(), MAX_KEPT);
    }
}
