//! Our gateway between a v1 cloud controller and nodes of 2013: what they do is in the recording.

use std::time::Duration;

use serde_json::Value;
use tenon_tests::wait_until;

use super::cloud_controller::CloudController;
use super::compare::Learned;
use super::differences::{Declared, value};
use super::gateway_client::GatewayClient;
use super::original_node::OriginalNode;
use super::recording::{HttpExchange, NodeExchange};
use super::rig::{Peers, Rig};

/// The gateway tells the cloud controller of its offering by then.
const OFFER_DEADLINE: Duration = Duration::from_secs(60);

/// Everything that one test needs.
pub(crate) struct Stage {
    pub(crate) rig: Rig,
    pub(crate) node: OriginalNode,
    pub(crate) gateway: GatewayClient,
    pub(crate) cloud_controller: CloudController,
}

impl Stage {
    /// Starts it all.
    pub(crate) async fn set() -> Self {
        Self::set_beside(CloudController::start().await).await
    }

    /// The same, beside a cloud controller that is there.
    pub(crate) async fn set_beside(cloud_controller: CloudController) -> Self {
        let mut rig = Rig::start().await;
        let node = OriginalNode::start(&rig).await;
        let announced = rig.listen("MyaaS.announce").await;
        let url = rig.start_gateway(&cloud_controller.url, Peers::Original);
        let gateway = GatewayClient::of(url, &rig, announced).await;
        // That the node sent it does not say that the gateway has read it. This does: p37.
        let offered = wait_until("the offering is told", OFFER_DEADLINE, async || {
            cloud_controller.heard("POST", "/services/v1/offerings").pop()
        });
        offered.await.unwrap_or_else(|error| panic!("{error}\n{}", rig.logs()));
        Self { rig, node, gateway, cloud_controller }
    }

    /// Asks our gateway what the original was asked, lets the nodes answer it as they answered the
    /// original, and returns what was otherwise and is not declared.
    pub(crate) async fn replay(
        &self,
        exchange: &HttpExchange,
        learned: &mut Learned,
        declared: &mut Declared,
    ) -> Vec<String> {
        let recorded = exchange.answer();
        let instead = declared.instead(&exchange.name(), &recorded);
        let of_ours = |mut command: NodeExchange| {
            command.reply = command.reply.map(|reply| learned.translate(&reply));
            command
        };
        // What it answers otherwise by itself is not asked of a node.
        let commands = if instead.is_some() { Vec::new() } else { exchange.commands.clone() };
        self.node.expect(commands.into_iter().map(of_ours));
        let ours = self.gateway.ask(exchange, learned).await;
        let mut found = learned.compare_answers(instead.unwrap_or(&recorded), &ours);
        self.node.has_heard_all().await;
        for (command, payload) in self.node.came() {
            let instead = declared.instead(&command.subject, &command.payload);
            let expected = in_order(value(instead.unwrap_or(&command.payload)));
            let fields = learned.compare(&expected, &in_order(value(&payload)));
            found.extend(fields.into_iter().map(|field| format!("{}{field}", command.subject)));
        }
        found.extend(self.node.unlike());
        let tell = |field| format!("{} {}: {field}", exchange.step, exchange.name());
        found.into_iter().map(tell).collect()
    }
}

/// Handles and credentials have no order: they are sorted by their user, which the node chose.
fn in_order(value: Value) -> Value {
    fn user(item: &Value) -> Option<String> {
        let credentials = item.get("credentials").unwrap_or(item);
        credentials.get("user")?.as_str().map(str::to_owned)
    }
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(in_order).collect();
            if items.iter().all(|item| user(item).is_some()) {
                items.sort_by_key(user);
            }
            Value::Array(items)
        }
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, in_order(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
