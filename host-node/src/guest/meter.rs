//! The CPU budget of one call: what guest code runs, not what it waits for.
//!
//! A call's future is polled while guest code runs and is pending while the host works for it. So
//! the time inside polls is the guest's; the epoch interrupts a poll that is longer than a tick.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The guest ran longer than its budget.
#[derive(Debug, thiserror::Error)]
#[error("the guest ran longer than {budget:?}")]
pub(crate) struct OutOfCpu {
    budget: Duration,
}

/// Time that one call has used, shared by its future and its epoch callback.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Duration,
    started: Instant,
    /// Nanoseconds of finished polls.
    used: AtomicU64,
    /// When the current poll began, in nanoseconds after `started`.
    poll_began: AtomicU64,
}

impl Meter {
    pub(crate) fn new(budget: Duration) -> Arc<Self> {
        let started = Instant::now();
        Arc::new(Self { budget, started, used: AtomicU64::new(0), poll_began: AtomicU64::new(0) })
    }

    /// Checks the budget in the middle of a poll.
    ///
    /// # Errors
    ///
    /// [`OutOfCpu`] when it is used up.
    pub(crate) fn check(&self) -> Result<(), OutOfCpu> {
        let used = self.used.load(Ordering::Relaxed) + self.in_this_poll();
        if Duration::from_nanos(used) > self.budget {
            return Err(OutOfCpu { budget: self.budget });
        }
        Ok(())
    }

    /// Runs `call` under this meter.
    pub(crate) fn measure<F: Future>(self: Arc<Self>, call: F) -> Metered<F> {
        Metered { meter: self, call: Box::pin(call) }
    }

    /// What finished polls used.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn in_this_poll(&self) -> u64 {
        self.now().saturating_sub(self.poll_began.load(Ordering::Relaxed))
    }
}

/// A future whose polls are counted.
pub(crate) struct Metered<F> {
    meter: Arc<Meter>,
    call: Pin<Box<F>>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.meter.poll_began.store(self.meter.now(), Ordering::Relaxed);
        let poll = self.call.as_mut().poll(context);
        let used = self.meter.in_this_poll();
        self.meter.used.fetch_add(used, Ordering::Relaxed);
        poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_is_not_charged() {
        let meter = Meter::new(Duration::from_millis(50));
        Arc::clone(&meter).measure(tokio::time::sleep(Duration::from_secs(3_600))).await;
        assert!(meter.check().is_ok());
    }

    #[tokio::test]
    async fn running_is_charged() {
        let meter = Meter::new(Duration::from_millis(2));
        let spin = Arc::clone(&meter);
        let result = Arc::clone(&meter)
            .measure(async move {
                while spin.check().is_ok() {}
                spin.check()
            })
            .await;
        assert!(result.is_err());
        assert!(meter.used() >= Duration::from_millis(2));
    }
}
