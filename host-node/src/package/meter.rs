//! Reading with a bound, an end, and somebody who watches.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Cut;
use crate::capability::context::Progress;

/// How far a job is, and whether it goes on.
#[derive(Clone)]
pub(crate) struct Meter {
    pub(crate) progress: Arc<Mutex<Progress>>,
    pub(crate) stop: CancellationToken,
}

impl Meter {
    /// Says that `done` of `all` bytes are done.
    pub(crate) fn tell(&self, done: u64, all: u64, note: &str) {
        let percent = done.saturating_mul(100).checked_div(all).unwrap_or(0).min(99);
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.percent = u8::try_from(percent).unwrap_or(99);
        if progress.note != note {
            note.clone_into(&mut progress.note);
        }
    }
}

/// A reader that is watched, of something that has `all` bytes.
pub(super) struct Metered<R> {
    pub(super) inner: R,
    pub(super) meter: Meter,
    pub(super) done: u64,
    pub(super) all: u64,
    pub(super) note: &'static str,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.stop.is_cancelled() {
            return Err(io::Error::other(Cut::Stopped));
        }
        let read = self.inner.read(buffer)?;
        self.done += read as u64;
        self.meter.tell(self.done, self.all, self.note);
        Ok(read)
    }
}

/// A reader that ends with an error where it should not have more: `io::Read::take` would cut.
pub(super) struct Limited<R> {
    pub(super) inner: R,
    pub(super) left: u64,
    pub(super) limit: u64,
}

impl<R: Read> Limited<R> {
    pub(super) const fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit, limit }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(Cut::Limit(self.limit)))?;
        Ok(read)
    }
}
