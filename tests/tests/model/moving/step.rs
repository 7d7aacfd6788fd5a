//! What a gateway does next about a move.
//!
//! Reading a record and writing it at once is one action: the write would refuse whatever came
//! between. Over a command to a node a record is *held*, and may be old afterwards.

use tenon_protocol::record::{MoveStep, Phase};

use super::super::record::{Order, Place, Record};
use super::node::{Command, Deed, Reply};
use super::{State, Variant};

/// Where a gateway is in its work. `fresh`: the move's record is as it wrote it, which it does not
/// know: a claim is a matter of clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Work {
    Idle,
    /// It holds the move, and does the step that the record named when it wrote it.
    Step {
        fresh: bool,
        step: MoveStep,
    },
    /// A node was asked to do the step, by the instance's record as it was then.
    Waiting {
        fresh: bool,
        step: Tag,
        held: Held,
    },
    /// The node has done it.
    Done {
        fresh: bool,
        step: Tag,
        held: Held,
    },
    /// It will not do it.
    Failed {
        fresh: bool,
    },
    /// A node of the garbage was asked to remove what it has.
    Cleaning(Held, Place),
    /// It has.
    Clean(Held, Place),
}

/// A step of a move that asks a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tag {
    Away,
    Load,
    Adopt,
    Switch,
    Return,
}

/// The instance's record as it was read or written, and whether it still stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    pub(crate) record: Record,
    pub(crate) fresh: bool,
}

impl Tag {
    fn command(self, record: Record) -> Command {
        let (node, deed) = match self {
            Self::Away => (Place::First, Deed::Disable),
            Self::Load => (Place::Second, Deed::Import),
            Self::Adopt | Self::Switch => (Place::Second, Deed::Update),
            Self::Return => (Place::First, Deed::Enable),
        };
        Command { node, deed, generation: record.generation }
    }

    fn next(self) -> MoveStep {
        match self {
            Self::Away => MoveStep::Load,
            Self::Load => MoveStep::Adopt,
            Self::Adopt => MoveStep::Switch,
            // Telling the platform and tidying up change nothing here.
            Self::Switch => MoveStep::Done,
            Self::Return => MoveStep::Failed,
        }
    }

    fn can_fail(self) -> bool {
        match self {
            Self::Away | Self::Load | Self::Adopt => true,
            Self::Switch | Self::Return => false,
        }
    }
}

impl Work {
    /// The command whose answer it waits for.
    pub(crate) fn awaits(self) -> Option<Command> {
        match self {
            Self::Waiting { step, held, .. } => Some(step.command(held.record)),
            Self::Cleaning(held, node) => {
                let generation = held.record.generation;
                Some(Command { node, deed: Deed::Unprovision, generation })
            }
            Self::Idle | Self::Step { .. } | Self::Done { .. } | Self::Failed { .. } => None,
            Self::Clean(..) => None,
        }
    }

    /// What it is at once `reply` has come.
    pub(crate) fn told(self, reply: Reply) -> Self {
        match (self, reply) {
            (Self::Waiting { fresh, step, held }, Reply::Done) => Self::Done { fresh, step, held },
            (Self::Waiting { fresh, step, .. }, Reply::Refused) if step.can_fail() => {
                Self::Failed { fresh }
            }
            (Self::Cleaning(held, node), Reply::Done) => Self::Clean(held, node),
            // Whoever takes the record up asks again.
            (_, Reply::Done | Reply::Refused) => Self::Idle,
        }
    }

    pub(crate) fn outdate_record(&mut self) {
        match self {
            Self::Waiting { held, .. }
            | Self::Done { held, .. }
            | Self::Cleaning(held, _)
            | Self::Clean(held, _) => held.fresh = false,
            Self::Idle | Self::Step { .. } | Self::Failed { .. } => {}
        }
    }

    pub(crate) fn outdate_move(&mut self) {
        match self {
            Self::Step { fresh, .. }
            | Self::Waiting { fresh, .. }
            | Self::Done { fresh, .. }
            | Self::Failed { fresh } => *fresh = false,
            Self::Idle | Self::Cleaning(..) | Self::Clean(..) => {}
        }
    }
}

/// Gateway `at` goes on. `None` when it cannot.
pub(crate) fn on(state: &State, at: usize, variant: Variant) -> Option<State> {
    match state.gateways[at] {
        Work::Idle | Work::Waiting { .. } | Work::Cleaning(..) => None,
        Work::Step { fresh, step } => Some(begin(state, at, fresh, step, variant)),
        Work::Done { fresh, step: Tag::Switch, held } => {
            Some(arrive(state, at, fresh, held, variant))
        }
        Work::Done { fresh, step: Tag::Return, held } => {
            Some(returned(state, at, fresh, held, variant))
        }
        Work::Done { fresh, step, .. } => Some(advance(state, at, fresh, step.next(), variant)),
        Work::Failed { fresh } => Some(advance(state, at, fresh, MoveStep::Return, variant)),
        Work::Clean(held, node) => Some(if held.fresh {
            state.with_record(held.record.cleaned(node)).with_work(at, Work::Idle)
        } else {
            state.with_work(at, Work::Idle)
        }),
    }
}

