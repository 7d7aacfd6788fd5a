//! Asks nodes, and tells what is certain afterwards.
//!
//! Speaks NATS. Takes no decision: a timeout is "unknown" here, whatever it means elsewhere.

use std::time::Duration;

use async_nats::client::Request;
use async_nats::{HeaderMap, RequestErrorKind};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenon_protocol::message::{CredentialsReply, Object, Reply};
use tenon_protocol::{Fault, Order};

use crate::config::Peers;
use crate::nats::Connection;
use crate::patience::Patience;

/// A subscription takes a moment to be known: "nobody" is asked once more after this.
const NOBODY_PAUSE: Duration = Duration::from_millis(50);
/// Pause before a request that could not be sent is tried again.
const AWAY_PAUSE: Duration = Duration::from_millis(100);
/// A first attempt waits at least this long, or half of what the caller waits.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BusError {
    /// It was not sent.
    #[error("the bus is away")]
    Away,
    /// Certain: nobody got it.
    #[error("nobody listens on {0}")]
    Nobody(String),
    /// Unknown: it may be under way, or done.
    #[error("no answer from {0} in time")]
    TimedOut(String),
    /// It cannot be sent as it is.
    #[error("the request to {subject} cannot be sent")]
    Unsendable {
        subject: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There was an answer.
    #[error("the answer from {subject} cannot be read")]
    Garbled {
        subject: String,
        #[source]
        source: serde_json::Error,
    },
}

/// What is certain after a node was asked.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// It was done.
    Done(T),
    /// The node says that it was not.
    Refused(Fault),
    /// Nobody was asked: the node is gone.
    Nobody,
    /// Nothing is certain.
    Silent,
}

/// An envelope that a node answers in.
pub(crate) trait Envelope: DeserializeOwned {
    /// What it holds.
    type Content;
    /// Opens it.
    ///
    /// # Errors
    ///
    /// The node's error.
    fn open(self) -> Result<Self::Content, Fault>;
}

impl Envelope for Reply {
    type Content = ();
    fn open(self) -> Result<(), Fault> {
        self.into_result()
    }
}

impl Envelope for CredentialsReply {
    type Content = Object;
    fn open(self) -> Result<Object, Fault> {
        self.into_result()
    }
}

/// One command to one node.
pub(crate) struct Command<'a, B> {
    /// Where the node listens.
    pub(crate) subject: String,
    /// The classic body.
    pub(crate) body: &'a B,
    /// What rides in headers.
    pub(crate) order: &'a Order,
    /// Whether the node knows them.
    pub(crate) peers: Peers,
}

/// Where replies go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inbox {
    Shared,
    /// A request on the shared one that is never answered leaks a little (async-nats #1617).
    Own,
}

/// The connection for requests.
#[derive(Clone)]
pub(crate) struct Bus {
    connection: Connection,
}

impl Bus {
    /// Asks over `connection`.
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Whether nodes can be asked now.
    pub(crate) fn is_up(&self) -> bool {
        self.connection.is_up()
    }

