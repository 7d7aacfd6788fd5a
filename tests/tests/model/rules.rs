//! The rules of the protocol, and the same with one left out.

use tenon_protocol::record::Abandon;

/// Who asks, and by which manners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    /// The classic cloud controller. The gateway makes the id, so nothing can be deleted before an
    /// answer told it. An abandoned intent is undone.
    Classic,
    /// An Open Service Broker platform. It makes the id, and may delete at any time, even before
    /// the provision has come in. An abandoned intent is finished.
    Broker,
}

/// The protocol as it is, or without one of its ingredients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// As it is.
    Whole,
    /// Nodes know no generations.
    NoFence,
    /// Records are overwritten, whatever stands there.
    NoCas,
    /// A node that gets a command twice does it twice.
    NotIdempotent,
    /// Nodes only note their results, as they do their intents.
    AnswerIsNoted,
    /// Gateways write the record when they have the answer.
    ActThenRecord,
    /// Deleting what is not known leaves nothing.
    NoTombstone,
    /// A node that did not answer in time is taken for one that did nothing.
    TimeoutIsFailure,
    /// A gateway that takes over an intent believes the bus's "nobody listens": the node would
    /// have nothing of it. But its first gateway's command may have come before the node went.
    NobodyIsNothing,
}

/// How often the platform tries, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Attempts to provision.
    pub(crate) orders: u8,
    /// Attempts to delete.
    pub(crate) deletes: u8,
}

/// What one exploration is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) front: Front,
    pub(crate) variant: Variant,
    pub(crate) bounds: Bounds,
}

impl Rules {
    pub(crate) fn has_fence(self) -> bool {
        self.variant != Variant::NoFence
    }

    pub(crate) fn has_cas(self) -> bool {
        self.variant != Variant::NoCas
    }

    pub(crate) fn is_idempotent(self) -> bool {
        self.variant != Variant::NotIdempotent
    }

    pub(crate) fn writes_results(self) -> bool {
        self.variant != Variant::AnswerIsNoted
    }

    pub(crate) fn records_first(self) -> bool {
        self.variant != Variant::ActThenRecord
    }

    pub(crate) fn leaves_tombs(self) -> bool {
        self.variant != Variant::NoTombstone
    }

    pub(crate) fn believes_silence(self) -> bool {
        self.variant == Variant::TimeoutIsFailure
    }

    pub(crate) fn believes_nobody(self) -> bool {
        self.variant == Variant::NobodyIsNothing
    }

    pub(crate) fn on_abandon(self) -> Abandon {
        match self.front {
            Front::Classic => Abandon::Undo,
            Front::Broker => Abandon::Finish,
        }
    }
}
