//! Nodes that are alive: what they announced last, and what is on its way to them.

mod listen;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tenon_protocol::message::Announcement;
use tenon_protocol::{NodeId, ServiceName};
use tokio::time::Instant;

pub(crate) use listen::listen;

use crate::placement::Offer;

/// Nodes announce themselves every 30 s; one that missed three is gone.
pub(crate) const FRESH: Duration = Duration::from_secs(90);
/// Most nodes of one offering; announcements of more are ignored.
const MAX_NODES: usize = 10_000;

/// All nodes of all offerings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nodes(Arc<Mutex<HashMap<ServiceName, HashMap<NodeId, Node>>>>);

#[derive(Debug)]
struct Node {
    announced: Announcement,
    heard: Instant,
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
    /// Takes down what a node announced.
    pub(crate) fn heard(&self, service: &ServiceName, id: &NodeId, announced: Announcement) {
        let mut table = self.lock();
        let nodes = table.entry(service.clone()).or_default();
        if nodes.len() >= MAX_NODES && !nodes.contains_key(id) {
            tracing::warn!(%service, node = %id, "too many nodes, this one is ignored");
            return;
        }
        let in_flight = nodes.get(id).map_or(0, |node| node.in_flight);
        let node = Node { announced, heard: Instant::now(), in_flight, since: 0 };
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
            let fresh = node.heard.elapsed() <= FRESH;
            if !fresh {
                tracing::warn!(%service, node = %id, "node is silent, it gets no new instances");
            }
            fresh
        });
        nodes.iter().map(|(id, node)| offer(id, node)).collect()
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

    /// Nobody listens there: it is asked no more until it announces itself again.
    pub(crate) fn forget(&self, service: &ServiceName, id: &NodeId) {
        if let Some(nodes) = self.lock().get_mut(service) {
            nodes.remove(id);
        }
    }

    /// All nodes that are alive, for operators.
    pub(crate) fn view(&self) -> Vec<NodeView> {
        let table = self.lock();
        let all = table.iter().flat_map(|(service, nodes)| {
            let alive = nodes.iter().filter(|(_, node)| node.heard.elapsed() <= FRESH);
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

fn offer(id: &NodeId, node: &Node) -> Offer {
    let unit = node.announced.capacity_unit.max(1);
    Offer {
        node: id.clone(),
        plan: node.announced.plan.clone(),
        versions: node.announced.supported_versions.clone(),
        free: node.announced.available_capacity.div_euclid(unit) - node.in_flight - node.since,
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

    fn announced(free: i64, unit: i64) -> Announcement {
        Announcement {
            available_capacity: free,
            max_capacity: None,
            capacity_unit: unit,
            id: id("somebody-else"),
            plan: "free".to_owned(),
            supported_versions: vec!["5.5".to_owned()],
        }
    }

    fn free(nodes: &Nodes) -> Vec<(String, i64)> {
        let offers = nodes.offers(&service()).into_iter();
        offers.map(|offer| (offer.node.to_string(), offer.free)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_missed_three_announcements_is_gone() {
        let nodes = Nodes::default();
        nodes.heard(&service(), &id("a"), announced(5, 1));
        tokio::time::advance(FRESH).await;
        assert_eq!(free(&nodes), [("a".to_owned(), 5)]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(free(&nodes), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_on_its_way_counts_and_what_arrived_until_the_next_announcement() {
        let nodes = Nodes::default();
        nodes.heard(&service(), &id("a"), announced(10, 2));
        for _ in 0..3 {
            nodes.departed(&service(), &id("a"));
        }
        nodes.arrived(&service(), &id("a"), Arrival::Made);
        nodes.arrived(&service(), &id("a"), Arrival::NotMade);
        assert_eq!(free(&nodes), [("a".to_owned(), 3)]);
        nodes.heard(&service(), &id("a"), announced(8, 2));
        assert_eq!(free(&nodes), [("a".to_owned(), 3)]);
        nodes.arrived(&service(), &id("a"), Arrival::Made);
        assert_eq!(free(&nodes), [("a".to_owned(), 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn offerings_do_not_see_each_others_nodes() {
        let nodes = Nodes::default();
        nodes.heard(&ServiceName::new("FilesaaS").unwrap(), &id("a"), announced(1, 1));
        assert_eq!(free(&nodes), []);
        assert_eq!(nodes.view().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_nobody_answers_for_is_forgotten() {
        let nodes = Nodes::default();
        nodes.heard(&service(), &id("a"), announced(1, 1));
        nodes.forget(&service(), &id("a"));
        nodes.departed(&service(), &id("a"));
        nodes.arrived(&service(), &id("a"), Arrival::Made);
        assert_eq!(free(&nodes), []);
    }
}
