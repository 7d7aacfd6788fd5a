//! What a node does unasked, and how often it did. Figures only.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is done at an interval, of each offering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Gateways were told.
    Announce,
    /// The guest was asked how it is, and what was left was looked for.
    Housekeeping,
    /// The whole ledger was gone through.
    Look,
    /// All instances were measured.
    Metering,
    /// A backup of everything was taken.
    Backup,
}

impl Duty {
    const ALL: [Self; 5] =
        [Self::Announce, Self::Housekeeping, Self::Look, Self::Metering, Self::Backup];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Housekeeping => "housekeeping",
            Self::Look => "look",
            Self::Metering => "metering",
            Self::Backup => "backup",
        }
    }
}

/// How often each was done since the start.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    announce: AtomicU64,
    housekeeping: AtomicU64,
    look: AtomicU64,
    metering: AtomicU64,
    backup: AtomicU64,
}

impl Duties {
    /// `duty` was done once more.
    pub(crate) fn performed(&self, duty: Duty) {
        self.counter(duty).fetch_add(1, Ordering::Relaxed);
    }

    /// Each by its name.
    pub(crate) fn all(&self) -> [(&'static str, u64); 5] {
        Duty::ALL.map(|duty| (duty.as_str(), self.counter(duty).load(Ordering::Relaxed)))
    }

    const fn counter(&self, duty: Duty) -> &AtomicU64 {
        match duty {
            Duty::Announce => &self.announce,
            Duty::Housekeeping => &self.housekeeping,
            Duty::Look => &self.look,
            Duty::Metering => &self.metering,
            Duty::Backup => &self.backup,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duty_is_counted_by_itself() {
        let duties = Duties::default();
        duties.performed(Duty::Look);
        duties.performed(Duty::Look);
        duties.performed(Duty::Backup);
        let expected =
            [("announce", 0), ("housekeeping", 0), ("look", 2), ("metering", 0), ("backup", 1)];
        assert_eq!(duties.all(), expected);
    }
}
