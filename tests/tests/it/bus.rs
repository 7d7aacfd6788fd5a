//! Speaks to a node past the gateway, with the gateway's own login: what it has, and what it does
//! for an order.

use async_nats::{Client, ConnectOptions, HeaderMap};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenon_protocol::message::{InventoryPage, InventoryRequest};
use tenon_protocol::subject::{self, Operation};
use tenon_protocol::{NodeId, Order, ServiceName};
use tenon_tests::Platform;

/// A way to the first node of one offering.
#[derive(Clone)]
pub(crate) struct Bus {
    client: Client,
    service: ServiceName,
    node: NodeId,
}

impl Bus {
    pub(crate) async fn open(platform: &Platform, offering: &str) -> Self {
        let file = platform.dev_file().unwrap();
        let login = (file.nats.user, file.nats.password.reveal().to_owned());
        let options = ConnectOptions::with_user_and_password(login.0, login.1);
        let client = options.connect(&file.nats.url).await.unwrap();
        let mut nodes = file.nodes.iter();
        let node = nodes.find(|node| node.offering == offering).unwrap();
        Self {
            client,
            service: ServiceName::new(node.service.as_str()).unwrap(),
            node: NodeId::new(node.id.as_str()).unwrap(),
        }
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
