//! Makes the streams below the store, and checks that the server keeps what was asked for.
//!
//! Old servers ignore what they do not know: what is relied on is read back and compared.

use std::time::Duration;

use async_nats::client::Request;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::{Client, HeaderMap, RequestErrorKind};
use serde::Deserialize;
use serde_json::Value;
use tenon_protocol::record::key;
use tenon_protocol::subject;

use super::bucket::{Bucket, Reads, TIMEOUT};
use super::jobs::Jobs;
use super::record_buckets;
use super::records::Records;
use crate::config::{Replicas, StateConfig};

/// Below it, state is refused: per-message time to live and atomic compare-and-set in clusters.
const OLDEST: (i64, i64, i64) = (2, 12, 0);
/// `JetStream` API level of that server: an older one refuses a request that names it.
const API_LEVEL: &str = "2";
/// `JetStream`'s code for "there is such a stream, otherwise configured".
const STREAM_EXISTS: u64 = 10_058;
/// `JetStream`'s code for "there is no such stream".
const STREAM_NOT_FOUND: u64 = 10_059;
/// How long the server remembers the ids of queued jobs.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// Too old to keep state on.
    #[error(
        "nats-server {found} is too old to keep records on: install 2.12 or newer (`cargo xtask setup` fetches one)"
    )]
    TooOld { found: String },
    /// It only passes messages on.
    #[error(
        "nats-server keeps no streams: start it with JetStream (`nats-server -js`, or a `jetstream {{ store_dir: ... }}` block in its configuration)"
    )]
    NoJetStream,
    /// It did not answer.
    #[error("nats-server did not answer {subject}")]
    Silent {
        subject: String,
        #[source]
        source: async_nats::RequestError,
    },
    /// It refused, for its own reasons.
    #[error("nats-server refused stream {stream}: {message}")]
    Refused { stream: String, message: String },
    /// A stream of this name is something else.
    #[error("stream {stream} has {field} = {found}, and must have {wanted}")]
    Otherwise { stream: String, field: &'static str, found: Value, wanted: Value },
    /// The store was made with another number of replicas.
    #[error("stream {stream} is there, so the records were made with state.replicas = 1, not 3")]
    OtherShape { stream: String },
    /// The answer is not one.
    #[error("nats-server's answer about {stream} cannot be read")]
    Unreadable {
        stream: String,
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Answer {
    error: Option<ApiError>,
    config: Option<Value>,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Makes what is missing on the server behind `client`.
///
/// # Errors
///
/// [`SetupError`] says what to install or change.
pub(crate) async fn prepare(
    client: &Client,
    config: &StateConfig,
) -> Result<(Records, Jobs), SetupError> {
    check_server(client).await?;
    if config.replicas == Replicas::Three {
        refuse_other_shape(client).await?;
    }
    for name in record_buckets(config.replicas) {
        ensure(client, bucket_config(&name, config.replicas)).await?;
    }
    ensure(client, bucket_config(key::JOBS_BUCKET, config.replicas)).await?;
    ensure(client, queue_config(config.replicas)).await?;
    // No client can ask for it.
    tracing::warn!(
        "whether nats-server syncs every write cannot be seen from here: its configuration must say `sync_interval: always`, or a power loss forgets what was acknowledged"
    );
    Ok(open(client, config).await)
}

/// The store on the server behind `client`, which has its streams.
pub(crate) async fn open(client: &Client, config: &StateConfig) -> (Records, Jobs) {
    let context = ContextBuilder::new().timeout(TIMEOUT).ack_timeout(TIMEOUT).build(client.clone());
    let reads = match config.replicas {
        Replicas::One => Reads::Direct,
        Replicas::Three => Reads::Leader,
    };
    let bucket = async |name: &str| {
        let stream = context.get_stream_no_info(format!("KV_{name}")).await;
        Bucket::new(context.clone(), stream.expect("our names are valid"), name, reads)
    };
    let mut buckets = Vec::new();
    for name in record_buckets(config.replicas) {
        buckets.push(bucket(&name).await);
    }
    let queue = context.get_stream_no_info(key::JOBS_STREAM).await.expect("our names are valid");
    let jobs = Jobs::new(bucket(key::JOBS_BUCKET).await, queue, context.clone(), config.tomb_life);
    (Records::new(buckets, config.tomb_life), jobs)
}

async fn check_server(client: &Client) -> Result<(), SetupError> {
    let (major, minor, patch) = OLDEST;
    if !client.is_server_compatible(major, minor, patch) {
        return Err(SetupError::TooOld { found: client.server_info().version });
    }
    let info = client.send_request("$JS.API.INFO", request(Vec::new())).await;
    match info {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == RequestErrorKind::NoResponders => {
            Err(SetupError::NoJetStream)
        }
        Err(source) => Err(SetupError::Silent { subject: "$JS.API.INFO".to_owned(), source }),
    }
}

async fn refuse_other_shape(client: &Client) -> Result<(), SetupError> {
    let stream = format!("KV_{}", key::records_bucket(1));
    let answer = call(client, "STREAM.INFO", &stream, Vec::new()).await?;
    match answer.error {
        Some(error) if error.err_code == STREAM_NOT_FOUND => Ok(()),
        Some(error) => Err(SetupError::Refused { stream, message: error.description }),
        None => Err(SetupError::OtherShape { stream }),
    }
}

async fn ensure(client: &Client, config: Config) -> Result<(), SetupError> {
    let stream = config.name.clone();
    let wanted = serde_json::to_value(&config)
        .map_err(|source| SetupError::Unreadable { stream: stream.clone(), source })?;
    let mut answer = call(client, "STREAM.CREATE", &stream, wanted.to_string().into()).await?;
    if answer.error.as_ref().is_some_and(|error| error.err_code == STREAM_EXISTS) {
        answer = call(client, "STREAM.INFO", &stream, Vec::new()).await?;
    }
    if let Some(error) = answer.error {
        return Err(SetupError::Refused { stream, message: error.description });
    }
    compare(&stream, &wanted, &answer.config.unwrap_or_default())
}

/// The fields without which the protocol is not safe.
const RELIED_ON: &[&str] = &[
    "storage",
    "retention",
    "max_msgs_per_subject",
    "discard",
    "discard_new_per_subject",
    "allow_msg_ttl",
    "allow_direct",
    "num_replicas",
    "subjects",
    "max_age",
    "max_msgs",
    "max_bytes",
];

/// Compares what the server has with what was asked for.
fn compare(stream: &str, wanted: &Value, found: &Value) -> Result<(), SetupError> {
    for &field in RELIED_ON {
        let get = |config: &Value| config.get(field).cloned().unwrap_or(Value::Null);
        let (found, wanted) = (get(found), get(wanted));
        // Switches that are off are left out.
        let both_off = !is_on(&found) && !is_on(&wanted);
        if found != wanted && !both_off {
            return Err(SetupError::Otherwise { stream: stream.to_owned(), field, found, wanted });
        }
    }
    Ok(())
}

fn is_on(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => true,
    }
}

async fn call(
    client: &Client,
    verb: &str,
    stream: &str,
    body: Vec<u8>,
) -> Result<Answer, SetupError> {
    let subject = format!("$JS.API.{verb}.{stream}");
    let reply = client.send_request(subject.clone(), request(body)).await;
    let reply = reply.map_err(|source| SetupError::Silent { subject, source })?;
    serde_json::from_slice(&reply.payload)
        .map_err(|source| SetupError::Unreadable { stream: stream.to_owned(), source })
}

fn request(body: Vec<u8>) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Required-Api-Level", API_LEVEL);
    Request::new().payload(body.into()).headers(headers).timeout(Some(TIMEOUT))
}

const fn count(replicas: Replicas) -> usize {
    match replicas {
        Replicas::One => 1,
        Replicas::Three => 3,
    }
}

/// A bucket: the last value of each key, in a file; tombs go by themselves.
fn bucket_config(name: &str, replicas: Replicas) -> Config {
    Config {
        name: format!("KV_{name}"),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        max_messages: -1,
        max_bytes: -1,
        discard: DiscardPolicy::New,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: count(replicas),
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        allow_message_ttl: true,
        ..Config::default()
    }
}

/// The work queue: one message for each instance at most, a second one is refused.
fn queue_config(replicas: Replicas) -> Config {
    Config {
        name: key::JOBS_STREAM.to_owned(),
        subjects: vec![subject::ALL_JOBS.to_owned()],
        max_messages_per_subject: 1,
        max_messages: -1,
        max_bytes: -1,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        num_replicas: count(replicas),
        allow_direct: true,
        duplicate_window: DUPLICATE_WINDOW,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Value {
        serde_json::to_value(bucket_config("x", Replicas::One)).unwrap()
    }

    #[test]
    fn the_same_stream_is_accepted() {
        compare("KV_x", &config(), &config()).unwrap();
    }

    #[test]
    fn a_stream_that_forgets_is_refused() {
        for (field, value) in [
            ("storage", Value::from("memory")),
            ("max_msgs_per_subject", Value::from(64)),
            ("allow_msg_ttl", Value::Null),
            ("num_replicas", Value::from(3)),
            ("max_age", Value::from(1_000)),
        ] {
            let mut found = config();
            found.as_object_mut().unwrap().insert(field.to_owned(), value);
            let error = compare("KV_x", &config(), &found).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn a_switch_that_is_off_may_be_absent() {
        let mut found = config();
        found.as_object_mut().unwrap().remove("discard_new_per_subject");
        compare("KV_x", &config(), &found).unwrap();
    }
}
