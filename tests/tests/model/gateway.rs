//! A gateway: where it is in its work, and what it does next.
//!
//! The rules are those of `host-gateway/src/operations/{provision,unprovision,reconcile}.rs`. A
//! gateway does one thing at a time here, and there are two of them. Reading a record and writing
//! it at once is one step, since the write would refuse whatever came between.

use tenon_protocol::record::{Abandon, Phase};

use super::node::{Command, Deed, Reply};
use super::record::{Place, Record};
use super::rules::{Front, Rules};
use super::state::{State, Told};

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

/// A record as it was read or written, and whether it still stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    pub(crate) record: Record,
    /// Its revision is the current one: compare-and-set succeeds.
    pub(crate) fresh: bool,
}

/// Whether this piece of work may still place the instance elsewhere: with two nodes, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Moves {
    Left,
    None,
}

/// Why a node has not made the instance. `Failure` in the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Failure {
    /// It said so, and another node may be asked.
    Full,
    /// It said so.
    Refused,
    /// The bus said that nobody listens.
    Nobody,
    /// No answer came: nothing is known.
    Silent,
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
    Intending {
        held: Held,
        moves: Moves,
    },
    /// The node was asked.
    AwaitingMade {
        held: Held,
        moves: Moves,
    },
    /// The node has made it.
    Made {
        held: Held,
    },
    /// The node has not made it, as far as is known.
    NotMade {
        held: Held,
        moves: Moves,
        failure: Failure,
    },
    /// A request to delete came in.
    Deleting,
    /// Somebody deletes it already.
    JoiningDelete,
    /// The record says what is to be cleaned.
    Cleaning {
        held: Held,
    },
    /// A node was asked to remove what it has.
    AwaitingGone {
        held: Held,
        node: Place,
    },
    /// It has nothing any more.
    Gone {
        held: Held,
        node: Place,
    },
}

/// What a gateway does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Its next write or message.
    On,
    /// Its patience is over.
    GiveUp,
}

impl Gateway {
    pub(crate) const IDLE: Self = Self {
        asker: Asker::Nobody,
        work: Work::Idle,
    };

    /// Somebody wrote the record.
    pub(crate) fn outdate(&mut self) {
        match &mut self.work {
            Work::Idle
            | Work::Ordered { .. }
            | Work::JoiningOrder
            | Work::Deleting
            | Work::JoiningDelete => {}
            Work::Intending { held, .. }
            | Work::AwaitingMade { held, .. }
            | Work::Made { held }
            | Work::NotMade { held, .. }
            | Work::Cleaning { held }
            | Work::AwaitingGone { held, .. }
            | Work::Gone { held, .. } => held.fresh = false,
        }
    }

    /// The command whose answer it waits for.
    pub(crate) fn awaits(self) -> Option<Command> {
        match self.work {
            Work::AwaitingMade { held, .. } => {
                Some(command(Deed::Provision, held, held.record.node))
            }
            Work::AwaitingGone { held, node } => Some(command(Deed::Unprovision, held, node)),
            Work::Idle
            | Work::Ordered { .. }
            | Work::JoiningOrder
            | Work::Intending { .. }
            | Work::Made { .. }
            | Work::NotMade { .. }
            | Work::Deleting
            | Work::JoiningDelete
            | Work::Cleaning { .. }
            | Work::Gone { .. } => None,
        }
    }

    /// What it is at once `reply` has come.
    pub(crate) fn told(self, reply: Reply) -> Option<Self> {
        let work = match (self.work, reply) {
            (Work::AwaitingMade { held, .. }, Reply::Done) => Work::Made { held },
            (Work::AwaitingMade { held, moves }, Reply::Full) => Work::NotMade {
                held,
                moves,
                failure: Failure::Full,
            },
            (Work::AwaitingMade { held, moves }, Reply::Refused) => Work::NotMade {
                held,
                moves,
                failure: Failure::Refused,
            },
            (Work::AwaitingGone { held, node }, Reply::Done) => Work::Gone { held, node },
            (Work::AwaitingGone { .. }, Reply::Refused) => return Some(Self::IDLE),
            _ => return None,
        };
        Some(Self { work, ..self })
    }
}

fn command(deed: Deed, held: Held, node: Place) -> Command {
    Command {
        node,
        deed,
        generation: held.record.generation,
    }
}

