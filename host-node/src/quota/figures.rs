//! What the last round saw, for pages and operators.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenon_protocol::InstanceId;

/// What was measured of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) bytes: u64,
    /// 0: there is none.
    pub(crate) limit: u64,
    /// Whether writes are blocked, or about to be.
    pub(crate) over: bool,
}

/// What one round saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Round(HashMap<InstanceId, Look>);

impl Round {
    pub(super) fn add(&mut self, id: InstanceId, look: Look) {
        self.0.insert(id, look);
    }
}

/// What the last complete round saw.
#[derive(Default)]
pub(crate) struct Figures {
    last: Mutex<Round>,
    /// Somebody may have more rights than the ledger says: the next round looks at all of them.
    pub(super) doubtful: AtomicBool,
}

impl Figures {
    pub(super) fn set(&self, round: Round) {
        *self.lock() = round;
    }

    /// Instances whose writes are blocked.
    pub(crate) fn over(&self) -> usize {
        self.lock().0.values().filter(|look| look.over).count()
    }

    /// What all instances use.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().0.values().fold(0, |sum, look| sum.saturating_add(look.bytes))
    }

    fn lock(&self) -> MutexGuard<'_, Round> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_last_round() {
        let figures = Figures::default();
        let id = |text: &str| InstanceId::new(text).unwrap();
        let mut round = Round::default();
        round.add(id("d1"), Look { bytes: 7, limit: 5, over: true });
        round.add(id("d2"), Look { bytes: u64::MAX, limit: 0, over: false });
        figures.set(round);
        assert_eq!((figures.over(), figures.bytes()), (1, u64::MAX));
        figures.set(Round::default());
        assert_eq!((figures.over(), figures.bytes()), (0, 0));
    }
}
