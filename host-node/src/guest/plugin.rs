//! A plugin: the generation that serves, and the change to the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::generation::Generation;

/// One offering's code, whichever generation serves now.
pub(crate) struct Plugin {
    label: String,
    current: ArcSwapOption<Generation>,
    swaps: AtomicU64,
    changed: Notify,
}

/// A call's place in a generation: it is not drained away while this lives.
pub(super) struct Entered(pub(super) Arc<Generation>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Plugin {
    pub(crate) fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            current: ArcSwapOption::empty(),
            swaps: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The generation that serves; `None` before the first was loaded.
    pub(crate) fn current(&self) -> Option<Arc<Generation>> {
        self.current.load_full()
    }

    /// How often a generation took over from another.
    pub(crate) fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }

    /// Waits until another generation serves than when this was called.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes a place in the generation that serves.
    ///
    /// Looks again after counting itself in: a generation that was replaced in between may have
    /// been drained already, and with it what it was granted.
    pub(super) fn enter(&self) -> Option<Entered> {
        loop {
            let generation = self.current.load_full()?;
            generation.enter();
            let entered = Entered(generation);
            let now = self.current.load();
            if now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &entered.0)) {
                return Some(entered);
            }
        }
    }

    /// Lets `next` serve from now on, and waits until the one before has finished its calls.
    ///
    /// Returns how many calls had to be ended after `patience`.
    pub(crate) async fn swap(&self, next: Arc<Generation>, patience: Duration) -> usize {
        let before = self.current.swap(Some(next));
        self.changed.notify_waiters();
        let Some(before) = before else { return 0 };
        self.swaps.fetch_add(1, Ordering::Relaxed);
        before.drain(patience).await
    }
}
