//! The record as the checker keeps it: small enough to be kept a million times.
//!
//! Every transition goes through the real [`Life`]. What makes two equal records differ there is
//! put to one value: operation ids are random (here, one for each generation: compare-and-set lets
//! nobody make two), deadlines are times (here, all have passed: no safety may rest on clocks).

use std::cmp::Ordering;
use std::sync::LazyLock;

use tenon_protocol::clock::Millis;
use tenon_protocol::record::{Abandon, Life, Phase};
use tenon_protocol::{Generation, NodeId, OperationId, SealKey, Sealed};

/// One of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// The one that is asked first.
    First,
    /// The one that is left when the first one says no.
    Second,
}

/// Both nodes.
pub(crate) const PLACES: [Place; 2] = [Place::First, Place::Second];

impl Place {
    /// The other node.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Where it stands in an array of both.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

/// A [`Life`] without what two equal ones may differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) phase: Phase,
    pub(crate) node: Place,
    pub(crate) generation: u8,
    /// Whether each node may still have something of it.
    pub(crate) garbage: [bool; 2],
    /// Whose operation it names, where that is looked at.
    pub(crate) order: Order,
}

/// Whose operation a record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Order {
    /// Nobody looks.
    Any,
    /// The move's.
    Away,
    /// The move's, going back.
    Back,
}

const ORDERS: [Order; 3] = [Order::Any, Order::Away, Order::Back];

/// Ids of both nodes, and credentials: made once, as the checker needs them a million times.
struct Values {
    nodes: [NodeId; 2],
    operations: [OperationId; 3],
    credentials: Sealed,
}

static VALUES: LazyLock<Values> = LazyLock::new(|| Values {
    nodes: ["first", "second"].map(|name| NodeId::new(name).expect("a word is an id")),
    operations: ["the-one-of-its-generation", "move", "return"]
        .map(|name| OperationId::new(name).expect("a word is an id")),
    credentials: SealKey::from_hex(&SealKey::random_hex())
        .expect("a random key is a key")
        .seal("inst.d1", &"secret")
        .expect("a text can be sealed"),
});

/// All deadlines of the model, and a moment at which all have passed.
const DEADLINE: Millis = Millis::from_millis(0);
const LATER: Millis = Millis::from_millis(1);

impl Record {
    /// [`Life::intent`].
    pub(crate) fn intent(node: Place, on_abandon: Abandon) -> Self {
        Self::of(&Life::intent(id(node), DEADLINE, on_abandon))
    }

    /// [`Life::ready`]; `None` where it refuses.
    pub(crate) fn ready(self) -> Option<Self> {
        self.life().ready(VALUES.credentials.clone()).ok().map(|life| Self::of(&life))
    }

    /// [`Life::moved`]; `None` where it refuses.
    pub(crate) fn moved(self, node: Place) -> Option<Self> {
        self.life().moved(id(node), DEADLINE).ok().map(|life| Self::of(&life))
    }

    /// [`Life::deleting`]; `None` where it refuses.
    pub(crate) fn deleting(self) -> Option<Self> {
        self.life().deleting(DEADLINE).ok().map(|life| Self::of(&life))
    }

    /// An instance that `node` serves.
    pub(crate) fn served_by(node: Place) -> Self {
        Self { phase: Phase::Ready, node, generation: 1, garbage: [false; 2], order: Order::Any }
    }

    /// [`Life::moving`]; `None` where it refuses.
    pub(crate) fn moving(self, to: Place, order: Order) -> Option<Self> {
        self.life().moving(id(to), operation(order), DEADLINE).ok().map(|life| Self::of(&life))
    }

    /// [`Life::returning`]; `None` where it refuses.
    pub(crate) fn returning(self) -> Option<Self> {
        self.life().returning(operation(Order::Back), DEADLINE).ok().map(|life| Self::of(&life))
    }

    /// [`Life::arrived`]; `None` where it refuses.
    pub(crate) fn arrived(self, to: Place) -> Option<Self> {
        let credentials = VALUES.credentials.clone();
        self.life().arrived(id(to), credentials).ok().map(|life| Self::of(&life))
    }

    /// [`Life::returned`]; `None` where it refuses.
    pub(crate) fn returned(self) -> Option<Self> {
        self.life().returned().ok().map(|life| Self::of(&life))
    }

    /// Whether `place` may still have something that has to go.
    pub(crate) fn is_garbage(self, place: Place) -> bool {
        self.garbage[place.index()]
    }

    /// [`Life::cleaned`].
    pub(crate) fn cleaned(self, node: Place) -> Self {
        Self::of(&self.life().cleaned(&id(node)))
    }

    /// [`Life::claimed`].
    pub(crate) fn claimed(self) -> Self {
        Self::of(&self.life().claimed(DEADLINE))
    }

    /// [`Life::is_left_over`], once every deadline has passed.
    pub(crate) fn is_left_over(self) -> bool {
        self.life().is_left_over(LATER)
    }

    /// Whether it says that `place` has the instance, or may have something of it.
    pub(crate) fn names(self, place: Place) -> bool {
        let is_there = match self.phase {
            Phase::Intent | Phase::Ready | Phase::Moving => self.node == place,
            Phase::Deleting | Phase::Tomb => false,
        };
        is_there || self.garbage[place.index()]
    }

    /// The first node of the garbage.
    pub(crate) fn dirty(self) -> Option<Place> {
        PLACES.into_iter().find(|place| self.garbage[place.index()])
    }

    fn life(self) -> Life {
        let has_credentials = match self.phase {
            Phase::Ready => true,
            Phase::Intent | Phase::Moving | Phase::Deleting | Phase::Tomb => false,
        };
        Life {
            phase: self.phase,
            node: id(self.node),
            generation: Generation::new(self.generation.into()),
            operation: operation(self.order),
            deadline: DEADLINE,
            // No transition looks at it; what gateways do about it is the rules' business.
            on_abandon: Abandon::Undo,
            garbage: PLACES.into_iter().filter(|p| self.garbage[p.index()]).map(id).collect(),
            credentials: has_credentials.then(|| VALUES.credentials.clone()),
        }
    }

    fn of(life: &Life) -> Self {
        let place = |node: &NodeId| PLACES.into_iter().find(|place| id(*place) == *node);
        Self {
            phase: life.phase,
            node: place(&life.node).expect("a node of the model"),
            generation: u8::try_from(life.generation.get()).expect("generations stay small"),
            garbage: PLACES.map(|place| life.garbage.contains(&id(place))),
            order: ORDERS
                .into_iter()
                .find(|order| operation(*order) == life.operation)
                .unwrap_or(Order::Any),
        }
    }
}

fn operation(order: Order) -> OperationId {
    VALUES.operations[order as usize].clone()
}

fn id(place: Place) -> NodeId {
    VALUES.nodes[place.index()].clone()
}

/// Any order that is one: gateways are sorted by what they do.
impl Ord for Record {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |record: &Self| {
            let Self { phase, node, generation, garbage, order } = *record;
            (phase as u8, node, generation, garbage, order)
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
