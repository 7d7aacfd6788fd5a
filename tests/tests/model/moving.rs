//! A move of an instance to the other node, explored in the same way.
//!
//! One instance, ready on the first node. It is to move to the second one, and the platform may
//! remove it at any moment. Two gateways carry the move on; each may die, or believe at any time
//! that the other one has. Commands are lost, late and repeated, one of them may fail. The rules are
//! those of `host-gateway/src/operations/moving.rs`, and of the node's operations that it orders.
//!
//! A node's death is not an action here: all it does is lose a command before it was obeyed, or its
//! answer after, and both happen anyway.

mod node;
mod step;

use std::collections::BTreeSet;

use stateright::{Model, Property};
use tenon_protocol::record::{MoveStep, Phase};

use self::node::{Command, Ending, Node};
use self::step::{Held, Work};
use super::record::{Order, PLACES, Place, Record};

/// The protocol of moves as it is, or without one of its ingredients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// As it is.
    Whole,
    /// Nodes know no generations.
    NoFence,
    /// Whoever holds a record writes it, whatever stands there.
    NoCas,
    /// The old node is given back without raising the generation first.
    ReturnUnfenced,
    /// Any instance is this move's, whoever has gone on with it.
    Unowned,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The instance's record.
    pub(crate) record: Record,
    /// The move's record, once it is written: what is next.
    pub(crate) moving: Option<MoveStep>,
    /// The record's generation when the move was ordered.
    pub(crate) found: u8,
    pub(crate) nodes: [Node; 2],
    /// Generation of the data in the snapshot store.
    pub(crate) export: Option<u8>,
    pub(crate) gateways: [Work; 2],
    /// Every command that was ever sent; each may arrive later, again, or never.
    pub(crate) sent: BTreeSet<Command>,
    pub(crate) left: Left,
    /// The platform asked for the removal.
    pub(crate) deleted: bool,
}

/// How many of each may still happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) moves: u8,
    pub(crate) deletes: u8,
    pub(crate) failures: u8,
    pub(crate) deaths: u8,
    /// How often a gateway believes that nobody works on the move.
    pub(crate) claims: u8,
}

/// What the checker explores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moves {
    pub(crate) variant: Variant,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// An operator orders the move.
    Order { at: usize },
    /// The platform orders the removal.
    Delete { at: usize },
    /// An idle gateway takes up the move, which it believes nobody works on.
    TakeUp { at: usize },
    /// An idle gateway cleans a node of the garbage.
    Clean { at: usize, place: Place },
    /// A gateway goes on.
    On { at: usize },
    /// A gateway's time for a step is over.
    GiveUp { at: usize },
    /// A gateway dies, and starts again with nothing in mind.
    Dies { at: usize },
    /// A command reaches its node; the answer reaches a gateway, or nobody.
    Arrives { command: Command, ending: Ending, answer: Option<usize> },
}

