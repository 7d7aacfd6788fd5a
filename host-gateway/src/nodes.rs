//! Nodes that are alive: what they announced last, and what is on its way to them.

mod announced;
mod listen;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::Announcement;
use tenon_protocol::{NodeId, ServiceName};
use tokio::time::Instant;

pub(crate) use listen::listen;

use crate::placement::Offer;

/// Most nodes of one offering; announcements of more are ignored.
const MAX_NODES: usize = 10_000;

/// All nodes of all offerings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nodes(Arc<Mutex<HashMap<ServiceName, HashMap<NodeId, Node>>>>);

#[derive(Debug)]
struct Node {
    announced: Announcement,
    heard: Instant,
    /// The same by the wall clock, as `/varz` shows it.
    time: Millis,
    /// It is gone when it was silent for so long.
    life: Duration,
    /// Instances on their way: no announcement counts them.
    in_flight: i64,
    /// Instances made since the announcement.
    since: i64,
}

/// How an instance's way to a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    Made,
    NotMade,
}

/// A node as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NodeView {
    service: ServiceName,
    id: NodeId,
    plan: String,
    versions: Vec<String>,
    available_capacity: i64,
    max_capacity: Option<i64>,
    in_flight: i64,
    heard_seconds_ago: u64,
}

impl Nodes {
    /// Takes down what a node announced; it is believed for `life`.
    pub(crate) fn heard(
        &self,
        service: &ServiceName,
        id: &NodeId,
        announced: Announcement,
        life: Duration,
    ) {
        let mut table = self.lock();
        let nodes = table.entry(service.clone()).or_default();
        if nodes.len() >= MAX_NODES && !nodes.contains_key(id) {
            tracing::warn!(%service, node = %id, "too many nodes, this one is ignored");
            return;
        }
        let in_flight = nodes.get(id).map_or(0, |node| node.in_flight);
        let (heard, time) = (Instant::now(), Millis::now());
        let node = Node { announced, heard, time, life, in_flight, since: 0 };
        if nodes.insert(id.clone(), node).is_none() {
            tracing::info!(%service, node = %id, "node appeared");
        }
    }

    /// The nodes of `service` that are alive.
    pub(crate) fn offers(&self, service: &ServiceName) -> Vec<Offer> {
        let mut table = self.lock();
        let Some(nodes) = table.get_mut(service) else {
            return Vec::new();
        };
        nodes.retain(|id, node| {
            let fresh = node.is_alive();
            if !fresh {
                tracing::warn!(%service, node = %id, "node is silent, it gets no new instances");
            }
            fresh
        });
        nodes.iter().map(|(id, node)| offer(id, node)).collect()
    }

    /// Whether the service on `id` can take snapshots; `None` when the node is not heard of, or does
    /// not say.
    pub(crate) fn takes_snapshots(&self, service: &ServiceName, id: &NodeId) -> Option<bool> {
        self.lock().get(service)?.get(id)?.announced.snapshots
    }

    /// Ids of the nodes of `service` that are alive, in order.
    pub(crate) fn ids(&self, service: &ServiceName) -> Vec<NodeId> {
        let mut ids: Vec<NodeId> =
            self.offers(service).into_iter().map(|offer| offer.node).collect();
        ids.sort();
        ids
    }

    /// An instance is on its way to `id`.
    pub(crate) fn departed(&self, service: &ServiceName, id: &NodeId) {
        if let Some(node) = self.lock().get_mut(service).and_then(|nodes| nodes.get_mut(id)) {
            node.in_flight += 1;
        }
    }

    /// It is not on its way any more.
    pub(crate) fn arrived(&self, service: &ServiceName, id: &NodeId, arrival: Arrival) {
        if let Some(node) = self.lock().get_mut(service).and_then(|nodes| nodes.get_mut(id)) {
            // The node may have been forgotten in between.
            node.in_flight = (node.in_flight - 1).max(0);
            node.since += match arrival {
                Arrival::Made => 1,
                Arrival::NotMade => 0,
            };
        }
    }

    /// Whether a node announced itself, and is alive.
    pub(crate) fn knows(&self, service: &ServiceName, id: &NodeId) -> bool {
        self.lock().get(service).and_then(|nodes| nodes.get(id)).is_some_and(Node::is_alive)
    }

    /// Nobody listens there: it is asked no more until it announces itself again.
    pub(crate) fn forget(&self, service: &ServiceName, id: &NodeId) {
        if let Some(nodes) = self.lock().get_mut(service) {
            nodes.remove(id);
        }
    }

    /// What the nodes of `service` that are alive announced, and when.
    pub(crate) fn announced(
        &self,
        service: &ServiceName,
    ) -> BTreeMap<NodeId, (Announcement, Millis)> {
        let table = self.lock();
        let nodes = table.get(service).into_iter().flatten();
        let alive = nodes.filter(|(_, node)| node.is_alive());
        alive.map(|(id, node)| (id.clone(), (node.announced.clone(), node.time))).collect()
    }

