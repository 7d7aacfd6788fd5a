//! Speaks to a node past the gateway, with the gateway's own login: what it has, and what it does
//! for an order.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenon::dev::NodeEntry;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{InventoryPage, InventoryRequest};
use tenon_protocol::subject::{self, Operation};
use tenon_protocol::{Code, NodeId, Order, ServiceName};
use tenon_tests::{Platform, wait_until};

/// A debug build moves without haste.
const PATIENCE: Duration = Duration::from_secs(90);

/// A way to the first node of one offering.
#[derive(Clone)]
pub(crate) struct Bus {
    client: Client,
    service: ServiceName,
    node: NodeId,
}

impl Bus {
    pub(crate) async fn open(platform: &Platform, offering: &str) -> Self {
        Self::all(platform, offering).await.remove(0)
    }

    /// A way to each node of the offering.
    pub(crate) async fn all(platform: &Platform, offering: &str) -> Vec<Self> {
        let file = platform.dev_file().unwrap();
        let login = (file.nats.user, file.nats.password.reveal().to_owned());
        let options = ConnectOptions::with_user_and_password(login.0, login.1);
        let client = options.connect(&file.nats.url).await.unwrap();
        let nodes = file.nodes.iter().filter(|node| node.offering == offering);
        let way = |node: &NodeEntry| Self {
            client: client.clone(),
            service: ServiceName::new(node.service.as_str()).unwrap(),
            node: NodeId::new(node.id.as_str()).unwrap(),
        };
        nodes.map(way).collect()
    }

    /// Asks the node as an original gateway does: without headers, and waiting for the end.
    pub(crate) async fn ask<B: Serialize, R: DeserializeOwned>(
        &self,
        operation: Operation,
        body: &B,
    ) -> R {
        let subject = subject::operation(&self.service, operation, &self.node);
        let payload = serde_json::to_vec(body).unwrap();
        let request = Request::new().payload(payload.into()).timeout(Some(PATIENCE));
        let answer = self.client.send_request(subject, request).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    }

    /// Has the node carry out `order`, asking again while it is busy, as our gateway does.
    pub(crate) async fn step<B: Serialize, R: DeserializeOwned>(
        &self,
        operation: Operation,
        order: &Order,
        body: &B,
    ) -> R {
        let done = wait_until("the end of a step", PATIENCE, async || {
            // A node that is not there yet, or is gone, is asked again too.
            let answer: Value = self.command(operation, &renewed(order), body).await.ok()?;
            let code = answer.pointer("/error/msg/code").and_then(Value::as_u64);
            (code != Some(u64::from(Code::BUSY.number))).then_some(answer)
        });
        serde_json::from_value(done.await.unwrap()).unwrap()
    }

    /// All that the node has of the offering, tests having less than a page of it.
    pub(crate) async fn inventory(&self) -> InventoryPage {
        let subject = subject::inventory(&self.service, &self.node);
        let request = serde_json::to_vec(&InventoryRequest::default()).unwrap();
        let answer = self.client.request(subject, request.into()).await.unwrap();
        let page: InventoryPage = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(page.next, None);
        page
    }

    /// Has the node carry out `order`, once.
    pub(crate) async fn command<B: Serialize, R: DeserializeOwned>(
        &self,
        operation: Operation,
        order: &Order,
        body: &B,
    ) -> Result<R, async_nats::RequestError> {
        let mut headers = HeaderMap::new();
        for (name, value) in order.to_headers() {
            headers.insert(name, value);
        }
        let subject = subject::operation(&self.service, operation, &self.node);
        let payload = serde_json::to_vec(body).unwrap();
        let request = self.client.request_with_headers(subject, headers, payload.into());
        let answer = request.await?;
        Ok(serde_json::from_slice(&answer.payload).unwrap())
    }
}

/// The same order, by somebody who waits for two seconds from now on.
fn renewed(order: &Order) -> Order {
    Order { deadline: Millis::now().after(Duration::from_secs(2)), ..order.clone() }
}
