//! The v2 cloud controller's part: it asks our gateway what it asked the original, and hears what our
//! gateway asks it and its UAA. The node is ours, and both take each other for original ones.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::Message;
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tenon_tests::wait_until;

use super::catalog::{CatalogKeeper, path_of};
use super::compare::Learned;
use super::differences::{Declared, OF_THE_CATALOG, value};
use super::gateway_client::GatewayClient;
use super::recording::{Caller, HttpExchange, HttpRequest, Recording};
use super::rig::{Peers, Rig};

/// What is due to the cloud controller has come by then.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_v2_cloud_controller_finds_our_gateway_as_it_found_the_original() {
    let mut play = Play::begin().await;
    play.hears("startup").await;
    for step in ["provision", "bind", "unbind", "migration.instances"] {
        play.asks(step).await;
    }
    play.restart("gateway.restart").await;
    play.hears("gateway.restart").await;
    play.asks("bind.after_restart").await;
    // P9: what it does not know of an instance does not hide the instance.
    play.restart("handle.with_unknown_field").await;
    play.hears("handle.with_unknown_field").await;
    play.asks("handle.with_unknown_field").await;
    let mut looks = play.rig.listen("MyaaS.check_orphan").await;
    play.begin_step();
    play.asks("check_orphan").await;
    play.hears("check_orphan").await;
    let look = tokio::time::timeout(DEADLINE, looks.next()).await;
    let look = look.expect("nodes are asked").expect("the bus stays");
    assert_eq!(look.payload, "Send Me Handles");
    play.asks("purge_orphan").await;
    play.asks("unprovision.with_binding").await;
    play.survives_an_update().await;
    play.rig.stop_gateway().await;
    play.unlike.extend(play.declared.unmet());
    assert!(play.unlike.is_empty(), "\n{}\n{}", play.unlike.join("\n"), play.rig.logs());
}

struct Play {
    rig: Rig,
    keeper: CatalogKeeper,
    gateway: GatewayClient,
    port: u16,
    /// How many requests the cloud controller had heard when the step began.
    heard: usize,
    learned: Learned,
    declared: Declared,
    unlike: Vec<String>,
}

impl Play {
    async fn begin() -> Self {
        let mut rig = Rig::start().await;
        rig.start_node(Peers::Original).await;
        let keeper = CatalogKeeper::start().await;
        let (gateway, port) = start(&mut rig, &keeper, None).await;
        let mut learned = Learned::default();
        let own_url = json!({ "url": format!("http://127.0.0.1:{port}") });
        learned.compare(&json!({"url": "http://127.0.0.1:15001"}), &own_url);
        let declared = Declared::new(OF_THE_CATALOG);
        Self { rig, keeper, gateway, port, heard: 0, learned, declared, unlike: Vec::new() }
    }

    fn begin_step(&mut self) {
        self.heard = self.keeper.http.heard_since(0).len();
    }

    /// Stops the gateway, and starts one that knows nothing, as the original did after each stop.
    async fn restart(&mut self, step: &str) {
        self.begin_step();
        self.rig.stop_gateway().await;
        let jetstream = async_nats::jetstream::new(self.rig.bus.clone());
        let streams: Vec<String> = jetstream.stream_names().try_collect().await.expect("a list");
        for stream in streams {
            jetstream.delete_stream(stream).await.expect("it was there");
        }
        self.keeper.list(step, &self.learned);
        (self.gateway, _) = start(&mut self.rig, &self.keeper, Some(self.port)).await;
    }

    /// What our gateway asked cloud controller and UAA since the step began is what the original
    /// asked in it.
    async fn hears(&mut self, step: &str) {
        let mut expected = BTreeSet::new();
        for exchange in Recording::V2.part(&[step]).http_exchanges(Caller::Gateway) {
            let line = line(&exchange.request);
            let instead = self.declared.instead(step, &line).unwrap_or(&line);
            expected.insert(self.in_our_words(instead));
        }
        if let Some(besides) = self.declared.instead(step, "") {
            expected.insert(self.in_our_words(besides));
        }
        expected.remove("");
        let heard = || -> BTreeSet<String> {
            self.keeper.http.heard_since(self.heard).iter().map(line).collect()
        };
        let all = wait_until("it was all asked", DEADLINE, async || {
            heard().is_superset(&expected).then_some(())
        });
        all.await.ok();
        let heard = heard();
        let missing =
            expected.difference(&heard).map(|line| format!("{step}: {line} did not come"));
        let besides =
            heard.difference(&expected).map(|line| format!("{step}: {line} came besides"));
        self.unlike.extend(missing.chain(besides));
    }

    /// Asks our gateway what it was asked in `step`, and compares its answers and what it asked the
    /// node for them.
    async fn asks(&mut self, step: &str) {
        let mut commands = self.rig.listen("MyaaS.*.mysql_node_free_1").await;
        for exchange in Recording::V2.part(&[step]).http_exchanges(Caller::CloudController) {
            let ours = self.gateway.ask(&exchange, &self.learned).await;
            let sent = self.rig.commands(&mut commands).await;
            let found = self.compare(&exchange, &ours, &sent);
            let tell = |field| format!("{step} {}: {field}", exchange.name());
            self.unlike.extend(found.into_iter().map(tell));
        }
    }

    fn compare(&mut self, exchange: &HttpExchange, ours: &str, sent: &[Message]) -> Vec<String> {
        let recorded = exchange.answer();
        let instead = self.declared.instead(&exchange.name(), &recorded);
        let mut found = self.learned.compare_answers(instead.unwrap_or(&recorded), ours);
        // What it answers otherwise by itself is not asked of a node.
        let commands = if instead.is_some() { &[][..] } else { &exchange.commands };
        found.extend(self.learned.compare_commands(commands, sent));
        found
    }

    /// The original ended when it was told of a handle; ours says that it has no such.
    async fn survives_an_update(&self) {
        let gone = self.learned.translate("d96c5ffcfc14a4afaa8cec07445be2c9d");
        let handle = json!({
            "service_id": gone, "gateway_name": gone, "credentials": { "name": gone },
            "gateway_data": {},
        });
        let answer = self.rig.bus.request("MyaaS.update_service_handle", handle.to_string().into());
        assert_eq!(answer.await.expect("it answers").payload, "false");
    }

    fn in_our_words(&self, line: &str) -> String {
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let body = words.next().map(value).unwrap_or_default();
        if method.is_empty() {
            return String::new();
        }
        format!("{method} {} {}", self.learned.translate(path), self.learned.translate_value(&body))
    }
}

async fn start(rig: &mut Rig, keeper: &CatalogKeeper, port: Option<u16>) -> (GatewayClient, u16) {
    let announced = rig.listen("MyaaS.announce").await;
    let port = rig.start_gateway_v2(&keeper.http.url, port);
    let url = format!("http://127.0.0.1:{port}");
    (GatewayClient::of(url, rig, announced).await, port)
}

/// Method, path and body, the fields of which have an order.
fn line(request: &HttpRequest) -> String {
    let body = if request.body.is_empty() { Value::Null } else { value(&request.body) };
    format!("{} {} {body}", request.method, path_of(request))
}
