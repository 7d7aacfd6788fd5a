//! A gateway: where it is in its work. What it does next is in `step.rs`.
//!
//! One gateway does one thing at a time here, and there are two of them.

use super::node::{Command, Deed, Reply};
use super::record::{Place, Record};
use super::rules::Rules;

/// A gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Gateway {
    pub(crate) asker: Asker,
    pub(crate) work: Work,
}

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Asker {
    Nobody,
    Order,
    Delete,
}

/// Where a gateway is in its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Work {
    Idle,
    /// An order came in, and nothing is written.
    Ordered {
        place: Place,
    },
    /// The same order came in before: waits for what becomes of it.
    JoiningOrder,
    /// The intent is written, the node is not asked yet.
    Intending(Errand),
    /// The node was asked.
    AwaitingMade(Errand),
    /// The node has made it.
    Made(Held),
    /// The node has not made it, as far as is known.
    NotMade(Errand, Failure),
    /// A request to delete came in.
    Deleting,
    /// Somebody deletes it already.
    JoiningDelete,
    /// The record says what is to be cleaned.
    Cleaning(Held),
    /// A node was asked to remove what it has.
    AwaitingGone(Held, Place),
    /// It has nothing any more.
    Gone(Held, Place),
}

/// A record as it was read or written, and whether it still stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    pub(crate) record: Record,
    /// Its revision is the current one: compare-and-set succeeds.
    pub(crate) fresh: bool,
}

/// An intent that a gateway carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Errand {
    pub(crate) held: Held,
    pub(crate) moves: Moves,
    pub(crate) origin: Origin,
}

/// Whether an errand may still place the instance elsewhere: with two nodes, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Moves {
    Left,
    None,
}

/// Whose intent it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Origin {
    /// This gateway's: it knows every command that was ever given for it.
    Own,
    /// Another one's, or its own before it died: any node may have had a command.
    TakenOver,
}

/// Why a node has not made the instance. `Failure` in the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Failure {
    /// It said so, and another node may be asked.
    Elsewhere,
    /// It said so.
    Refused,
    /// The bus said that nobody listens.
    Nobody,
    /// No answer came: nothing is known.
    Silent,
}

impl Gateway {
    pub(crate) const IDLE: Self = Self { asker: Asker::Nobody, work: Work::Idle };

    /// Somebody wrote the record.
    pub(crate) fn outdate(&mut self) {
        match &mut self.work {
            Work::Intending(errand) | Work::AwaitingMade(errand) | Work::NotMade(errand, _) => {
                errand.held.fresh = false;
            }
            Work::Made(held)
            | Work::Cleaning(held)
            | Work::AwaitingGone(held, _)
            | Work::Gone(held, _) => held.fresh = false,
            Work::Idle
            | Work::Ordered { .. }
            | Work::JoiningOrder
            | Work::Deleting
            | Work::JoiningDelete => {}
        }
    }

    /// The command whose answer it waits for.
    pub(crate) fn awaits(self) -> Option<Command> {
        match self.work {
            Work::AwaitingMade(errand) => Some(errand.command()),
            Work::AwaitingGone(held, node) => Some(held.removal(node)),
            Work::Idle
            | Work::Ordered { .. }
            | Work::JoiningOrder
            | Work::Intending(_)
            | Work::Made(_)
            | Work::NotMade(..)
            | Work::Deleting
            | Work::JoiningDelete
            | Work::Cleaning(_)
            | Work::Gone(..) => None,
        }
    }

    /// What it is at once `reply` has come. `None` when it waits for no such reply.
    pub(crate) fn told(self, reply: Reply) -> Option<Self> {
        let work = match (self.work, reply) {
            (Work::AwaitingMade(errand), Reply::Done) => Work::Made(errand.held),
            (Work::AwaitingMade(errand), Reply::Elsewhere) => {
                Work::NotMade(errand, Failure::Elsewhere)
            }
            (Work::AwaitingMade(errand), Reply::Refused) => Work::NotMade(errand, Failure::Refused),
            (Work::AwaitingGone(held, node), Reply::Done) => Work::Gone(held, node),
            // The record says what is left; whoever waited learns nothing.
            (Work::AwaitingGone(..), Reply::Elsewhere | Reply::Refused) => return Some(Self::IDLE),
            (Work::AwaitingMade(_) | Work::AwaitingGone(..), Reply::Nothing)
            | (
                Work::Idle
                | Work::Ordered { .. }
                | Work::JoiningOrder
                | Work::Intending(_)
                | Work::Made(_)
                | Work::NotMade(..)
                | Work::Deleting
                | Work::JoiningDelete
                | Work::Cleaning(_)
                | Work::Gone(..),
                _,
            ) => return None,
        };
        Some(Self { work, ..self })
    }
}

impl Held {
    /// The command to remove what `node` has of it.
    pub(crate) fn removal(self, node: Place) -> Command {
        Command { node, deed: Deed::Unprovision, generation: self.record.generation }
    }
}

impl Errand {
    /// The command that it is about.
    pub(crate) fn command(self) -> Command {
        let record = self.held.record;
        Command { node: record.node, deed: Deed::Provision, generation: record.generation }
    }

    /// `record` without the node of this errand among its garbage, when no command can have
    /// reached that node. `left` in the gateway.
    pub(crate) fn forget_untouched(self, record: Record, failure: Failure, rules: Rules) -> Record {
        let is_untouched = match (failure, self.origin) {
            (Failure::Nobody, Origin::Own) => true,
            (Failure::Nobody, Origin::TakenOver) => rules.believes_nobody(),
            (Failure::Silent, _) => rules.believes_silence(),
            (Failure::Elsewhere | Failure::Refused, _) => false,
        };
        if is_untouched { record.cleaned(self.held.record.node) } else { record }
    }
}
