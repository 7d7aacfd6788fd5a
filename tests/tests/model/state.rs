//! Everything at one moment: the record, both nodes, both gateways, the bus, the platform.

use std::collections::BTreeSet;

use tenon_protocol::record::Phase;

use super::gateway::{Asker, Gateway, Held, Work};
use super::node::{Command, Node};
use super::record::{PLACES, Place, Record};
use super::rules::{Front, Rules};

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// What stands in the store.
    pub(crate) record: Option<Record>,
    pub(crate) nodes: [Node; 2],
    /// In the order of what they do: which is which makes no difference.
    pub(crate) gateways: [Gateway; 2],
    /// Every command that was ever sent. None is taken out, and each may reach its node at any
    /// later time, any number of times, or never: that is a bus which loses, delays and repeats.
    pub(crate) sent: BTreeSet<Command>,
    pub(crate) platform: Platform,
    pub(crate) mishaps: Mishaps,
}

/// What the platform still does, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Platform {
    /// Orders that it may still send.
    pub(crate) orders: u8,
    /// Requests to delete that it may still send.
    pub(crate) deletes: u8,
    pub(crate) has_ordered: bool,
    pub(crate) has_deleted: bool,
    pub(crate) told: Told,
}

/// The last thing that the platform was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Nothing,
    Made,
    Gone,
}

/// How many of each may still happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Mishaps {
    pub(crate) gateway_deaths: u8,
    pub(crate) node_deaths: u8,
    pub(crate) refusals: u8,
}

impl State {
    /// Nothing has happened yet.
    pub(crate) fn start(rules: Rules) -> Self {
        Self {
            record: None,
            nodes: [Node::EMPTY; 2],
            gateways: [Gateway::IDLE; 2],
            sent: BTreeSet::new(),
            platform: Platform {
                orders: rules.bounds.orders,
                deletes: rules.bounds.deletes,
                has_ordered: false,
                has_deleted: false,
                told: Told::Nothing,
            },
            mishaps: Mishaps { gateway_deaths: 1, node_deaths: 1, refusals: 1 },
        }
    }

    /// The platform's order, or its order again. `None` when it sends no more.
    pub(crate) fn ordered(&self, at: usize) -> Option<Self> {
        if self.platform.orders == 0 || self.platform.has_deleted {
            return None;
        }
        // Placement is random: the second attempt would have gone elsewhere.
        let place = if self.platform.has_ordered { Place::Second } else { Place::First };
        let mut next = self.with_gateway(at, Asker::Order, Work::Ordered { place });
        next.platform.orders -= 1;
        next.platform.has_ordered = true;
        Some(next)
    }

    /// The platform asks for the removal. `None` when it has no reason to, or sends no more.
    pub(crate) fn deleted(&self, at: usize, rules: Rules) -> Option<Self> {
        let knows_it = match rules.front {
            Front::Classic => self.platform.told == Told::Made || self.platform.has_deleted,
            Front::Broker => self.platform.has_ordered,
        };
        if self.platform.deletes == 0 || !knows_it || self.platform.told == Told::Gone {
            return None;
        }
        let mut next = self.with_gateway(at, Asker::Delete, Work::Deleting);
        next.platform.deletes -= 1;
        next.platform.has_deleted = true;
        Some(next)
    }

    /// Writes `record` as gateway `at`, who holds `held` (`None`: nothing stood there). `None` when
    /// somebody else was faster.
    pub(crate) fn written(
        &self,
        held: Option<Held>,
        record: Record,
        rules: Rules,
    ) -> Option<(Self, Held)> {
        let is_current = match held {
            Some(held) => held.fresh,
            None => self.record.is_none(),
        };
        if rules.has_cas() && !is_current {
            return None;
        }
        let mut next = self.clone();
        next.record = Some(record);
        next.gateways.iter_mut().for_each(Gateway::outdate);
        Some((next, Held { record, fresh: true }))
    }

    /// Gateway `at` goes on with `work` for `asker`.
    pub(crate) fn with_gateway(&self, at: usize, asker: Asker, work: Work) -> Self {
        let mut next = self.clone();
        next.gateways[at] = Gateway { asker, work };
        next
    }

    /// Gateway `at` goes on with `work` for whoever asked.
    pub(crate) fn going_on(&self, at: usize, work: Work) -> Self {
        self.with_gateway(at, self.gateways[at].asker, work)
    }

    /// Gateway `at` is done; whoever asked is told.
    pub(crate) fn answered(&self, at: usize, told: Told) -> Self {
        let asker = self.gateways[at].asker;
        let mut next = self.ended(at);
        match (asker, told) {
            // Once it wants the instance away, it does not care for an answer to its order.
            (Asker::Order, Told::Made) if !self.platform.has_deleted => {
                next.platform.told = Told::Made;
            }
            (Asker::Delete, Told::Gone) => next.platform.told = Told::Gone,
            (Asker::Order | Asker::Delete | Asker::Nobody, _) => {}
        }
        next
    }

    /// Gateway `at` stops here; nobody is told anything.
    pub(crate) fn ended(&self, at: usize) -> Self {
        self.with_gateway(at, Asker::Nobody, Work::Idle)
    }

    pub(crate) fn node(&self, place: Place) -> Node {
        self.nodes[place.index()]
    }

    pub(crate) fn copies(&self) -> u8 {
        self.nodes.iter().map(|node| node.copies).sum()
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.record.map(|record| record.phase)
    }

    /// Whether nobody has anything left to do. Late commands may still arrive.
    pub(crate) fn is_quiet(&self) -> bool {
        self.gateways.iter().all(|gateway| gateway.work == Work::Idle)
            && !self.nodes.iter().any(|node| node.is_busy())
            && !self.record.is_some_and(Record::is_left_over)
    }

    /// Nodes that have the instance, and that no record names.
    pub(crate) fn leaks(&self) -> bool {
        PLACES.into_iter().any(|place| {
            self.node(place).copies > 0 && !self.record.is_some_and(|record| record.names(place))
        })
    }
}
