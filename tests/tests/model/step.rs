//! What a gateway does next.
//!
//! The rules are those of `host-gateway/src/operations/{provision,unprovision,reconcile}.rs`,
//! function by function. Reading a record and writing it at once is one step here: the write would
//! refuse whatever came between, and the gateway would read again.

use tenon_protocol::record::{Abandon, Phase};

use super::gateway::{Asker, Errand, Failure, Held, Moves, Origin, Work};
use super::record::{Place, Record};
use super::rules::{Front, Rules};
use super::state::{State, Told};

/// What a gateway does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Its next write or message.
    On,
    /// Its patience is over.
    GiveUp,
}

/// Gateway `at` takes up what nobody works on: any deadline may have passed. `None` when there is
/// nothing.
pub(crate) fn reconcile(state: &State, at: usize, rules: Rules) -> Option<State> {
    let record = state.record.filter(|record| record.is_left_over())?;
    let taken = match (record.phase, rules.on_abandon()) {
        (Phase::Intent, Abandon::Undo) => record.deleting()?,
        (Phase::Intent, Abandon::Finish)
        | (Phase::Ready | Phase::Moving | Phase::Deleting | Phase::Tomb, _) => record.claimed(),
    };
    let (next, held) = state.written(Some(Held { record, fresh: true }), taken, rules)?;
    let work = match taken.phase {
        Phase::Intent => {
            Work::Intending(Errand { held, moves: Moves::Left, origin: Origin::TakenOver })
        }
        Phase::Ready | Phase::Moving | Phase::Deleting | Phase::Tomb => Work::Cleaning(held),
    };
    Some(next.with_gateway(at, Asker::Nobody, work))
}

/// Gateway `at` takes `step`. `None` when it cannot.
pub(crate) fn advance(state: &State, at: usize, step: Step, rules: Rules) -> Option<State> {
    match (state.gateways[at].work, step) {
        (Work::Ordered { place }, Step::On) => Some(begin(state, at, place, rules)),
        (Work::JoiningOrder, Step::On) => join_order(state, at),
        (Work::Intending(errand), Step::On) => Some(ask_to_make(state, at, errand)),
        (Work::AwaitingMade(errand), Step::GiveUp) => {
            Some(state.going_on(at, Work::NotMade(errand, Failure::Silent)))
        }
        (Work::Made(held), Step::On) => Some(finish(state, at, held, rules)),
        (Work::NotMade(errand, failure), Step::On) => {
            place_elsewhere(state, at, errand, failure, rules)
        }
        (Work::NotMade(errand, failure), Step::GiveUp) => {
            Some(give_up(state, at, errand, failure, rules))
        }
        (Work::Deleting, Step::On) => Some(delete(state, at, rules)),
        (Work::JoiningDelete, Step::On) => join_delete(state, at, rules),
        (Work::Cleaning(held), Step::On) => Some(ask_to_clean(state, at, held)),
        (Work::Gone(held, node), Step::On) => Some(cleaned(state, at, held, node, rules)),
        (Work::JoiningOrder | Work::JoiningDelete | Work::AwaitingGone(..), Step::GiveUp) => {
            Some(state.ended(at))
        }
        (Work::Idle | Work::AwaitingMade(_) | Work::AwaitingGone(..), Step::On)
        | (
            Work::Idle
            | Work::Ordered { .. }
            | Work::Intending(_)
            | Work::Made(_)
            | Work::Deleting
            | Work::Cleaning(_)
            | Work::Gone(..),
            Step::GiveUp,
        ) => None,
    }
}

/// Writes the intent, where nothing stands.
fn begin(state: &State, at: usize, place: Place, rules: Rules) -> State {
    let record = Record::intent(place, rules.on_abandon());
    let errand = |held, moves| Work::Intending(Errand { held, moves, origin: Origin::Own });
    if !rules.records_first() {
        return state.going_on(at, errand(Held { record, fresh: true }, Moves::None));
    }
    match state.written(None, record, rules) {
        Some((next, held)) => next.going_on(at, errand(held, Moves::Left)),
        None => state.going_on(at, Work::JoiningOrder),
    }
}

