//! How long an operation may still take.

use std::time::Duration;

use tenon_protocol::clock::Millis;
use tokio::time::Instant;

/// Least time between the moment at which the platform is answered and the one at which another
/// gateway may take the work over: clocks differ, and the last write takes its time. Too little of
/// it costs an operation, never safety.
const MIN_MARGIN: Duration = Duration::from_secs(1);

/// A deadline, on the clock of this process and on the one that other processes see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    until: Instant,
    deadline: Millis,
    lease: Millis,
}

impl Patience {
    /// Ends after `time`, and as long again after that the work may be taken over.
    pub(crate) fn of(time: Duration) -> Self {
        let deadline = Millis::now().after(time);
        let lease = deadline.after(time.max(MIN_MARGIN));
        Self { until: Instant::now() + time, deadline, lease }
    }

    /// How long is left; zero when it is over.
    pub(crate) fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Whether it is over.
    pub(crate) fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// When nobody waits any more.
    pub(crate) const fn deadline(self) -> Millis {
        self.deadline
    }

    /// When another gateway may take the work over.
    pub(crate) const fn lease(self) -> Millis {
        self.lease
    }

    /// Waits for `time`, but not beyond the end.
    pub(crate) async fn pause(self, time: Duration) {
        tokio::time::sleep(time.min(self.left())).await;
    }
}
