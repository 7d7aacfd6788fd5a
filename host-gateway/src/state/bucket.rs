//! One key-value bucket: read, compare-and-set, and list page by page.
//!
//! Uses the stream below the bucket: the key-value client of async-nats 0.51 loses time-to-live on
//! update, and reports some lost races as something else (reference/nats.md, section 1.4).

use std::collections::HashSet;
use std::error::Error as _;
use std::time::Duration;

use async_nats::jetstream::context::{Context, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{DirectGetErrorKind, LastRawMessageErrorKind, Stream};
use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use tenon_protocol::chain;

use super::StateError;

/// Beyond it a write or read is given up.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// `JetStream`'s codes for "somebody else was faster".
const LOST_RACE: [u64; 2] = [10_071, 10_164];
/// Headers by which clients mark a deleted key.
const DELETED: [&str; 2] = ["KV-Operation", "Nats-Marker-Reason"];
/// What stands there when nothing of the key is left.
const PURGED: &str = "PURGE";
/// Longer than anybody goes on with what was read.
const MARKER_LIFE: Duration = Duration::from_secs(24 * 3_600);
/// Where the reply to a direct get says what it is.
const SUBJECT: &str = "Nats-Subject";
const SEQUENCE: &str = "Nats-Sequence";
const TTL: &str = "Nats-TTL";
/// Status of the message that ends a page.
const END_OF_PAGE: u16 = 204;

/// Where point reads are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// By the only server there is.
    Direct,
    /// By the leader: any other replica may be behind.
    Leader,
}

/// How long a value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Until it is replaced.
    Forever,
    /// As long; whole seconds.
    For(Duration),
}

/// A value under a key.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Without the bucket's prefix.
    pub(crate) key: String,
    /// What was put.
    pub(crate) value: Bytes,
    /// To be named when it is replaced.
    pub(crate) revision: u64,
    /// Whether it goes by itself.
    pub(crate) keep: KeepSeen,
    present: Presence,
}

/// Whether a stored value has a time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepSeen {
    Forever,
    Expires,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Value,
    /// A client deleted the key and left a marker.
    Marker,
}

/// What came of a write that names what it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// Written, as this revision.
    Written(u64),
    /// Something else is there.
    Lost,
}

/// A piece of a listing.
#[derive(Debug)]
pub(crate) struct Page {
    /// In the order of their revisions.
    pub(crate) entries: Vec<Entry>,
    /// Ask from here for more; `None` when this was all.
    pub(crate) next: Option<u64>,
}

/// One bucket.
#[derive(Clone)]
pub(crate) struct Bucket {
    context: Context,
    stream: Stream<()>,
    reads: Reads,
    prefix: String,
    direct: String,
}

#[derive(Serialize)]
struct PageRequest<'a> {
    seq: u64,
    next_by_subj: &'a str,
    batch: usize,
}

impl Bucket {
    /// The bucket `name`, which exists.
    pub(super) fn new(context: Context, stream: Stream<()>, name: &str, reads: Reads) -> Self {
        let prefix = format!("$KV.{name}.");
        let direct = format!("$JS.API.DIRECT.GET.KV_{name}");
        Self { context, stream, reads, prefix, direct }
    }

