//! A stand-in for `node-1`, on the real bus with the gateway's own login: it announces what it is
//! told to, and answers, or does not, as a test says.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Message, Subscriber};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tenon_tests::{Platform, wait_until};
use tokio::time::timeout;

/// A request that is due has come by then.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// The node of one offering, without the process.
pub(crate) struct StandIn {
    pub(crate) client: Client,
    pub(crate) service: String,
    requests: Subscriber,
}

impl StandIn {
    /// Stops the real `node-1`, and takes its place for the one offering of `platform`.
    pub(crate) async fn replace(platform: &Platform) -> Self {
        let file = platform.dev_file().unwrap();
        let service = file.nodes.first().unwrap().service.clone();
        platform.control().unwrap().stop("node-1").await.unwrap();
        let client = connect(platform).await;
        let requests = client.subscribe(format!("{service}.*.node-1")).await.unwrap();
        let stand_in = Self { client, service, requests };
        stand_in.round_trip().await;
        stand_in
    }

    /// What was published is with the server.
    pub(crate) async fn round_trip(&self) {
        let nobody = self.client.request("tenon.nobody", "".into()).await;
        assert!(nobody.is_err(), "somebody answered");
    }

    /// Announces the stand-in with room for a hundred, and waits until `platform`'s gateway knows.
    pub(crate) async fn announce(&self, platform: &Platform) {
        let file = platform.dev_file().unwrap();
        let node = file.nodes.first().unwrap();
        let body = json!({
            "available_capacity": 100, "max_capacity": 100, "capacity_unit": 1, "id": "node-1",
            "plan": node.plan, "supported_versions": node.versions,
        });
        self.publish("node-1", &body.to_string()).await;
        knows(platform, "node-1").await;
    }

    /// Publishes `payload` as an announcement of `node`.
    pub(crate) async fn publish(&self, node: &str, payload: &str) {
        let subject = format!("{}.announce.{node}", self.service);
        self.client.publish(subject, payload.to_owned().into()).await.unwrap();
        self.round_trip().await;
    }

    /// The next request of this kind; others are passed over.
    pub(crate) async fn next(&mut self, operation: &str) -> Message {
        let subject = format!("{}.{operation}.node-1", self.service);
        let next = async {
            loop {
                let message = self.requests.next().await.expect("the bus stays");
                if message.subject.as_str() == subject {
                    return message;
                }
            }
        };
        let next = timeout(REQUEST_DEADLINE, next).await;
        next.unwrap_or_else(|_late| panic!("{subject} did not come"))
    }

    /// Answers `request` with `payload`.
    pub(crate) async fn reply(&self, request: &Message, payload: &Value) {
        let reply = request.reply.clone().expect("it asks for an answer");
        self.client.publish(reply, payload.to_string().into()).await.unwrap();
        self.round_trip().await;
    }
}

/// Connects as the gateway does.
pub(crate) async fn connect(platform: &Platform) -> Client {
    let nats = platform.dev_file().unwrap().nats;
    let password = nats.password.reveal().to_owned();
    let options = ConnectOptions::with_user_and_password(nats.user, password);
    options.connect(&nats.url).await.unwrap()
}

/// Ids of the nodes that the first gateway places on.
pub(crate) async fn nodes(platform: &Platform) -> Vec<String> {
    let admin = platform.dev_file().unwrap().admin;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}/nodes", admin.url)).bearer_auth(admin.token.reveal());
    let view: Value = request.send().await.unwrap().json().await.unwrap();
    let nodes = view.as_array().unwrap().iter();
    nodes.map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the first gateway knows `node`.
pub(crate) async fn knows(platform: &Platform, node: &str) {
    wait_until("the gateway knows the node", REQUEST_DEADLINE, async || {
        nodes(platform).await.contains(&node.to_owned()).then_some(())
    })
    .await
    .unwrap();
}

/// Waits until the first gateway knows `node` no more.
pub(crate) async fn forgets(platform: &Platform, node: &str) {
    wait_until("the gateway forgets the node", REQUEST_DEADLINE, async || {
        (!nodes(platform).await.contains(&node.to_owned())).then_some(())
    })
    .await
    .unwrap();
}
