//! What must not be forgotten: records of instances, bindings, jobs and snapshots, in JetStream.
//!
//! Speaks `JetStream`. Takes no decision about a record; `tenon_protocol::record` does.

mod bucket;
mod jobs;
mod lost_nodes;
mod moves;
mod platform;
mod records;
mod restores;
mod setup;
mod snapshots;
mod store_mark;

use tenon_protocol::record::{RECORD_VERSION, key};
use tenon_protocol::{Code, Fault};

pub(crate) use bucket::{Bucket, Entry, KeepSeen, Put};
pub(crate) use jobs::{Created, Jobs, Queued, decode_job};
pub(crate) use moves::{StoredMove, decode_move};
pub(crate) use records::{Cas, Record, Records, Stored, decode};
pub(crate) use restores::StoredRestore;
#[cfg(test)]
pub(crate) use setup::open;
pub(crate) use setup::prepare;
pub(crate) use snapshots::Homed;

use crate::config::Replicas;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// Nothing was sent.
    #[error("the record store is away")]
    Away,
    /// It may have been done.
    #[error("the record store did not answer in time")]
    TimedOut,
    /// The server says why.
    #[error("the record store refused: {0}")]
    Refused(String),
    /// The record is not what this version writes.
    #[error("record {key} is damaged")]
    Damaged {
        key: String,
        #[source]
        source: serde_json::Error,
    },
    /// A newer gateway wrote it.
    #[error("record {key} has version {version}, newer than {RECORD_VERSION}")]
    TooNew { key: String, version: u32 },
}

impl From<&StateError> for Fault {
    fn from(error: &StateError) -> Self {
        match error {
            StateError::Away | StateError::TimedOut | StateError::Refused(_) => {
                Self::new(Code::UNAVAILABLE, "Service unavailable")
            }
            StateError::Damaged { .. } | StateError::TooNew { .. } => Self::internal(),
        }
    }
}

/// Names of the buckets that hold records of instances and bindings.
fn record_buckets(replicas: Replicas) -> Vec<String> {
    match replicas {
        // One stream does not share an fsync among its writers, 16 streams do not need to.
        Replicas::One => (0..key::SHARDS).map(key::records_bucket).collect(),
        // Each bucket is a Raft group: fewer are faster.
        Replicas::Three => vec![key::records_bucket(0)],
    }
}