    /// What stands under `key`; `None` when nothing does.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Entry>, StateError> {
        let found = self.last(key).await?;
        Ok(found.filter(|entry| entry.present == Presence::Value))
    }

    /// Puts `value` under `key`, where nothing may be.
    ///
    /// # Errors
    ///
    /// [`StateError`]; after [`StateError::TimedOut`] it may have been written.
    pub(crate) async fn create(
        &self,
        key: &str,
        value: Bytes,
        keep: Keep,
    ) -> Result<Put, StateError> {
        match self.put(key, value.clone(), 0, keep).await? {
            Put::Written(revision) => Ok(Put::Written(revision)),
            Put::Lost => match self.last(key).await? {
                Some(entry) if entry.present == Presence::Marker => {
                    self.put(key, value, entry.revision, keep).await
                }
                Some(_) | None => Ok(Put::Lost),
            },
        }
    }

    /// Replaces `revision` of `key`; 0 is "nothing was ever there".
    ///
    /// # Errors
    ///
    /// [`StateError`]; after [`StateError::TimedOut`] it may have been written.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: Bytes,
        revision: u64,
        keep: Keep,
    ) -> Result<Put, StateError> {
        let mut message = PublishMessage::build().payload(value);
        message = message.expected_last_subject_sequence(revision);
        if let Keep::For(time) = keep {
            message = message.ttl(time);
        }
        match self.publish(key, message).await {
            Ok(revision) => Ok(Put::Written(revision)),
            Err(error) => lost_race(&error).then_some(Put::Lost).ok_or_else(|| refused(&error)),
        }
    }

    /// Removes `revision` of `key`. What says that it was there goes by itself.
    ///
    /// # Errors
    ///
    /// [`StateError`]; after [`StateError::TimedOut`] it may be gone.
    pub(crate) async fn remove(&self, key: &str, revision: u64) -> Result<Put, StateError> {
        let message = PublishMessage::build().header(DELETED[0], PURGED).ttl(MARKER_LIFE);
        let message = message.expected_last_subject_sequence(revision);
        match self.publish(key, message).await {
            Ok(revision) => Ok(Put::Written(revision)),
            Err(error) => lost_race(&error).then_some(Put::Lost).ok_or_else(|| refused(&error)),
        }
    }

    /// Puts an empty value under `key`, whatever is there, and gives its revision: a number that
    /// this bucket gives once.
    ///
    /// # Errors
    ///
    /// [`StateError`] when nothing is known to have been written.
    pub(crate) async fn draw_number(&self, key: &str) -> Result<u64, StateError> {
        let message = PublishMessage::build();
        self.publish(key, message).await.map_err(|error| refused(&error))
    }

    /// At most `limit` entries whose keys match `filter`, from revision `from` on.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the page did not come whole.
    pub(crate) async fn page(
        &self,
        filter: &str,
        from: u64,
        limit: usize,
    ) -> Result<Page, StateError> {
        self.check_up()?;
        let client = self.context.client();
        let inbox = client.new_inbox();
        let mut replies = client.subscribe(inbox.clone()).await.map_err(|error| other(&error))?;
        let filter = format!("{}{filter}", self.prefix);
        let request = PageRequest { seq: from.max(1), next_by_subj: &filter, batch: limit };
        let request = serde_json::to_vec(&request).map_err(|error| other(&error))?;
        let sent = client.publish_with_reply(self.direct.clone(), inbox, request.into()).await;
        sent.map_err(|error| other(&error))?;
        let collected = tokio::time::timeout(TIMEOUT, self.collect(&mut replies));
        let entries = collected.await.map_err(|_elapsed| StateError::TimedOut)??;
        // Markers count: the page was as long as it could be.
        let last = entries.last().filter(|_| entries.len() == limit);
        let next = last.map(|entry| entry.revision + 1);
        let entries =
            entries.into_iter().filter(|entry| entry.present == Presence::Value).collect();
        Ok(Page { entries, next })
    }

    /// All entries whose keys match `filter`, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StateError`] when they did not come whole, or are more.
    pub(crate) async fn all(&self, filter: &str, limit: usize) -> Result<Vec<Entry>, StateError> {
        let page = self.page(filter, 1, limit).await?;
        match page.next {
            None => Ok(page.entries),
            Some(_) => {
                Err(StateError::Refused(format!("more than {limit} entries match {filter}")))
            }
        }
    }

    /// Adds all keys to `keys`, without their values.
    ///
    /// What is written meanwhile may be missing; what is added was there.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn keys(&self, keys: &mut HashSet<String>) -> Result<(), StateError> {
        self.check_up()?;
        let subjects = self.stream.info_with_subjects(format!("{}>", self.prefix));
        let mut subjects = patient(subjects).await?.map_err(|error| other(&error))?;
        while let Some(subject) = patient(subjects.next()).await? {
            let (subject, _count) = subject.map_err(|error| other(&error))?;
            keys.extend(subject.strip_prefix(&self.prefix).map(str::to_owned));
        }
        Ok(())
    }

    async fn collect(
        &self,
        replies: &mut async_nats::Subscriber,
    ) -> Result<Vec<Entry>, StateError> {
        let mut entries = Vec::new();
        while let Some(message) = replies.next().await {
            match message.status {
                None => entries.push(self.entry(&message)?),
                Some(status)
                    if status.as_u16() == END_OF_PAGE || status == StatusCode::NOT_FOUND =>
                {
                    return Ok(entries);
                }
                Some(StatusCode::NO_RESPONDERS) => return Err(StateError::Away),
                Some(status) => {
                    let text = message.description.unwrap_or_default();
                    return Err(StateError::Refused(format!("{status} {text}")));
                }
            }
        }
        Err(StateError::Away)
    }

    fn entry(&self, message: &Message) -> Result<Entry, StateError> {
        let missing = || StateError::Refused("a page has an entry without a subject".to_owned());
        let headers = message.headers.as_ref().ok_or_else(missing)?;
        let subject = headers.get(SUBJECT).ok_or_else(missing)?.as_str();
        let sequence = headers.get(SEQUENCE).and_then(|text| text.as_str().parse().ok());
        let revision = sequence.ok_or_else(missing)?;
        Ok(self.entry_of(subject, headers, message.payload.clone(), revision))
    }

    fn entry_of(&self, subject: &str, headers: &HeaderMap, value: Bytes, revision: u64) -> Entry {
        let marker = DELETED.iter().any(|name| headers.get(*name).is_some());
        let expires = headers.get(TTL).is_some();
        Entry {
            key: subject.strip_prefix(&self.prefix).unwrap_or(subject).to_owned(),
            value,
            revision,
            keep: if expires { KeepSeen::Expires } else { KeepSeen::Forever },
            present: if marker { Presence::Marker } else { Presence::Value },
        }
    }

    async fn last(&self, key: &str) -> Result<Option<Entry>, StateError> {
        self.check_up()?;
        let subject = format!("{}{key}", self.prefix);
        let read = async {
            match self.reads {
                Reads::Direct => match self.stream.direct_get_last_for_subject(&subject).await {
                    Ok(message) => Ok(Some(message)),
                    Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
                    Err(error) => Err(other(&error)),
                },
                Reads::Leader => {
                    match self.stream.get_last_raw_message_by_subject(&subject).await {
                        Ok(message) => Ok(Some(message)),
                        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                            Ok(None)
                        }
                        Err(error) => Err(other(&error)),
                    }
                }
            }
        };
        let found = tokio::time::timeout(TIMEOUT, read).await;
        let found = found.map_err(|_elapsed| StateError::TimedOut)??;
        Ok(found.map(|message| {
            self.entry_of(&message.subject, &message.headers, message.payload, message.sequence)
        }))
    }

    async fn publish(&self, key: &str, message: PublishMessage) -> Result<u64, PublishError> {
        if self.check_up().is_err() {
            return Err(PublishError::new(PublishErrorKind::BrokenPipe));
        }
        let sent = async {
            let ack = self.context.send_publish(format!("{}{key}", self.prefix), message).await?;
            ack.await.map(|ack| ack.sequence)
        };
        let sent = tokio::time::timeout(TIMEOUT, sent).await;
        sent.unwrap_or_else(|_elapsed| Err(PublishError::new(PublishErrorKind::TimedOut)))
    }

    fn check_up(&self) -> Result<(), StateError> {
        let state = self.context.client().connection_state();
        if state == async_nats::connection::State::Connected {
            Ok(())
        } else {
            Err(StateError::Away)
        }
    }
}

