//! The v1 cloud controller's part: asks our gateway what it asked the original, and hears what the
//! gateway says by itself, to the cloud controller and to the node.

use std::time::Duration;

use async_nats::Message;
use futures_util::{FutureExt, StreamExt};
use tenon_tests::wait_until;

use super::cloud_controller::CloudController;
use super::compare::Learned;
use super::differences::{Declared, OF_THE_GATEWAY, value};
use super::gateway_client::GatewayClient;
use super::recording::{Caller, HttpExchange, Recording};
use super::rig::{Peers, Rig};
use super::steps::{LIFE, STOP};

/// The gateway tells the cloud controller of its offering by then.
const NOTICE_DEADLINE: Duration = Duration::from_secs(60);

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
    for exchange in part.http_exchanges(Caller::Gateway) {
        replay.notice(&exchange, &cloud_controller).await;
    }
    for exchange in part.http_exchanges(Caller::CloudController) {
        let ours = gateway.ask(&exchange, &replay.learned).await;
        // The bus keeps the order: what was sent before this came is heard by now.
        rig.round_trip().await;
        let mut sent = Vec::new();
        while let Some(Some(message)) = commands.next().now_or_never() {
            sent.push(message);
        }
        if replay.answer(&exchange, &ours) == Outcome::AsRecorded {
            replay.commands(&exchange, &sent);
        }
    }
    rig.stop_gateway().await;
    for exchange in Recording::V1.part(STOP).http_exchanges(Caller::Gateway) {
        replay.notice(&exchange, &cloud_controller).await;
    }
    replay.unlike.extend(replay.declared.unmet());
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

    /// What the gateway told the cloud controller.
    async fn notice(&mut self, exchange: &HttpExchange, cloud_controller: &CloudController) {
        let recorded = &exchange.request;
        let name = format!("{} {}", recorded.method, recorded.path);
        let ours = wait_until(&name, NOTICE_DEADLINE, async || {
            let heard = cloud_controller.heard(&recorded.method, &recorded.path);
            heard.into_iter().find(|heard| heard.says_active() == recorded.says_active())
        });
        let ours = ours.await.expect("the gateway tells it soon");
        for header in ["content-type", "x-vcap-service-token"] {
            let (theirs, mine) = (recorded.header(header), ours.header(header));
            if theirs != mine {
                self.unlike.push(format!("{name}: {header}: {theirs:?} became {mine:?}"));
            }
        }
        let expected = self.declared.instead(&name, &recorded.body).unwrap_or(&recorded.body);
        let found = self.learned.compare(&value(expected), &value(&ours.body));
        self.unlike.extend(found.into_iter().map(|field| format!("{name}: {field}")));
    }

    /// What the gateway answered, as status and body.
    fn answer(&mut self, exchange: &HttpExchange, ours: &str) -> Outcome {
        let recorded = format!("{} {}", exchange.status, exchange.reply);
        let instead = self.declared.instead(&exchange.name(), &recorded);
        let (status, body) = instead.unwrap_or(&recorded).split_once(' ').unwrap_or_default();
        let (our_status, our_body) = ours.split_once(' ').unwrap_or_default();
        let mut found = self.learned.compare(&value(body), &value(our_body));
        if status != our_status {
            found.push(format!("{recorded} became {ours}"));
        }
        let tell = |field| format!("{} {}: {field}", exchange.step, exchange.name());
        self.unlike.extend(found.into_iter().map(tell));
        if instead.is_some() { Outcome::Otherwise } else { Outcome::AsRecorded }
    }

    /// What the gateway asked the node.
    fn commands(&mut self, exchange: &HttpExchange, sent: &[Message]) {
        let is_command = |message: &&Message| !message.subject.starts_with("MyaaS.announce");
        let sent: Vec<&Message> = sent.iter().filter(is_command).collect();
        let subjects: Vec<&str> = sent.iter().map(|message| message.subject.as_str()).collect();
        let expected: Vec<&str> =
            exchange.commands.iter().map(|command| command.subject.as_str()).collect();
        if subjects != expected {
            self.unlike.push(format!("{}: {expected:?} became {subjects:?}", exchange.name()));
        }
        for (recorded, ours) in exchange.commands.iter().zip(sent) {
            let ours = String::from_utf8_lossy(&ours.payload);
            let found = self.learned.compare(&value(&recorded.payload), &value(&ours));
            let tell = |field| format!("{} {}: {field}", exchange.step, recorded.subject);
            self.unlike.extend(found.into_iter().map(tell));
        }
    }
}
