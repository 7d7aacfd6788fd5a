//! One process only is node N of an offering (P19): whoever starts asks whether another one is it
//! already, and whoever serves asks from time to time.
//!
//! Nothing is stored: a node that was killed can start again at once, because it answers no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::{NodeId, OperationId, ServiceName, subject};
use tokio_util::sync::CancellationToken;

use crate::bus::BusError;
use crate::offering::Offering;

/// Whoever is there answers within this time.
const ANSWER: Duration = Duration::from_millis(500);

/// Pause before a start that found somebody asks again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a start waits for a process that is just stopping.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a process that serves asks.
const AGAIN: Duration = Duration::from_secs(30);

/// One process, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Claim {
    // Compared in this order: who serves stays, then who came first.
    standing: Standing,
    since: Millis,
    epoch: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Serving,
    Starting,
}

impl Claim {
    /// Whether it is kept when `other` claims the same.
    fn outranks(&self, other: &Self) -> bool {
        self.epoch != other.epoch && self < other
    }
}

/// This process is that node.
pub(crate) struct Identity {
    service: ServiceName,
    node: NodeId,
    claim: Claim,
    asked: Subscriber,
}

impl Identity {
    /// Claims to be the node of `offering`; waits for a predecessor that is stopping.
    ///
    /// # Errors
    ///
    /// [`BusError::Taken`] when another process is it, and stays.
    pub(crate) async fn claim(client: &Client, offering: &Offering) -> Result<Self, BusError> {
        let (service, node) = (offering.service().clone(), offering.node().clone());
        let subject = subject::identity(&service, &node);
        let asked = client.subscribe(subject.clone()).await;
        let asked = asked.map_err(|source| BusError::Subscribe { subject, source })?;
        let claim = Claim {
            standing: Standing::Starting,
            since: Millis::now(),
            epoch: OperationId::random().to_string(),
        };
        let mut identity = Self { service, node, claim, asked };
        let begun = tokio::time::Instant::now();
        while let Some(other) = identity.ask(client).await {
            if begun.elapsed() > PATIENCE {
                return Err(identity.taken(&other));
            }
            let (service, node) = (&identity.service, &identity.node);
            tracing::warn!(%service, %node, since = other.since.to_ruby(), "another process is it");
            tokio::time::sleep(PAUSE).await;
        }
        identity.claim.standing = Standing::Serving;
        Ok(identity)
    }

    /// Answers whoever claims the same, until `stop`; stops the node if another one was first, and
    /// says so in `lost`.
    pub(crate) async fn hold(
        mut self,
        client: Client,
        stop: CancellationToken,
        lost: Arc<AtomicBool>,
    ) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                message = self.asked.next() => match message {
                    Some(message) => self.answer(&client, message).await,
                    None => return,
                },
                () = tokio::time::sleep(AGAIN) => {
                    if let Some(other) = self.ask(&client).await {
                        tracing::error!(error = %chain(&self.taken(&other)), "this process is not the node");
                        lost.store(true, Ordering::Relaxed);
                        stop.cancel();
                    }
                }
            }
        }
    }

    fn taken(&self, other: &Claim) -> BusError {
        BusError::Taken {
            service: self.service.to_string(),
            node: self.node.to_string(),
            since: other.since.to_ruby(),
        }
    }

    /// Who else is this node, and outranks this process.
    async fn ask(&mut self, client: &Client) -> Option<Claim> {
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.ok()?;
        let claim = serde_json::to_vec(&self.claim).unwrap_or_default();
        let subject = subject::identity(&self.service, &self.node);
        client.publish_with_reply(subject, inbox, claim.into()).await.ok()?;
        let waited = tokio::time::sleep(ANSWER);
        let mut waited = std::pin::pin!(waited);
        loop {
            tokio::select! {
                () = waited.as_mut() => return None,
                answer = answers.next() => {
                    let other: Option<Claim> = serde_json::from_slice(&answer?.payload).ok();
                    let other = other.filter(|other| other.outranks(&self.claim));
                    if other.is_some() {
                        return other;
                    }
                }
                // Two that start at once hear each other.
                message = self.asked.next() => self.answer(client, message?).await,
            }
        }
    }

    async fn answer(&self, client: &Client, message: Message) {
        let Ok(other) = serde_json::from_slice::<Claim>(&message.payload) else { return };
        let Some(reply) = message.reply.filter(|_| self.claim.outranks(&other)) else { return };
        let claim = serde_json::to_vec(&self.claim).unwrap_or_default();
        if let Err(error) = client.publish(reply, claim.into()).await {
            tracing::error!(error = %chain(&error), "another process was not told that this one is the node");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(standing: Standing, since: u64, epoch: &str) -> Claim {
        Claim { standing, since: Millis::from_millis(since), epoch: epoch.to_owned() }
    }

    #[test]
    fn p19_of_two_processes_exactly_one_is_the_node() {
        use Standing::{Serving, Starting};
        let ranked = [
            claim(Serving, 3, "c"),
            claim(Serving, 4, "a"),
            claim(Starting, 1, "d"),
            claim(Starting, 2, "e"),
            claim(Starting, 2, "f"),
        ];
        for (higher, one) in ranked.iter().enumerate() {
            for (lower, other) in ranked.iter().enumerate() {
                assert_eq!(one.outranks(other), higher < lower, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn p19_a_process_does_not_give_way_to_itself() {
        let starting = claim(Standing::Starting, 1, "a");
        assert!(!claim(Standing::Serving, 1, "a").outranks(&starting));
    }
}
