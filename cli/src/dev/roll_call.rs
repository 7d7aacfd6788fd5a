//! Whether every running gateway knows every offering of every running node, and serves it.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::child::{ChildId, Kind};
use super::children::Children;
use super::http::HttpClient;

/// An announcement that is due arrives in milliseconds.
const DEADLINE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);

/// An offering that cannot be ordered from a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) node: ChildId,
    pub(crate) label: String,
    pub(crate) why: Why,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The node refused the plugin.
    Refused,
    /// A gateway does not know the node: its guest is not well, or its announcements are refused.
    Unannounced,
}

/// What a node's health page says of a plugin.
#[derive(Debug, Deserialize)]
struct PluginState {
    label: String,
    service: String,
    node_id: String,
    /// Of the component that serves.
    sha256: Option<String>,
}

/// What a gateway says of a node.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct KnownNode {
    service: String,
    id: String,
}

/// What a gateway says of an offering.
#[derive(Debug, Deserialize)]
struct Offered {
    /// Why it is not served.
    waits_for: Option<String>,
}

/// Waits until the gateways know the nodes, and serve; returns what is missing after a while.
pub(crate) async fn roll_call(children: &Children) -> Vec<Absence> {
    let client = HttpClient::new();
    let mut absences = Vec::new();
    let mut expected = Vec::new();
    for (node, state) in plugins(children, &client).await {
        if state.sha256.is_some() {
            expected.push((node, state));
        } else {
            absences.push(Absence { node, label: state.label, why: Why::Refused });
        }
    }
    let end = Instant::now() + DEADLINE;
    loop {
        let known = known_everywhere(children, &client).await;
        expected.retain(|(_, state)| !known.iter().all(|nodes| nodes.contains(&state.as_known())));
        let is_complete = expected.is_empty() && serve_all(children, &client).await;
        if is_complete || Instant::now() >= end {
            break;
        }
        sleep(POLL).await;
    }
    absences.extend(expected.into_iter().map(|(node, state)| Absence {
        node,
        label: state.label,
        why: Why::Unannounced,
    }));
    absences
}

impl PluginState {
    fn as_known(&self) -> KnownNode {
        KnownNode { service: self.service.clone(), id: self.node_id.clone() }
    }
}

/// What the running nodes say of their plugins.
async fn plugins(children: &Children, client: &HttpClient) -> Vec<(ChildId, PluginState)> {
    let mut states = Vec::new();
    for (number, node) in (1..).zip(&children.blueprint().nodes) {
        let id = ChildId::new(Kind::Node, number);
        if children.runs(id) {
            let url = format!("{}/plugins", node.health_url());
            let found: Vec<PluginState> = client.get(&url, None).await.unwrap_or_default();
            states.extend(found.into_iter().map(|state| (id, state)));
        }
    }
    states
}

/// Whether each running gateway serves what it offers. One whose cloud controller was away since it
/// was made does not.
async fn serve_all(children: &Children, client: &HttpClient) -> bool {
    let token = &children.blueprint().admin_token;
    for (number, gateway) in (1..).zip(&children.blueprint().gateways) {
        if children.runs(ChildId::new(Kind::Gateway, number)) {
            let url = format!("{}/offerings", gateway.admin_url());
            let offered: Option<Vec<Offered>> = client.get(&url, Some(token)).await;
            if !offered.is_some_and(|all| all.iter().all(|one| one.waits_for.is_none())) {
                return false;
            }
        }
    }
    true
}

/// The nodes that each running gateway knows.
async fn known_everywhere(children: &Children, client: &HttpClient) -> Vec<Vec<KnownNode>> {
    let mut known = Vec::new();
    let token = &children.blueprint().admin_token;
    for (number, gateway) in (1..).zip(&children.blueprint().gateways) {
        if children.runs(ChildId::new(Kind::Gateway, number)) {
            let url = format!("{}/nodes", gateway.admin_url());
            known.push(client.get(&url, Some(token)).await.unwrap_or_default());
        }
    }
    known
}
