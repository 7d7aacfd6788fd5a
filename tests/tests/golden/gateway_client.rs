//! Asks our gateway over HTTP what was recorded, byte by byte.

use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use reqwest::{Client, Method};
use tenon_tests::wait_until;
use tokio::time::timeout;

use super::compare::Learned;
use super::recording::HttpExchange;
use super::rig::Rig;

const START_DEADLINE: Duration = Duration::from_secs(60);
/// The headers that make a difference.
const HEADERS: [&str; 2] = ["content-type", "x-vcap-service-token"];

/// A client of one gateway.
pub(crate) struct GatewayClient {
    http: Client,
    url: String,
}

impl GatewayClient {
    /// Waits until the gateway at `url` answers, and has heard a node on `announced`.
    pub(crate) async fn of(url: String, rig: &Rig, mut announced: Subscriber) -> Self {
        // An error says that one is installed already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = Client::builder().no_proxy().build().expect("a client");
        let answers = wait_until("the gateway answers", START_DEADLINE, async || {
            let request = http.get(&url).header("content-type", "application/json");
            let request = request.header("x-vcap-service-token", "0xdeadbeef");
            let response = request.send().await.ok()?;
            (response.status() != 503).then_some(())
        });
        answers.await.unwrap_or_else(|error| panic!("{error}\n{}", rig.logs()));
        // It listens since before it answered: it hears the node now, if not before.
        rig.bus.publish("MyaaS.discover", "".into()).await.expect("the bus is there");
        let announced = timeout(START_DEADLINE, announced.next()).await;
        assert!(matches!(announced, Ok(Some(_))), "{}", rig.logs());
        Self { http, url }
    }

    /// Status and body of our gateway's answer, which must be JSON.
    pub(crate) async fn ask(&self, exchange: &HttpExchange, learned: &Learned) -> String {
        let recorded = &exchange.request;
        let method: Method = recorded.method.parse().expect("a method");
        let url = format!("{}{}", self.url, learned.translate(&recorded.path));
        let mut request = self.http.request(method, url).body(learned.translate(&recorded.body));
        for name in HEADERS {
            if let Some(value) = recorded.header(name) {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.expect("the gateway answers");
        let kind = response.headers().get("content-type").cloned();
        assert_eq!(kind.expect("a type"), "application/json", "{}", exchange.name());
        let status = response.status().as_u16();
        format!("{status} {}", response.text().await.expect("a whole body"))
    }
}