/// Gateway `at` takes up what nobody works on: any deadline may have passed. `None` when there is
/// nothing.
pub(crate) fn reconcile(state: &State, at: usize, rules: Rules) -> Option<State> {
    let record = state.record.filter(|record| record.is_left_over())?;
    let held = Held {
        record,
        fresh: true,
    };
    let taken = match (record.phase, rules.on_abandon()) {
        (Phase::Intent, Abandon::Undo) => record.deleting()?,
        (Phase::Intent, Abandon::Finish) | (Phase::Ready | Phase::Deleting | Phase::Tomb, _) => {
            record.claimed()
        }
    };
    let (next, held) = state.written(Some(held), taken, rules)?;
    let work = match taken.phase {
        Phase::Intent => Work::Intending {
            held,
            moves: Moves::Left,
        },
        Phase::Ready | Phase::Deleting | Phase::Tomb => Work::Cleaning { held },
    };
    Some(next.with_gateway(at, Asker::Nobody, work))
}

/// Gateway `at` takes `step`. `None` when it cannot.
pub(crate) fn advance(state: &State, at: usize, step: Step, rules: Rules) -> Option<State> {
    let gateway = state.gateways[at];
    match (gateway.work, step) {
        (Work::Idle, _) => None,
        (Work::Ordered { place }, Step::On) => Some(begin(state, at, place, rules)),
        (Work::JoiningOrder, Step::On) => join_order(state, at),
        (Work::Intending { held, moves }, Step::On) => Some(ask_to_make(state, at, held, moves)),
        (Work::AwaitingMade { held, moves }, Step::GiveUp) => {
            let work = Work::NotMade {
                held,
                moves,
                failure: Failure::Silent,
            };
            Some(state.with_gateway(at, gateway.asker, work))
        }
        (Work::Made { held }, Step::On) => Some(finish(state, at, held, rules)),
        (
            Work::NotMade {
                held,
                moves,
                failure,
            },
            Step::On,
        ) => place_elsewhere(state, at, (held, moves, failure), rules),
        (Work::NotMade { held, failure, .. }, Step::GiveUp) => {
            Some(give_up(state, at, held, failure, rules))
        }
        (Work::Deleting, Step::On) => Some(delete(state, at, rules)),
        (Work::JoiningDelete, Step::On) => join_delete(state, at, rules),
        (Work::Cleaning { held }, Step::On) => Some(ask_to_clean(state, at, held)),
        (Work::Gone { held, node }, Step::On) => Some(cleaned(state, at, held, node, rules)),
        (Work::JoiningOrder | Work::JoiningDelete | Work::AwaitingGone { .. }, Step::GiveUp) => {
            Some(state.ended(at))
        }
        (Work::AwaitingMade { .. } | Work::AwaitingGone { .. }, Step::On)
        | (
            Work::Ordered { .. }
            | Work::Intending { .. }
            | Work::Made { .. }
            | Work::Deleting
            | Work::Cleaning { .. }
            | Work::Gone { .. },
            Step::GiveUp,
        ) => None,
    }
}

/// Writes the intent, where nothing stands.
fn begin(state: &State, at: usize, place: Place, rules: Rules) -> State {
    let asker = state.gateways[at].asker;
    let record = Record::intent(place, rules.on_abandon());
    if !rules.records_first() {
        let held = Held {
            record,
            fresh: true,
        };
        return state.with_gateway(
            at,
            asker,
            Work::Intending {
                held,
                moves: Moves::None,
            },
        );
    }
    match state.written(None, record, rules) {
        Some((next, held)) => next.with_gateway(
            at,
            asker,
            Work::Intending {
                held,
                moves: Moves::Left,
            },
        ),
        None => state.with_gateway(at, asker, Work::JoiningOrder),
    }
}

fn join_order(state: &State, at: usize) -> Option<State> {
    match state.phase() {
        Some(Phase::Ready) => Some(state.answered(at, Told::Made)),
        Some(Phase::Deleting | Phase::Tomb) | None => Some(state.ended(at)),
        Some(Phase::Intent) => None,
    }
}

fn ask_to_make(state: &State, at: usize, held: Held, moves: Moves) -> State {
    let asker = state.gateways[at].asker;
    let node = held.record.node;
    if !state.node(node).up {
        let work = Work::NotMade {
            held,
            moves,
            failure: Failure::Nobody,
        };
        return state.with_gateway(at, asker, work);
    }
    let mut next = state.with_gateway(at, asker, Work::AwaitingMade { held, moves });
    next.sent.insert(command(Deed::Provision, held, node));
    next
}

fn finish(state: &State, at: usize, held: Held, rules: Rules) -> State {
    // What acts first has no record to compare with.
    let expected = rules.records_first().then_some(held);
    let written = held
        .record
        .ready()
        .and_then(|ready| state.written(expected, ready, rules));
    match written {
        Some((next, _)) => next.answered(at, Told::Made),
        None => state.ended(at),
    }
}

