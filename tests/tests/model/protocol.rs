//! The protocol as the checker explores it: what can happen next, and what must hold.

use stateright::{Model, Property};
use tenon_protocol::record::Phase;

use super::gateway::Work;
use super::node::{Command, DEATHS, EntryPhase, Node, Outcome, REFUSALS};
use super::record::{PLACES, Place};
use super::rules::Rules;
use super::state::{State, Told};
use super::step::{self, Step};

/// What the checker explores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) rules: Rules,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The platform orders the instance at an idle gateway.
    Order { at: usize },
    /// The platform asks an idle gateway to remove it.
    Delete { at: usize },
    /// An idle gateway takes up what is left over.
    Reconcile { at: usize },
    /// A gateway goes on, or waits no longer.
    Gateway { at: usize, step: Step },
    /// A gateway dies, and starts again with nothing in mind.
    GatewayDies { at: usize },
    /// A command reaches its node; the answer reaches a gateway, or nobody.
    Arrives { command: Command, outcome: Outcome, answer: Option<usize> },
    /// A node dies between two commands.
    NodeDies { place: Place },
    /// What a node has noted is lost.
    NoteIsLost { place: Place },
    /// A node that died starts again.
    NodeStarts { place: Place },
    /// A node goes on with a removal that is left.
    NodeResumes { place: Place },
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(self.rules)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for at in 0..state.gateways.len() {
            self.gateway_actions(state, at, actions);
        }
        for command in state.sent.iter().copied() {
            arrivals(state, command, actions);
        }
        for place in PLACES {
            actions.extend([
                Action::NoteIsLost { place },
                Action::NodeStarts { place },
                Action::NodeResumes { place },
            ]);
            if state.mishaps.node_deaths > 0 {
                actions.push(Action::NodeDies { place });
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = match action {
            Action::Order { at } => last.ordered(at),
            Action::Delete { at } => last.deleted(at, self.rules),
            Action::Reconcile { at } => step::reconcile(last, at, self.rules),
            Action::Gateway { at, step } => step::advance(last, at, step, self.rules),
            Action::GatewayDies { at } => Some(gateway_dies(last, at)),
            Action::Arrives { command, outcome, answer } => {
                self.arrives(last, command, outcome, answer)
            }
            Action::NodeDies { place } => node_dies(last, place),
            Action::NoteIsLost { place } => change_node(last, place, Node::noted_lost),
            Action::NodeStarts { place } => change_node(last, place, Node::restarted),
            Action::NodeResumes { place } => {
                change_node(last, place, |node| node.resumed(self.rules))
            }
        }?;
        next.gateways.sort_unstable();
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("no leak", |_, state| !state.leaks()),
            Property::<Self>::always("no lost result", |_, state| {
                state.platform.told != Told::Made
                    || state.platform.has_deleted
                    || state.phase() == Some(Phase::Ready)
            }),
            Property::<Self>::always("a ready record is true", |_, state| is_true(state)),
            Property::<Self>::always("no second copy", |_, state| {
                !state.is_quiet() || state.copies() <= 1
            }),
            Property::<Self>::always("no zombie", |_, state| {
                state.platform.told != Told::Gone || is_gone(state)
            }),
            Property::<Self>::sometimes("an order is answered and quiet", |_, state| {
                state.is_quiet() && state.platform.told == Told::Made
            }),
            Property::<Self>::sometimes("a removal is answered and quiet", |_, state| {
                state.is_quiet() && state.platform.told == Told::Gone
            }),
            Property::<Self>::sometimes("the second node serves after a move", |_, state| {
                state.is_quiet()
                    && state.record.is_some_and(|record| {
                        record.phase == Phase::Ready
                            && record.node == Place::Second
                            && record.generation > 1
                    })
            }),
            Property::<Self>::sometimes("both nodes have a copy for a while", |_, state| {
                state.nodes.iter().all(|node| node.copies > 0)
            }),
            Property::<Self>::sometimes("a node died over a provision", |_, state| {
                state.nodes.iter().any(|node| {
                    !node.up && node.entry.is_some_and(|e| e.phase == EntryPhase::Provisioning)
                })
            }),
        ]
    }
}

impl Protocol {
    fn gateway_actions(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        if state.gateways[at].work == Work::Idle {
            actions.extend([Action::Order { at }, Action::Delete { at }, Action::Reconcile { at }]);
            return;
        }
        actions.push(Action::Gateway { at, step: Step::On });
        actions.push(Action::Gateway { at, step: Step::GiveUp });
        if state.mishaps.gateway_deaths > 0 {
            actions.push(Action::GatewayDies { at });
        }
    }

    fn arrives(
        &self,
        last: &State,
        command: Command,
        outcome: Outcome,
        answer: Option<usize>,
    ) -> Option<State> {
        let (node, reply) = last.node(command.node).obey(command, outcome, self.rules)?;
        let mut next = last.clone();
        next.nodes[command.node.index()] = node;
        if let Some(at) = answer {
            next.gateways[at] = next.gateways[at].told(reply)?;
        }
        if REFUSALS.contains(&outcome) {
            next.mishaps.refusals -= 1;
        }
        if DEATHS.contains(&outcome) {
            next.mishaps.node_deaths -= 1;
        }
        Some(next)
    }
}

fn arrivals(state: &State, command: Command, actions: &mut Vec<Action>) {
    let waiting = (0..state.gateways.len())
        .filter(|&at| state.gateways[at].awaits() == Some(command))
        .map(Some);
    let answers: Vec<Option<usize>> = waiting.chain([None]).collect();
    let mut outcomes = vec![Outcome::Well];
    if state.mishaps.refusals > 0 {
        outcomes.extend(REFUSALS);
    }
    for &outcome in &outcomes {
        for &answer in &answers {
            actions.push(Action::Arrives { command, outcome, answer });
        }
    }
    if state.mishaps.node_deaths > 0 {
        let deaths = DEATHS.map(|outcome| Action::Arrives { command, outcome, answer: None });
        actions.extend(deaths);
    }
}

fn gateway_dies(last: &State, at: usize) -> State {
    let mut next = last.ended(at);
    next.mishaps.gateway_deaths -= 1;
    next
}

fn node_dies(last: &State, place: Place) -> Option<State> {
    let mut next = change_node(last, place, Node::killed)?;
    next.mishaps.node_deaths -= 1;
    Some(next)
}

fn change_node(last: &State, place: Place, change: impl Fn(Node) -> Option<Node>) -> Option<State> {
    let mut next = last.clone();
    next.nodes[place.index()] = change(last.node(place))?;
    Some(next)
}

/// What the record calls ready is there, and usable.
fn is_true(state: &State) -> bool {
    let Some(record) = state.record.filter(|record| record.phase == Phase::Ready) else {
        return true;
    };
    let node = state.node(record.node);
    node.copies > 0 && node.entry.is_some_and(|entry| entry.phase == EntryPhase::Present)
}

/// No node has it, and no record lets it come back.
fn is_gone(state: &State) -> bool {
    let may_return = match state.phase() {
        Some(Phase::Intent | Phase::Ready | Phase::Moving) => true,
        Some(Phase::Deleting | Phase::Tomb) | None => false,
    };
    state.copies() == 0 && !may_return
}
