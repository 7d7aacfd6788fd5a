//! Waiting for something to become true. Tests have no other way to let time pass.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::HarnessError;

const POLL: Duration = Duration::from_millis(20);

/// Asks `probe` until it has something, for at most `deadline`.
///
/// # Errors
///
/// [`HarnessError::TimedOut`] says what was waited for.
pub async fn wait_until<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T, HarnessError> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = probe().await {
            return Ok(found);
        }
        if Instant::now() >= end {
            let (what, seconds) = (what.to_owned(), deadline.as_secs());
            return Err(HarnessError::TimedOut { what, seconds });
        }
        sleep(POLL).await;
    }
}