    /// All nodes that are alive, for operators.
    pub(crate) fn view(&self) -> Vec<NodeView> {
        let table = self.lock();
        let all = table.iter().flat_map(|(service, nodes)| {
            let alive = nodes.iter().filter(|(_, node)| node.is_alive());
            alive.map(move |(id, node)| view(service, id, node))
        });
        let mut all: Vec<NodeView> = all.collect();
        all.sort_by(|a, b| (&a.service, &a.id).cmp(&(&b.service, &b.id)));
        all
    }

    // A panic while it is held leaves whole values behind: there is no await and no half step.
    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceName, HashMap<NodeId, Node>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn is_alive(&self) -> bool {
        self.heard.elapsed() <= self.life
    }
}

fn offer(id: &NodeId, node: &Node) -> Offer {
    let unit = node.announced.capacity_unit.max(1);
    Offer {
        node: id.clone(),
        plan: node.announced.plan.clone(),
        versions: node.announced.supported_versions.clone(),
        free: node
            .announced
            .available_capacity
            .div_euclid(unit)
            .saturating_sub(node.in_flight)
            .saturating_sub(node.since),
    }
}

fn view(service: &ServiceName, id: &NodeId, node: &Node) -> NodeView {
    NodeView {
        service: service.clone(),
        id: id.clone(),
        plan: node.announced.plan.clone(),
        versions: node.announced.supported_versions.clone(),
        available_capacity: node.announced.available_capacity,
        max_capacity: node.announced.max_capacity,
        in_flight: node.in_flight,
        heard_seconds_ago: node.heard.elapsed().as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> ServiceName {
        ServiceName::new("MyaaS").unwrap()
    }

    fn id(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    const LIFE: Duration = Duration::from_secs(90);

    fn announced(free: i64, unit: i64) -> Announcement {
        Announcement {
            available_capacity: free,
            max_capacity: None,
            capacity_unit: unit,
            id: id("somebody-else"),
            plan: "free".to_owned(),
            supported_versions: vec!["5.5".to_owned()],
            snapshots: None,
            closing: false,
        }
    }

    fn free(nodes: &Nodes) -> Vec<(String, i64)> {
        let offers = nodes.offers(&service()).into_iter();
        offers.map(|offer| (offer.node.to_string(), offer.free)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_missed_three_announcements_is_gone() {
        let nodes = Nodes::default();
        nodes.heard(&service(), &id("a"), announced(5, 1), LIFE);
        tokio::time::advance(LIFE).await;
        assert_eq!(free(&nodes), [("a".to_owned(), 5)]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(free(&nodes), []);
    }

    #[tokio::test(start_paused = true)]
    async fn p20_what_is_on_its_way_counts_and_what_arrived_until_the_next_announcement() {
        let nodes = Nodes::default();
        nodes.heard(&service(), &id("a"), announced(10, 2), LIFE);
        for _ in 0..3 {
            nodes.departed(&service(), &id("a"));
        }
        nodes.arrived(&service(), &id("a"), Arrival::Made);
        nodes.arrived(&service(), &id("a"), Arrival::NotMade);
        assert_eq!(free(&nodes), [("a".to_owned(), 3)]);
        nodes.heard(&service(), &id("a"), announced(8, 2), LIFE);
        assert_eq!(free(&nodes), [("a".to_owned(), 3)]);
        nodes.arrived(&service(), &id("a"), Arrival::Made);
        assert_eq!(free(&nodes), [("a".to_owned(), 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn p20_what_a_node_refused_takes_no_room_there() {
        let nodes = Nodes::default();
        nodes.heard(&service(), &id("a"), announced(2, 1), LIFE);
        nodes.departed(&service(), &id("a"));
        nodes.heard(&service(), &id("a"), announced(2, 1), LIFE);
        assert_eq!(free(&nodes), [("a".to_owned(), 1)]);
        nodes.arrived(&service(), &id("a"), Arrival::NotMade);
        assert_eq!(free(&nodes), [("a".to_owned(), 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn absurd_capacities_are_counted_with() {
        for (capacity, unit) in [(i64::MIN, 1), (i64::MIN, i64::MIN), (i64::MAX, 0), (-1, -1)] {
            let nodes = Nodes::default();
            nodes.heard(&service(), &id("a"), announced(capacity, unit), LIFE);
            nodes.departed(&service(), &id("a"));
            assert_eq!(free(&nodes)[0].1 > 0, capacity > 0, "{capacity} {unit}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn offerings_do_not_see_each_others_nodes() {
        let nodes = Nodes::default();
        nodes.heard(&ServiceName::new("FilesaaS").unwrap(), &id("a"), announced(1, 1), LIFE);
        assert_eq!(free(&nodes), []);
        assert_eq!(nodes.view().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_nobody_answers_for_is_forgotten() {
        let nodes = Nodes::default();
        nodes.heard(&service(), &id("a"), announced(1, 1), LIFE);
        nodes.forget(&service(), &id("a"));
        nodes.departed(&service(), &id("a"));
        nodes.arrived(&service(), &id("a"), Arrival::Made);
        assert_eq!(free(&nodes), []);
    }
}
