//! The v1 cloud controller's part: asks our gateway what it asked the original, and hears what the
//! gateway says by itself, to the cloud controller and to the node.

use super::cloud_controller::CloudController;
use super::compare::Learned;
use super::differences::{Declared, OF_NOTICES, OF_THE_GATEWAY};
use super::gateway_client::GatewayClient;
use super::recording::{Caller, HttpExchange, Recording};
use super::rig::{Peers, Rig};
use super::steps::{LIFE, STOP};

#[tokio::test]
async fn a_cloud_controller_finds_our_gateway_as_it_found_the_original() {
    let mut rig = Rig::start().await;
    rig.start_node(Peers::Native).await;
    let cloud_controller = CloudController::start().await;
    let announced = rig.listen("MyaaS.announce.*").await;
    let gateway = rig.start_gateway(&cloud_controller.url, Peers::Native);
    let gateway = GatewayClient::of(gateway, &rig, announced).await;
    let mut commands = rig.listen("MyaaS.*.mysql_node_free_1").await;

    let mut replay = Replay::new();
    let part = Recording::V1.part(LIFE);
    let mut notices = Declared::new(OF_NOTICES);
    for said in part.http_exchanges(Caller::Gateway) {
        let found = cloud_controller.compare(&said, &mut replay.learned, &mut notices).await;
        replay.unlike.extend(found);
    }
    for exchange in part.http_exchanges(Caller::CloudController) {
        let ours = gateway.ask(&exchange, &replay.learned).await;
        let sent = rig.commands(&mut commands).await;
        let found = match replay.answer(&exchange, &ours) {
            Outcome::AsRecorded => replay.learned.compare_commands(&exchange.commands, &sent),
            Outcome::Otherwise => Vec::new(),
        };
        replay.found(&exchange, found);
    }
    rig.stop_gateway().await;
    for said in Recording::V1.part(STOP).http_exchanges(Caller::Gateway) {
        let found = cloud_controller.compare(&said, &mut replay.learned, &mut notices).await;
        replay.unlike.extend(found);
    }
    replay.unlike.extend(replay.declared.unmet());
    replay.unlike.extend(notices.unmet());
    assert!(replay.unlike.is_empty(), "\n{}\n{}", replay.unlike.join("\n"), rig.logs());
}

/// Whether we are to do what the original did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    AsRecorded,
    Otherwise,
}

/// What is known so far, and what was found.
struct Replay {
    learned: Learned,
    declared: Declared,
    unlike: Vec<String>,
}

impl Replay {
    fn new() -> Self {
        Self {
            learned: Learned::default(),
            declared: Declared::new(OF_THE_GATEWAY),
            unlike: Vec::new(),
        }
    }

    /// What the gateway answered, as status and body.
    fn answer(&mut self, exchange: &HttpExchange, ours: &str) -> Outcome {
        let recorded = exchange.answer();
        let instead = self.declared.instead(&exchange.name(), &recorded);
        let found = self.learned.compare_answers(instead.unwrap_or(&recorded), ours);
        self.found(exchange, found);
        if instead.is_some() { Outcome::Otherwise } else { Outcome::AsRecorded }
    }

    fn found(&mut self, exchange: &HttpExchange, found: Vec<String>) {
        let tell = |field| format!("{} {}: {field}", exchange.step, exchange.name());
        self.unlike.extend(found.into_iter().map(tell));
    }
}
