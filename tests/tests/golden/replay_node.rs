//! The original gateway's part: asks our node what it asked its own.

use std::time::Duration;

use super::compare::Learned;
use super::differences::{Declared, OF_THE_NODE, value};
use super::recording::{NodeExchange, Recording};
use super::rig::{Peers, Rig};
use super::steps::{ASKED_NODES, LIFE};

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
        let mut learned = Learned::default();
        for exchange in recording.part(steps).node_exchanges() {
            let payload = learned.translate(&exchange.payload);
            let ours = ask(&rig, &exchange, payload).await;
            let found = match (exchange.reply.as_deref(), &ours) {
                (Some(original), Some(ours)) => {
                    let instead = declared.instead(&exchange.payload, original);
                    learned.compare(&value(instead.unwrap_or(original)), &value(ours))
                }
                (None, None) => Vec::new(),
                (original, ours) => vec![format!("{original:?} became {ours:?}")],
            };
            let tell = |field| format!("{} {}: {field}", exchange.step, exchange.payload);
            unlike.extend(found.into_iter().map(tell));
        }
    }
    unlike.extend(declared.unmet());
    assert!(unlike.is_empty(), "\n{}\n{}", unlike.join("\n"), rig.logs());
}

/// The node's answer; `None` when there is none.
async fn ask(rig: &Rig, exchange: &NodeExchange, payload: String) -> Option<String> {
    let patience = if exchange.reply.is_some() { PATIENCE } else { SILENCE };
    let request = async_nats::Request::new().payload(payload.into()).timeout(Some(patience));
    let reply = rig.bus.send_request(exchange.subject.clone(), request).await.ok()?;
    String::from_utf8(reply.payload.to_vec()).ok()
}
