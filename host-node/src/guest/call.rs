//! Making one call: a slot, a fresh store with its bounds armed, a result or a failure.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tenon_protocol::OperationId;
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use wasmtime::component::Resource;
use wasmtime::{Store, UpdateDeadline};

use super::calls::GuestCall;
use super::engine::GuestEngine;
use super::failure::GuestFailure;
use super::generation::Generation;
use super::meter::Meter;
use super::plugin::{Entered, Plugin};
use super::store::{Access, CallState, Grants};
use crate::capability::context::{Call, CallContext, Progress};
use crate::ledger::StateWrites;

/// Bytes that one host call may copy in or out of a guest.
const HOSTCALL_FUEL: usize = 8 << 20;

/// Times that a call is made again because its generation was replaced under it.
const MAX_REPLACED: u32 = 5;

/// How long a call may take, by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    /// A request that a platform waits for.
    Call,
    /// A snapshot or restore.
    Job,
}

/// What distinguishes one call.
#[derive(Clone)]
pub(crate) struct CallFacts {
    pub(crate) operation: OperationId,
    /// What it is about: an instance or binding.
    pub(crate) subject: String,
    /// When nobody waits any more; `None` leaves it to the limit.
    pub(crate) deadline: Option<Millis>,
    pub(crate) traceparent: String,
    pub(crate) limit: TimeLimit,
    pub(crate) progress: Arc<Mutex<Progress>>,
}

impl CallFacts {
    /// Facts of a call that nobody outside ordered.
    pub(crate) fn internal(subject: &str) -> Self {
        Self {
            operation: OperationId::random(),
            subject: subject.to_owned(),
            deadline: None,
            traceparent: String::new(),
            limit: TimeLimit::Call,
            progress: Arc::default(),
        }
    }
}

/// What a call answered, and what it staged; to be made durable together.
#[derive(Debug)]
pub(crate) struct Called<T> {
    pub(crate) output: T,
    pub(crate) writes: StateWrites,
}

/// Bounds of calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) calls: u32,
    pub(crate) cpu: Duration,
    pub(crate) call: Duration,
    pub(crate) job: Duration,
}

/// The place where guests run: their own runtime, so that a guest that spins delays other guests
/// by a tick, and the bus not at all.
#[derive(Clone)]
pub(crate) struct Guests {
    pub(crate) engine: GuestEngine,
    runtime: Handle,
    slots: Arc<Semaphore>,
    bounds: Bounds,
}

impl Guests {
    pub(crate) fn new(engine: GuestEngine, runtime: Handle, bounds: Bounds) -> Self {
        let slots = Arc::new(Semaphore::new(usize::try_from(bounds.calls).unwrap_or(1)));
        Self { engine, runtime, slots, bounds }
    }