fn join_order(state: &State, at: usize) -> Option<State> {
    match state.phase() {
        Some(Phase::Ready) => Some(state.answered(at, Told::Made)),
        Some(Phase::Deleting | Phase::Tomb) | None => Some(state.ended(at)),
        Some(Phase::Intent | Phase::Moving) => None,
    }
}

fn ask_to_make(state: &State, at: usize, errand: Errand) -> State {
    if !state.node(errand.held.record.node).up {
        return state.going_on(at, Work::NotMade(errand, Failure::Nobody));
    }
    let mut next = state.going_on(at, Work::AwaitingMade(errand));
    next.sent.insert(errand.command());
    next
}

fn finish(state: &State, at: usize, held: Held, rules: Rules) -> State {
    // Who acts first has no record to compare with.
    let expected = rules.records_first().then_some(held);
    let written = held.record.ready().and_then(|ready| state.written(expected, ready, rules));
    match written {
        Some((next, _)) => next.answered(at, Told::Made),
        None => state.ended(at),
    }
}

fn place_elsewhere(
    state: &State,
    at: usize,
    errand: Errand,
    failure: Failure,
    rules: Rules,
) -> Option<State> {
    let may_move = match failure {
        Failure::Elsewhere | Failure::Nobody => true,
        Failure::Silent => rules.believes_silence(),
        Failure::Refused => false,
    };
    if !may_move || errand.moves == Moves::None {
        return None;
    }
    let record = errand.held.record;
    let moved = errand.forget_untouched(record.moved(record.node.other())?, failure, rules);
    Some(match state.written(Some(errand.held), moved, rules) {
        Some((next, held)) => {
            let errand = Errand { held, moves: Moves::None, ..errand };
            next.going_on(at, Work::Intending(errand))
        }
        None => state.ended(at),
    })
}

fn give_up(state: &State, at: usize, errand: Errand, failure: Failure, rules: Rules) -> State {
    let going = errand.held.record.deleting().filter(|_going| rules.records_first());
    let Some(going) = going else {
        return state.ended(at);
    };
    let going = errand.forget_untouched(going, failure, rules);
    match (state.written(Some(errand.held), going, rules), failure) {
        (Some((next, held)), Failure::Elsewhere | Failure::Refused) => {
            next.with_gateway(at, Asker::Nobody, Work::Cleaning(held))
        }
        (Some((next, _)), Failure::Nobody | Failure::Silent) => next.ended(at),
        (None, _) => state.ended(at),
    }
}

fn delete(state: &State, at: usize, rules: Rules) -> State {
    let Some(record) = state.record else {
        return delete_unknown(state, at, rules);
    };
    match record.phase {
        Phase::Tomb => state.answered(at, Told::Gone),
        Phase::Deleting => state.going_on(at, Work::JoiningDelete),
        Phase::Intent | Phase::Ready | Phase::Moving => {
            let held = Held { record, fresh: true };
            let going = record.deleting();
            match going.and_then(|going| state.written(Some(held), going, rules)) {
                Some((next, held)) => next.going_on(at, Work::Cleaning(held)),
                None => state.going_on(at, Work::JoiningDelete),
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
            let held = Held { record, fresh: true };
            let (next, held) = state.written(Some(held), record.claimed(), rules)?;
            Some(next.going_on(at, Work::Cleaning(held)))
        }
        Phase::Intent | Phase::Ready | Phase::Moving => None,
    }
}

fn ask_to_clean(state: &State, at: usize, held: Held) -> State {
    let Some(node) = held.record.dirty() else {
        return match held.record.phase {
            Phase::Tomb => state.answered(at, Told::Gone),
            Phase::Intent | Phase::Ready | Phase::Moving | Phase::Deleting => state.ended(at),
        };
    };
    if !state.node(node).up {
        return state.ended(at);
    }
    let mut next = state.going_on(at, Work::AwaitingGone(held, node));
    next.sent.insert(held.removal(node));
    next
}

fn cleaned(state: &State, at: usize, held: Held, node: Place, rules: Rules) -> State {
    match state.written(Some(held), held.record.cleaned(node), rules) {
        Some((next, held)) => next.going_on(at, Work::Cleaning(held)),
        None => state.ended(at),
    }
}