    /// The connection itself, for subscriptions.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Gives a command to a node, and repeats it while nothing is certain and `patience` lasts.
    /// Original nodes would do it twice: they are asked once.
    pub(crate) async fn command<B: Serialize, E: Envelope>(
        &self,
        command: &Command<'_, B>,
        patience: Patience,
    ) -> Answer<E::Content> {
        let mut inbox = Inbox::Shared;
        let mut nobody = 0;
        loop {
            let attempt = self.attempt::<B, E>(command, inbox, patience).await;
            match attempt {
                Ok(envelope) => match envelope.open() {
                    Ok(content) => return Answer::Done(content),
                    Err(fault) => return Answer::Refused(fault),
                },
                Err(BusError::Nobody(_)) if nobody == 0 => {
                    nobody += 1;
                    patience.pause(NOBODY_PAUSE).await;
                }
                // Certain only as long as no earlier attempt is under way.
                Err(BusError::Nobody(_)) if inbox == Inbox::Shared => return Answer::Nobody,
                Err(BusError::Nobody(_) | BusError::Away) => patience.pause(AWAY_PAUSE).await,
                Err(BusError::TimedOut(_)) => inbox = Inbox::Own,
                Err(error @ (BusError::Unsendable { .. } | BusError::Garbled { .. })) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a node was asked in vain");
                    return Answer::Refused(Fault::internal());
                }
            }
            let once = command.peers == Peers::Original && inbox == Inbox::Own;
            if patience.is_over() || once {
                return Answer::Silent;
            }
        }
    }

    /// Asks whoever listens on `subject`, once.
    ///
    /// # Errors
    ///
    /// [`BusError`] tells what is certain.
    pub(crate) async fn ask<B: Serialize, A: DeserializeOwned>(
        &self,
        subject: &str,
        body: &B,
        time: Duration,
    ) -> Result<A, BusError> {
        let payload = encode(subject, body)?;
        self.send(subject, Request::new().payload(payload).timeout(Some(time)), Inbox::Own).await
    }

    /// Tells all who listen on `subject`.
    ///
    /// # Errors
    ///
    /// [`BusError::Away`] when nobody can be told.
    pub(crate) async fn tell(&self, subject: String, payload: Bytes) -> Result<(), BusError> {
        if !self.is_up() {
            return Err(BusError::Away);
        }
        let sent = self.connection.client.publish(subject.clone(), payload).await;
        sent.map_err(|error| BusError::Unsendable { subject, source: error.into() })
    }

    async fn attempt<B: Serialize, E: Envelope>(
        &self,
        command: &Command<'_, B>,
        inbox: Inbox,
        patience: Patience,
    ) -> Result<E, BusError> {
        let payload = encode(&command.subject, command.body)?;
        let time = match (command.peers, inbox) {
            (Peers::Native, Inbox::Shared) => (patience.left() / 2).max(SHORTEST_ATTEMPT),
            (Peers::Native, Inbox::Own) | (Peers::Original, _) => patience.left(),
        };
        let mut request = Request::new().payload(payload).timeout(Some(time.min(patience.left())));
        if command.peers == Peers::Native {
            request = request.headers(headers(command.order));
        }
        self.send(&command.subject, request, inbox).await
    }

    async fn send<A: DeserializeOwned>(
        &self,
        subject: &str,
        mut request: Request,
        inbox: Inbox,
    ) -> Result<A, BusError> {
        if !self.is_up() {
            return Err(BusError::Away);
        }
        let client = &self.connection.client;
        if inbox == Inbox::Own {
            request = request.inbox(client.new_inbox());
        }
        let subject_of = || subject.to_owned();
        let reply = match client.send_request(subject.to_owned(), request).await {
            Ok(reply) => reply,
            Err(error) => {
                return Err(match error.kind() {
                    RequestErrorKind::TimedOut => BusError::TimedOut(subject_of()),
                    RequestErrorKind::NoResponders => BusError::Nobody(subject_of()),
                    RequestErrorKind::InvalidSubject
                    | RequestErrorKind::MaxPayloadExceeded
                    | RequestErrorKind::Other => {
                        BusError::Unsendable { subject: subject_of(), source: error.into() }
                    }
                });
            }
        };
        serde_json::from_slice(&reply.payload)
            .map_err(|source| BusError::Garbled { subject: subject_of(), source })
    }
}

fn encode<B: Serialize>(subject: &str, body: &B) -> Result<Bytes, BusError> {
    let payload = serde_json::to_vec(body).map_err(|error| BusError::Unsendable {
        subject: subject.to_owned(),
        source: error.into(),
    })?;
    Ok(payload.into())
}

fn headers(order: &Order) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in order.to_headers() {
        headers.insert(name, value);
    }
    headers
}