impl Model for Moves {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let served = Record::served_by(Place::First);
        let ready = State {
            record: served,
            moving: None,
            found: 0,
            nodes: [Node::SERVING, Node::EMPTY],
            export: None,
            gateways: [Work::Idle; 2],
            sent: BTreeSet::new(),
            left: Left { moves: 1, deletes: 1, failures: 1, deaths: 1, claims: 2 },
            deleted: false,
        };
        // Somebody who moves instances step by step has shut it off, and went.
        let record = served.moving(Place::First, Order::Any).expect("what is ready can move");
        let node = Node::SERVING.shut(record.generation);
        let shut = State {
            record,
            nodes: [node, Node::EMPTY],
            export: Some(record.generation),
            ..ready.clone()
        };
        vec![ready, shut]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for at in 0..state.gateways.len() {
            if state.gateways[at] == Work::Idle {
                actions.extend([
                    Action::Order { at },
                    Action::Delete { at },
                    Action::TakeUp { at },
                ]);
                actions.extend(PLACES.map(|place| Action::Clean { at, place }));
            } else {
                actions.extend([Action::On { at }, Action::GiveUp { at }, Action::Dies { at }]);
            }
        }
        for command in state.sent.iter().copied() {
            let waiting = (0..2).filter(|&at| state.gateways[at].awaits() == Some(command));
            for answer in waiting.map(Some).chain([None]) {
                for ending in [Ending::Well, Ending::Fails] {
                    actions.push(Action::Arrives { command, ending, answer });
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = match action {
            Action::Order { at } => last.ordered(at),
            Action::Delete { at } => last.to_delete(at),
            Action::TakeUp { at } => last.taken_up(at),
            Action::Clean { at, place } => last.cleaning(at, place),
            Action::On { at } => step::on(last, at, self.variant),
            Action::GiveUp { at } => step::give_up(last, at),
            Action::Dies { at } => last.dead(at),
            Action::Arrives { command, ending, answer } => {
                self.arrives(last, command, ending, answer)
            }
        }?;
        next.gateways.sort_unstable();
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("a ready record is true", |_, state| {
                let node = state.nodes[state.record.node.index()];
                state.record.phase != Phase::Ready || (node.has_data && node.is_open)
            }),
            Property::<Self>::always("nothing is lost", |_, state| {
                state.deleted || state.nodes.iter().any(|node| node.has_data)
            }),
            Property::<Self>::always("no leak", |_, state| {
                PLACES
                    .into_iter()
                    .all(|place| !state.nodes[place.index()].has_data || state.record.names(place))
            }),
            Property::<Self>::always("the old node is shut once the new one serves", |_, state| {
                let served = state.record.phase == Phase::Ready;
                let other = state.nodes[state.record.node.other().index()];
                !served || state.record.node == Place::First || !other.is_open
            }),
            Property::<Self>::always("at rest there is one copy, or none", |_, state| {
                let copies = state.nodes.iter().filter(|node| node.has_data).count();
                !state.is_quiet() || copies == usize::from(!state.deleted)
            }),
            Property::<Self>::sometimes("it arrives", |_, state| {
                state.is_quiet() && !state.deleted && state.record.node == Place::Second
            }),
            Property::<Self>::sometimes("it returns", |_, state| {
                state.is_quiet()
                    && state.moving == Some(MoveStep::Failed)
                    && state.record.phase == Phase::Ready
                    && state.record.node == Place::First
            }),
            Property::<Self>::sometimes("it is removed on its way", |_, state| {
                state.is_quiet() && state.deleted && state.moving == Some(MoveStep::Failed)
            }),
        ]
    }
}

impl Moves {
    fn arrives(
        &self,
        last: &State,
        command: Command,
        ending: Ending,
        answer: Option<usize>,
    ) -> Option<State> {
        if ending == Ending::Fails && last.left.failures == 0 {
            return None;
        }
        let mut next = last.clone();
        let node = last.nodes[command.node.index()];
        let (node, reply) = node.obey(command, ending, &mut next.export, self.variant)?;
        next.nodes[command.node.index()] = node;
        next.left.failures -= u8::from(ending == Ending::Fails);
        if let Some(at) = answer {
            next.gateways[at] = next.gateways[at].told(reply);
        }
        Some(next)
    }
}

impl State {
    fn ordered(&self, at: usize) -> Option<Self> {
        let ended = self.moving.is_none_or(MoveStep::is_final);
        let there = matches!(self.record.phase, Phase::Ready | Phase::Moving);
        let may = there && self.record.node == Place::First;
        if self.left.moves == 0 || !ended || !may {
            return None;
        }
        let mut next = self.with_move(MoveStep::Away);
        next.left.moves -= 1;
        next.found = self.record.generation;
        next.gateways[at] = Work::Step { fresh: true, step: MoveStep::Away };
        Some(next)
    }

    fn to_delete(&self, at: usize) -> Option<Self> {
        let going = self.record.deleting().filter(|_| self.left.deletes > 0)?;
        let mut next = self.with_record(going);
        next.left.deletes -= 1;
        next.deleted = true;
        next.gateways[at] = Work::Idle;
        Some(next)
    }

    fn taken_up(&self, at: usize) -> Option<Self> {
        let step = self.moving.filter(|step| !step.is_final())?;
        let mut next = self.with_move(step);
        next.left.claims = next.left.claims.checked_sub(1)?;
        next.gateways[at] = Work::Step { fresh: true, step };
        Some(next)
    }

    fn cleaning(&self, at: usize, place: Place) -> Option<Self> {
        let due = self.record.is_left_over() && self.record.is_garbage(place);
        due.then(|| {
            let held = Held { record: self.record, fresh: true };
            self.sending(at, Work::Cleaning(held, place))
        })
    }

    fn dead(&self, at: usize) -> Option<Self> {
        let mut next = self.clone();
        next.left.deaths = next.left.deaths.checked_sub(1)?;
        next.gateways[at] = Work::Idle;
        Some(next)
    }

    /// Gateway `at` waits for the answer to a command of `work`.
    pub(crate) fn sending(&self, at: usize, work: Work) -> Self {
        let mut next = self.clone();
        next.gateways[at] = work;
        next.sent.extend(work.awaits());
        next
    }

    pub(crate) fn with_work(&self, at: usize, work: Work) -> Self {
        let mut next = self.clone();
        next.gateways[at] = work;
        next
    }

    /// The instance's record is written: whoever holds it, holds an old one.
    pub(crate) fn with_record(&self, record: Record) -> Self {
        let mut next = self.clone();
        next.record = record;
        next.gateways.iter_mut().for_each(Work::outdate_record);
        next
    }

    /// The move's record is written.
    pub(crate) fn with_move(&self, step: MoveStep) -> Self {
        let mut next = self.clone();
        next.moving = Some(step);
        next.gateways.iter_mut().for_each(Work::outdate_move);
        next
    }

    /// Whether the instance is the move's still: as it was found, or as the move left it.
    pub(crate) fn owns(&self) -> bool {
        self.record.generation == self.found || self.record.order != Order::Any
    }

    fn is_quiet(&self) -> bool {
        self.gateways.iter().all(|work| *work == Work::Idle)
            && self.moving.is_none_or(MoveStep::is_final)
            && !self.record.is_left_over()
    }
}
