//! Asks nodes, and tells what is certain afterwards.
//!
//! Speaks NATS. Takes no decision: a timeout is "unknown" here, whatever it means elsewhere.

use std::error::Error;
use std::time::Duration;

use async_nats::client::Request;
use async_nats::{HeaderMap, RequestErrorKind};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenon_protocol::chain;
use tenon_protocol::message::{CredentialsReply, Object, Reply};
use tenon_protocol::order::header;
use tenon_protocol::{Fault, Order, StoreEpoch};

use crate::config::Peers;
use crate::nats::Connection;
use crate::patience::Patience;

/// A subscription takes a moment to be known: "nobody" is asked once more after this.
const NOBODY_PAUSE: Duration = Duration::from_millis(50);
/// Pause before a request that could not be sent is tried again.
const AWAY_PAUSE: Duration = Duration::from_millis(100);

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
    /// It was not sent: the bus takes none that is so long.
    #[error("the request to {0} is too long")]
    TooLong(String),
    /// It cannot be sent as it is.
    #[error("the request to {subject} cannot be sent")]
    Unsendable {
        subject: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
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

impl<B> Command<'_, B> {
    const fn repeats(&self) -> Repeats {
        match self.peers {
            Peers::Native => Repeats::Due,
            Peers::Original => Repeats::Never,
        }
    }
}

/// Whether a command that may be under way is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    Never,
    Due,
    Done,
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
    /// The records behind its commands, for nodes to notice when they become others.
    store: Option<StoreEpoch>,
}

impl Bus {
    /// Asks over `connection`.
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection, store: None }
    }

    /// The same, speaking for the records of `epoch`.
    pub(crate) fn with_store(self, epoch: StoreEpoch) -> Self {
        Self { store: Some(epoch), ..self }
    }

    /// Whether nodes can be asked now.
    pub(crate) fn is_up(&self) -> bool {
        self.connection.is_up()
    }

    /// The connection itself, for subscriptions.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Bytes of the longest message that the bus takes.
    pub(crate) fn max_payload(&self) -> usize {
        self.connection.client.server_info().max_payload
    }

    /// Gives a command to a node, and takes the first answer to any attempt while `patience` lasts.
    /// After half of it the command is repeated, in case it was lost: our nodes do it once. Original
    /// nodes would do it twice, they are told once.
    pub(crate) async fn command<B: Serialize, E: Envelope>(
        &self,
        command: &Command<'_, B>,
        patience: Patience,
    ) -> Answer<E::Content> {
        let mut under_way = FuturesUnordered::new();
        under_way.push(self.attempt::<B, E>(command, Inbox::Shared, patience));
        let mut repeat = std::pin::pin!(tokio::time::sleep(patience.left() / 2));
        let mut repeats = command.repeats();
        let mut heard_nobody = false;
        loop {
            let result = tokio::select! {
                Some(result) = under_way.next() => result,
                () = repeat.as_mut(), if repeats == Repeats::Due => {
                    repeats = Repeats::Done;
                    under_way.push(self.attempt(command, Inbox::Own, patience));
                    continue;
                }
                else => return Answer::Silent,
            };
            let pause = match result {
                Ok(envelope) => return open(envelope),
                // Certain: there was no attempt besides, and there is none under way.
                Err(BusError::Nobody(_)) if heard_nobody && repeats != Repeats::Done => {
                    return Answer::Nobody;
                }
                Err(BusError::Nobody(_)) => {
                    heard_nobody = true;
                    NOBODY_PAUSE
                }
                Err(BusError::Away) => AWAY_PAUSE,
                Err(BusError::TimedOut(_)) => continue,
                Err(BusError::TooLong(_)) => {
                    let instance = command.order.instance.as_str();
                    return Answer::Refused(Fault::message_too_long(instance));
                }
                Err(error @ (BusError::Unsendable { .. } | BusError::Garbled { .. })) => {
                    tracing::error!(error = %chain(&error), "a node was asked in vain");
                    return Answer::Refused(Fault::internal());
                }
            };
            patience.pause(pause).await;
            if !patience.is_over() {
                under_way.push(self.attempt(command, Inbox::Own, patience));
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
        let mut request = Request::new().payload(payload).timeout(Some(patience.left()));
        if command.peers == Peers::Native {
            request = request.headers(self.headers(command.order));
        }
        self.send(&command.subject, request, inbox).await
    }

    fn headers(&self, order: &Order) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in order.to_headers() {
            headers.insert(name, value);
        }
        if let Some(epoch) = &self.store {
            headers.insert(header::STORE, epoch.as_str());
        }
        headers
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
                    RequestErrorKind::MaxPayloadExceeded => BusError::TooLong(subject_of()),
                    RequestErrorKind::InvalidSubject | RequestErrorKind::Other => {
                        BusError::Unsendable { subject: subject_of(), source: error.into() }
                    }
                });
            }
        };
        serde_json::from_slice(&reply.payload)
            .map_err(|source| BusError::Garbled { subject: subject_of(), source })
    }
}

fn open<E: Envelope>(envelope: E) -> Answer<E::Content> {
    match envelope.open() {
        Ok(content) => Answer::Done(content),
        Err(fault) => Answer::Refused(fault),
    }
}

fn encode<B: Serialize>(subject: &str, body: &B) -> Result<Bytes, BusError> {
    let payload = serde_json::to_vec(body).map_err(|error| BusError::Unsendable {
        subject: subject.to_owned(),
        source: error.into(),
    })?;
    Ok(payload.into())
}
