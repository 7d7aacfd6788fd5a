//! Listens to what nodes announce.
//!
//! Takes a node's id from its subject; from the body only where the operator says that the peers
//! are original ones, whose shared subject cannot tell who sent.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Message;
use futures_util::StreamExt;
use tenon_protocol::chain;
use tenon_protocol::complaints::Complaints;
use tenon_protocol::subject;
use tokio_util::sync::CancellationToken;

use super::Nodes;
use super::announced::{self, Announced, Wrong};
use crate::bus::Bus;
use crate::config::{OfferingConfig, Peers};

/// Pause before a broken subscription is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens to the nodes of `offering` until `stop`.
pub(crate) async fn listen(
    nodes: Nodes,
    offering: Arc<OfferingConfig>,
    bus: Bus,
    stop: CancellationToken,
) {
    let listening = async {
        loop {
            if let Err(error) = listen_once(&nodes, &offering, &bus).await {
                tracing::warn!(error = %chain(error.as_ref()), service = %offering.service, "cannot listen to nodes");
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = listening => {}
    }
}

async fn listen_once(
    nodes: &Nodes,
    offering: &OfferingConfig,
    bus: &Bus,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let client = &bus.connection().client;
    let mut connects = bus.connection().connects.clone();
    let mut announcements = client.subscribe(subject_of(offering)).await?;
    let mut told = Told::default();
    discover(offering, bus).await;
    loop {
        tokio::select! {
            message = announcements.next() => match message {
                Some(message) => take(nodes, offering, &message, &mut told),
                None => return Err("the subscription ended".into()),
            },
            // Whoever came while this gateway was away is asked to say so.
            changed = connects.changed() => {
                changed?;
                discover(offering, bus).await;
            }
        }
    }
}

fn subject_of(offering: &OfferingConfig) -> String {
    match offering.peers {
        Peers::Native => subject::announce_all(&offering.service),
        Peers::Original => subject::announce_shared(&offering.service),
    }
}

/// What was told of whom: by kind, because the words of a kind may be others each time.
type Told = Complaints<(String, Discriminant<Wrong>)>;

fn is_news(told: &mut Told, sender: &str, wrong: &Wrong, now: Instant) -> bool {
    told.is_due((sender.to_owned(), discriminant(wrong)), now)
}

/// Asks all nodes to announce themselves, once the subscription is surely known to the server.
async fn discover(offering: &OfferingConfig, bus: &Bus) {
    // A flush only writes: an answer, "nobody" too, shows that the server has read this far.
    let answer: Result<serde_json::Value, _> = bus.ask("tenon.nobody", &(), PAUSE).await;
    tracing::debug!(?answer, "round trip before discover");
    let told = bus.tell(subject::discover(&offering.service), bytes::Bytes::new()).await;
    if let Err(error) = told {
        tracing::debug!(error = %chain(&error), "nodes were not asked to announce themselves");
    }
}

fn take(nodes: &Nodes, offering: &OfferingConfig, message: &Message, told: &mut Told) {
    let (subject, payload) = (message.subject.as_str(), &message.payload);
    match announced::read(offering.peers, subject, payload) {
        Ok(Announced { node, announcement }) if announcement.closing => {
            tracing::info!(service = %offering.service, %node, "node takes nothing more");
            nodes.forget(&offering.service, &node);
        }
        Ok(Announced { node, announcement }) => {
            nodes.heard(&offering.service, &node, announcement, offering.forget_node);
        }
        Err(wrong) => {
            let sender = announced::sender(offering.peers, subject, payload);
            if is_news(told, &sender, &wrong, Instant::now()) {
                let (service, wrong) = (&offering.service, wrong.to_string());
                tracing::warn!(%service, sender, wrong, "an announcement is ignored");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p16_what_is_wrong_in_other_words_each_time_is_told_once() {
        let (mut told, now) = (Told::default(), Instant::now());
        let mut is_news = |sender: &str, wrong: Wrong| is_news(&mut told, sender, &wrong, now);
        assert!(is_news("n1", Wrong::Unreadable("at column 1".to_owned())));
        for column in 2..100 {
            assert!(!is_news("n1", Wrong::Unreadable(format!("at column {column}"))));
        }
        assert!(is_news("n1", Wrong::TooLong(70_000)) && !is_news("n1", Wrong::TooLong(70_001)));
        assert!(is_news("n2", Wrong::Unreadable("at column 1".to_owned())));
    }
}
