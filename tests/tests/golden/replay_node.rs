//! The original gateway's part: asks our node what it asked its own.

use std::time::Duration;

use super::compare::Learned;
use super::differences::{Declared, OF_MOVING_NODES, OF_THE_NODE, value};
use super::recording::{NodeExchange, Part, Recording};
use super::rig::{Peers, Rig, SECOND_NODE};
use super::steps::{ASKED_NODES, LIFE, MOVE};

/// The original was silent for as long; ours answers in a fraction of it.
const SILENCE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_original_gateway_finds_our_node_as_it_found_its_own() {
    let mut rig = Rig::start().await;
    let first = rig.start_node(Peers::Original).await;
    let mut declared = Declared::new(OF_THE_NODE);
    let mut unlike = Vec::new();

    let part = Recording::V1.part(LIFE);
    let announced = part.announcements().into_iter().next().expect("the first one");
    unlike.extend(Learned::default().compare(&value(&announced), &value(&first)));
    for (recording, steps) in ASKED_NODES {
        let part = recording.part(steps);
        unlike.extend(replay(&rig, &part, &mut Learned::default(), &mut declared).await);
    }
    unlike.extend(declared.unmet());
    assert!(unlike.is_empty(), "\n{}\n{}", unlike.join("\n"), rig.logs());
}

/// The original moved an instance between two nodes; ours are asked for the same.
#[tokio::test]
async fn an_original_gateway_moves_an_instance_between_our_nodes() {
    let mut rig = Rig::start().await;
    rig.start_node(Peers::Original).await;
    let mut learned = Learned::default();
    let mut unlike = Vec::new();
    // What is otherwise before the move is the other test's.
    replay(&rig, &Recording::V1.part(LIFE), &mut learned, &mut Declared::new(OF_THE_NODE)).await;

    let second = rig.start_node_as(&SECOND_NODE, Peers::Original).await;
    let announced = Recording::V1.part(&["node2.start"]).announcements();
    let announced = announced.into_iter().next().expect("it announced itself");
    unlike.extend(Learned::default().compare(&value(&announced), &value(&second)));
    let mut declared = Declared::new(OF_MOVING_NODES);
    unlike.extend(replay(&rig, &Recording::V1.part(MOVE), &mut learned, &mut declared).await);
    unlike.extend(declared.unmet());
    assert!(unlike.is_empty(), "\n{}\n{}", unlike.join("\n"), rig.logs());
}

/// Asks what the original gateway asked, and returns what was answered otherwise.
pub(crate) async fn replay(
    rig: &Rig,
    part: &Part,
    learned: &mut Learned,
    declared: &mut Declared,
) -> Vec<String> {
    let mut unlike = Vec::new();
    for exchange in part.node_exchanges() {
        let payload = learned.translate(&exchange.payload);
        let ours = ask(rig, &exchange, payload).await;
        let found = match (exchange.reply.as_deref(), &ours) {
            (Some(original), Some(ours)) => {
                let instead = declared.instead(&exchange.payload, original);
                learned.compare(&value(instead.unwrap_or(original)), &value(ours))
            }
            (None, None) => Vec::new(),
            (original, ours) => vec![format!("{original:?} became {ours:?}")],
        };
        let tell =
            |field| format!("{} {} {}: {field}", exchange.step, exchange.subject, exchange.payload);
        unlike.extend(found.into_iter().map(tell));
    }
    unlike
}

/// The node's answer; `None` when there is none.
async fn ask(rig: &Rig, exchange: &NodeExchange, payload: String) -> Option<String> {
    let patience = if exchange.reply.is_some() { PATIENCE } else { SILENCE };
    let request = async_nats::Request::new().payload(payload.into()).timeout(Some(patience));
    let reply = rig.bus.send_request(exchange.subject.clone(), request).await.ok()?;
    String::from_utf8(reply.payload.to_vec()).ok()
}