/// `work`, if it is done in time.
async fn patient<T>(work: impl Future<Output = T>) -> Result<T, StateError> {
    tokio::time::timeout(TIMEOUT, work).await.map_err(|_elapsed| StateError::TimedOut)
}

/// The code that the server gave, if it gave one.
pub(super) fn server_code(error: &PublishError) -> Option<u64> {
    let source = error.source()?;
    let source = source.downcast_ref::<async_nats::jetstream::Error>()?;
    Some(source.error_code().0)
}

fn lost_race(error: &PublishError) -> bool {
    let lost = error.kind() == PublishErrorKind::WrongLastSequence;
    lost || server_code(error).is_some_and(|code| LOST_RACE.contains(&code))
}

pub(super) fn refused(error: &PublishError) -> StateError {
    match error.kind() {
        PublishErrorKind::TimedOut => StateError::TimedOut,
        PublishErrorKind::BrokenPipe | PublishErrorKind::StreamNotFound => StateError::Away,
        PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::WrongLastSequence
        | PublishErrorKind::MaxAckPending
        | PublishErrorKind::MaxPayloadExceeded
        | PublishErrorKind::Other => other(error),
    }
}

fn other(error: &(dyn std::error::Error + 'static)) -> StateError {
    StateError::Refused(chain(error).to_string())
}