/// Gateway `at` waits no longer. `None` when it does not wait.
pub(crate) fn give_up(state: &State, at: usize) -> Option<State> {
    match state.gateways[at] {
        Work::Waiting { fresh, step, .. } if step.can_fail() => {
            Some(state.with_work(at, Work::Failed { fresh }))
        }
        Work::Waiting { .. } | Work::Cleaning(..) => Some(state.with_work(at, Work::Idle)),
        Work::Idle
        | Work::Step { .. }
        | Work::Done { .. }
        | Work::Failed { .. }
        | Work::Clean(..) => None,
    }
}

/// Writes that `step` is next; whoever lost the move stops.
fn advance(state: &State, at: usize, fresh: bool, step: MoveStep, variant: Variant) -> State {
    if !fresh && variant != Variant::NoCas {
        return state.with_work(at, Work::Idle);
    }
    let work = if step.is_final() { Work::Idle } else { Work::Step { fresh: true, step } };
    state.with_move(step).with_work(at, work)
}

/// What it finds tells it whether the move is still its own.
fn begin(state: &State, at: usize, fresh: bool, step: MoveStep, variant: Variant) -> State {
    let gone = match state.record.phase {
        Phase::Ready | Phase::Moving => false,
        Phase::Intent | Phase::Deleting | Phase::Tomb => true,
    };
    if gone {
        return advance(state, at, fresh, MoveStep::Failed, variant);
    }
    let is_ready = state.record.phase == Phase::Ready;
    match step {
        MoveStep::Away => ask_on_its_way(state, at, fresh, Tag::Away, variant),
        MoveStep::Load => ask_on_its_way(state, at, fresh, Tag::Load, variant),
        MoveStep::Adopt => ask_on_its_way(state, at, fresh, Tag::Adopt, variant),
        MoveStep::Switch if is_ready => advance(state, at, fresh, MoveStep::Done, variant),
        MoveStep::Switch if state.record.order == Order::Away => ask(state, at, fresh, Tag::Switch),
        MoveStep::Return if is_ready => advance(state, at, fresh, MoveStep::Failed, variant),
        MoveStep::Return if state.owns() => {
            let returning = match variant {
                Variant::ReturnUnfenced => Some(state.record),
                Variant::Whole | Variant::NoFence | Variant::NoCas | Variant::Unowned => {
                    state.record.returning()
                }
            };
            match returning {
                Some(returning) => ask(&state.with_record(returning), at, fresh, Tag::Return),
                None => state.with_work(at, Work::Idle),
            }
        }
        MoveStep::Switch | MoveStep::Return | MoveStep::Tell | MoveStep::Tidy => {
            state.with_work(at, Work::Idle)
        }
        MoveStep::Done | MoveStep::Failed => state.with_work(at, Work::Idle),
    }
}

fn ask_on_its_way(state: &State, at: usize, fresh: bool, tag: Tag, variant: Variant) -> State {
    let record = state.record;
    let is_away = record.phase == Phase::Moving
        && (record.order == Order::Away || variant == Variant::Unowned);
    if is_away {
        return ask(state, at, fresh, tag);
    }
    let is_as_found = record.generation == state.found || variant == Variant::Unowned;
    match record.moving(Place::Second, Order::Away).filter(|_| is_as_found) {
        Some(moving) => ask(&state.with_record(moving), at, fresh, tag),
        None => state.with_work(at, Work::Idle),
    }
}

fn ask(state: &State, at: usize, fresh: bool, step: Tag) -> State {
    let held = Held { record: state.record, fresh: true };
    state.sending(at, Work::Waiting { fresh, step, held })
}

/// The instance's record names the target.
fn arrive(state: &State, at: usize, fresh: bool, held: Held, variant: Variant) -> State {
    match held.record.arrived(Place::Second).filter(|_| held.fresh || variant == Variant::NoCas) {
        Some(arrived) => advance(&state.with_record(arrived), at, fresh, MoveStep::Done, variant),
        None => state.with_work(at, Work::Idle),
    }
}

fn returned(state: &State, at: usize, fresh: bool, held: Held, variant: Variant) -> State {
    match held.record.returned().filter(|_| held.fresh || variant == Variant::NoCas) {
        Some(returned) => {
            advance(&state.with_record(returned), at, fresh, MoveStep::Failed, variant)
        }
        None => state.with_work(at, Work::Idle),
    }
}