fn place_elsewhere(
    state: &State,
    at: usize,
    (held, moves, failure): (Held, Moves, Failure),
    rules: Rules,
) -> Option<State> {
    let may_move = match failure {
        Failure::Full | Failure::Nobody => true,
        Failure::Silent => rules.trusts_timeouts(),
        Failure::Refused => false,
    };
    if !may_move || moves == Moves::None {
        return None;
    }
    let moved = held.record.moved(held.record.node.other())?;
    let moved = forget_untouched(moved, held.record.node, failure, rules);
    Some(match state.written(Some(held), moved, rules) {
        Some((next, held)) => {
            let asker = next.gateways[at].asker;
            next.with_gateway(
                at,
                asker,
                Work::Intending {
                    held,
                    moves: Moves::None,
                },
            )
        }
        None => state.ended(at),
    })
}

fn give_up(state: &State, at: usize, held: Held, failure: Failure, rules: Rules) -> State {
    if !rules.records_first() {
        return state.ended(at);
    }
    let Some(going) = held.record.deleting() else {
        return state.ended(at);
    };
    let going = forget_untouched(going, held.record.node, failure, rules);
    match (state.written(Some(held), going, rules), failure) {
        (Some((next, held)), Failure::Full | Failure::Refused) => {
            next.with_gateway(at, Asker::Nobody, Work::Cleaning { held })
        }
        (Some((next, _)), Failure::Nobody | Failure::Silent) => next.ended(at),
        (None, _) => state.ended(at),
    }
}

/// `left` in the gateway: a node that no command reached has nothing to clean.
fn forget_untouched(record: Record, node: Place, failure: Failure, rules: Rules) -> Record {
    match failure {
        Failure::Nobody => record.cleaned(node),
        Failure::Silent if rules.trusts_timeouts() => record.cleaned(node),
        Failure::Full | Failure::Refused | Failure::Silent => record,
    }
}

fn delete(state: &State, at: usize, rules: Rules) -> State {
    let asker = state.gateways[at].asker;
    let Some(record) = state.record else {
        return delete_unknown(state, at, rules);
    };
    match record.phase {
        Phase::Tomb => state.answered(at, Told::Gone),
        Phase::Deleting => state.with_gateway(at, asker, Work::JoiningDelete),
        Phase::Intent | Phase::Ready => {
            let held = Held {
                record,
                fresh: true,
            };
            let written = record
                .deleting()
                .and_then(|going| state.written(Some(held), going, rules));
            match written {
                Some((next, held)) => next.with_gateway(at, asker, Work::Cleaning { held }),
                None => state.with_gateway(at, asker, Work::JoiningDelete),
            }
        }
    }
}

/// A tomb is left, so that a provision which is still under way finds it.
fn delete_unknown(state: &State, at: usize, rules: Rules) -> State {
    match rules.front {
        // Its id came from an answer: nothing is under way.
        Front::Classic => state.answered(at, Told::Gone),
        Front::Broker if !rules.leaves_tombs() => state.answered(at, Told::Gone),
        Front::Broker => {
            let intent = Record::intent(Place::First, rules.on_abandon());
            let tomb = intent.deleting().map(|going| going.cleaned(Place::First));
            match tomb.and_then(|tomb| state.written(None, tomb, rules)) {
                Some((next, _)) => next.answered(at, Told::Gone),
                None => state.ended(at),
            }
        }
    }
}

fn join_delete(state: &State, at: usize, rules: Rules) -> Option<State> {
    let Some(record) = state.record else {
        return Some(state.answered(at, Told::Gone));
    };
    match record.phase {
        Phase::Tomb => Some(state.answered(at, Told::Gone)),
        Phase::Deleting => {
            let held = Held {
                record,
                fresh: true,
            };
            let (next, held) = state.written(Some(held), record.claimed(), rules)?;
            let asker = state.gateways[at].asker;
            Some(next.with_gateway(at, asker, Work::Cleaning { held }))
        }
        Phase::Intent | Phase::Ready => None,
    }
}

fn ask_to_clean(state: &State, at: usize, held: Held) -> State {
    let asker = state.gateways[at].asker;
    let Some(node) = held.record.dirty() else {
        return state.answered(at, told_by(held.record));
    };
    if !state.node(node).up {
        return state.ended(at);
    }
    let mut next = state.with_gateway(at, asker, Work::AwaitingGone { held, node });
    next.sent.insert(command(Deed::Unprovision, held, node));
    next
}

fn cleaned(state: &State, at: usize, held: Held, node: Place, rules: Rules) -> State {
    let asker = state.gateways[at].asker;
    match state.written(Some(held), held.record.cleaned(node), rules) {
        Some((next, held)) => next.with_gateway(at, asker, Work::Cleaning { held }),
        None => state.ended(at),
    }
}

fn told_by(record: Record) -> Told {
    match record.phase {
        Phase::Tomb => Told::Gone,
        Phase::Intent | Phase::Ready | Phase::Deleting => Told::Nothing,
    }
}
