//! Other gateways of an offering: whoever leaves asks whether one stays, and tells when it has left.
//!
//! Nothing is stored: a gateway that was killed answers no more. Speaks NATS. What is told to the
//! platform is decided by `gateway/background/offer.rs`.

use std::time::Duration;

use async_nats::client::Request;
use async_nats::{Client, Message, RequestErrorKind, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tenon_protocol::chain;
use tenon_protocol::{ServiceName, subject};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Whoever serves answers within this time.
const ANSWER: Duration = Duration::from_secs(1);
/// Pause before a subscription that failed is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Who serves an offering when this gateway is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Another gateway, at least.
    Serve,
    /// Nobody who answers.
    None,
}

/// What gateways of one offering tell each other.
pub(crate) struct Siblings {
    client: Client,
    subject: String,
}

/// A gateway that answers whoever leaves.
pub(crate) struct Answering {
    client: Client,
    calls: Subscriber,
}

impl Siblings {
    /// Those that serve `service` too.
    pub(crate) fn of(client: &Client, service: &ServiceName) -> Self {
        Self { client: client.clone(), subject: subject::gateways(service) }
    }

    /// From now on this gateway counts as one that serves.
    pub(crate) async fn join(&self) -> Answering {
        loop {
            match self.client.subscribe(self.subject.clone()).await {
                Ok(calls) => return Answering { client: self.client.clone(), calls },
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "other gateways cannot ask this one")
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks who else serves. This gateway must have stopped to answer.
    pub(crate) async fn ask(&self) -> Others {
        let request = Request::new().timeout(Some(ANSWER));
        match self.client.send_request(self.subject.clone(), request).await {
            Ok(_answer) => Others::Serve,
            Err(error) => {
                if error.kind() != RequestErrorKind::NoResponders {
                    tracing::warn!(error = %chain(&error), "no other gateway could be asked whether it serves");
                }
                Others::None
            }
        }
    }

    /// Tells those that serve that this gateway has left, and will tell the platform nothing more.
    pub(crate) async fn tell_left(&self) {
        let told = self.client.publish(self.subject.clone(), Bytes::new()).await;
        if let Err(error) = told {
            tracing::debug!(error = %chain(&error), "other gateways were not told");
        }
        // The process ends soon, and what was not written until then is lost.
        match tokio::time::timeout(ANSWER, self.client.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = %chain(&error), "other gateways were not told");
            }
            Err(_elapsed) => tracing::debug!("other gateways were not told: the bus is slow"),
        }
    }
}

impl Answering {
    /// Answers until `stop`, and says in `left` when another gateway has left.
    pub(crate) async fn answer(mut self, left: &Notify, stop: &CancellationToken) {
        loop {
            tokio::select! {
                // A gateway that stops does not say that it serves.
                biased;
                () = stop.cancelled() => break,
                call = self.calls.next() => match call {
                    Some(call) => self.take(call, left).await,
                    None => break,
                },
            }
        }
        // Waited for: what is asked next is not to come back here.
        if let Err(error) = self.calls.unsubscribe().await {
            tracing::debug!(error = %chain(&error), "still asked whether it serves");
        }
    }

    async fn take(&self, call: Message, left: &Notify) {
        let Some(reply) = call.reply else { return left.notify_one() };
        if let Err(error) = self.client.publish(reply, Bytes::new()).await {
            tracing::debug!(error = %chain(&error), "a gateway that leaves was not answered");
        }
    }
}