    /// Runs `work` of the host where the guests' connections belong.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(work.in_current_span())
    }

    /// Slots that are free.
    pub(crate) fn free_slots(&self) -> usize {
        self.slots.available_permits()
    }

    /// Calls the generation of `plugin` that serves. A call that is ended because its generation
    /// was replaced is made again on the next one, so no swap loses a call.
    ///
    /// # Errors
    ///
    /// [`GuestFailure`], with the blame. Nothing that the call staged is durable yet.
    pub(crate) async fn call<C: GuestCall>(
        &self,
        plugin: &Plugin,
        grants: &Arc<Grants>,
        facts: &CallFacts,
        call: C,
    ) -> Result<Called<C::Output>, GuestFailure> {
        for _ in 0..MAX_REPLACED {
            let entered = plugin.enter().ok_or(GuestFailure::NotLoaded)?;
            match self.run(entered, grants, facts, call.clone(), Access::Granted).await {
                Err(GuestFailure::Replaced) => {}
                outcome => return outcome,
            }
        }
        Err(GuestFailure::Replaced)
    }

    /// Calls a generation that does not serve yet.
    pub(super) async fn probe<C: GuestCall>(
        &self,
        generation: &Arc<Generation>,
        grants: &Arc<Grants>,
        call: C,
        access: Access,
    ) -> Result<C::Output, GuestFailure> {
        generation.enter();
        let entered = Entered(Arc::clone(generation));
        let facts = CallFacts::internal(&grants.plugin);
        Ok(self.run(entered, grants, &facts, call, access).await?.output)
    }

    /// As [`Guests::call`], on the runtime of the caller and without a time limit: for benchmarks.
    pub(crate) async fn call_here<C: GuestCall>(
        &self,
        plugin: &Plugin,
        grants: &Arc<Grants>,
        facts: &CallFacts,
        call: C,
    ) -> Result<C::Output, GuestFailure> {
        let entered = plugin.enter().ok_or(GuestFailure::NotLoaded)?;
        let context = context::<C>(facts, self.bounds.call, grants);
        let state = CallState::new(grants, context, Access::Granted, self.engine.memory_bytes);
        let sandbox = Sandbox { guests: self.clone(), entered, state, cpu: self.bounds.cpu };
        Ok(sandbox.run(call).await?.output)
    }

    async fn run<C: GuestCall>(
        &self,
        entered: Entered,
        grants: &Arc<Grants>,
        facts: &CallFacts,
        call: C,
        access: Access,
    ) -> Result<Called<C::Output>, GuestFailure> {
        let limit = self.time_left(facts);
        let late = || GuestFailure::OutOfTime(limit);
        let started = tokio::time::Instant::now();
        let slot = tokio::time::timeout(limit, Arc::clone(&self.slots).acquire_owned());
        let slot = slot.await.map_err(|_elapsed| GuestFailure::Busy)?;
        let slot = slot.map_err(|_closed| GuestFailure::Busy)?;

        let context = context::<C>(facts, limit, grants);
        let state = CallState::new(grants, context, access, self.engine.memory_bytes);
        let sandbox = Sandbox { guests: self.clone(), entered, state, cpu: self.cpu(facts) };
        let work = async move {
            let outcome = sandbox.run(call).await;
            drop(slot);
            outcome
        };
        let task = self.spawn(work);
        // Aborted when the time is up: the store is dropped at the guest's next tick at the latest.
        // Waited for, as whoever hears of the end may begin something else.
        let mut task = AbortOnDropHandle::new(task);
        let left = limit.saturating_sub(started.elapsed());
        let joined = match tokio::time::timeout(left, &mut task).await {
            Ok(joined) => joined,
            Err(_elapsed) => {
                task.abort();
                task.await
            }
        };
        joined.unwrap_or_else(|error| {
            let is_late = error.is_cancelled();
            Err(if is_late { late() } else { GuestFailure::Host(error.to_string()) })
        })
    }

    fn time_left(&self, facts: &CallFacts) -> Duration {
        let limit = match facts.limit {
            TimeLimit::Call => self.bounds.call,
            TimeLimit::Job => self.bounds.job,
        };
        let left = facts.deadline.map(|deadline| deadline.remaining(Millis::now()));
        left.map_or(limit, |left| left.min(limit))
    }

    /// A job may compute for longer than a request, in proportion to its time.
    fn cpu(&self, facts: &CallFacts) -> Duration {
        match facts.limit {
            TimeLimit::Call => self.bounds.cpu,
            TimeLimit::Job => {
                let share = self.bounds.job.as_millis() / self.bounds.call.as_millis().max(1);
                self.bounds.cpu.saturating_mul(u32::try_from(share.max(1)).unwrap_or(1))
            }
        }
    }
}

fn context<C: GuestCall>(facts: &CallFacts, limit: Duration, grants: &Grants) -> CallContext {
    CallContext {
        operation: facts.operation.clone(),
        name: C::NAME,
        subject: facts.subject.clone(),
        deadline: Millis::now().after(limit),
        traceparent: facts.traceparent.clone(),
        settings: Arc::clone(&grants.settings),
        progress: Arc::clone(&facts.progress),
    }
}

/// One call with all that it holds.
struct Sandbox {
    guests: Guests,
    entered: Entered,
    state: CallState,
    cpu: Duration,
}

impl Sandbox {
    async fn run<C: GuestCall>(self, call: C) -> Result<Called<C::Output>, GuestFailure> {
        let Self { guests, entered, state, cpu } = self;
        let meter = Meter::new(cpu);
        let mut store = Store::new(&guests.engine.engine, state);
        arm(&mut store, &meter);
        let cancelled = entered.0.cancel.clone();
        let used = Arc::clone(&meter);
        let work = meter.measure(async {
            let cx = store.data_mut().table.push(Call)?;
            let exports = entered.0.instantiate(&mut store).await?;
            call.run(&mut store, &exports, Resource::new_borrow(cx.rep())).await
        });
        let outcome = tokio::select! {
            biased;
            () = cancelled.cancelled() => return Err(GuestFailure::Replaced),
            outcome = work => outcome,
        };
        tracing::debug!(call = C::NAME, cpu_us = used.used().as_micros(), "a guest was called");
        let output = outcome.map_err(|error| {
            tracing::debug!(error = %chain(&*error), "a guest's call ended in a trap");
            GuestFailure::from_wasmtime(&error)
        })??;
        Ok(Called { output, writes: store.into_data().state.into_writes() })
    }
}

/// The facts that a store for many calls has.
pub(super) fn bench_context(guests: &Guests, grants: &Grants) -> CallContext {
    context::<super::calls::Describe>(&CallFacts::internal("bench"), guests.bounds.call, grants)
}

/// Bounds of a store, before any guest code runs in it: instantiation already may.
pub(super) fn arm(store: &mut Store<CallState>, meter: &Arc<Meter>) {
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(HOSTCALL_FUEL);
    store.set_epoch_deadline(1);
    let meter = Arc::clone(meter);
    store.epoch_deadline_callback(move |_store| {
        meter.check()?;
        Ok(UpdateDeadline::Yield(1))
    });
}
