//! What gateway and workers keep in Redis. Reference, sections 6.2 and 6.3.

use serde::{Deserialize, Serialize};

/// A waiting job: `resque:queue:<node_id>`.
#[derive(Serialize, Deserialize)]
pub(crate) struct QueueEntry {
    class: String,
    args: (String, JobOptions),
}

#[derive(Serialize, Deserialize)]
struct JobOptions {
    service_id: String,
    node_id: String,
    snapshot_id: Option<String>,
    url: Option<String>,
    metadata: Option<JobMetadata>,
}

#[derive(Serialize, Deserialize)]
struct JobMetadata {
    plan: Option<String>,
    provider: Option<String>,
    service_version: Option<String>,
}

/// `resque:status:<job id>`.
#[derive(Serialize, Deserialize)]
pub(crate) struct JobStatus {
    time: u64,
    status: String,
    uuid: String,
    options: JobOptions,
    name: Option<String>,
    message: Option<String>,
    complete_time: Option<String>,
}

/// A field of `vcap:snapshot:<instance id>`.
#[derive(Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    snapshot_id: String,
    size: u64,
    date: String,
    file: String,
    name: Option<String>,
    manifest: Option<Manifest>,
    token: Option<String>,
}

/// Entry `manifest` of a package, and of a snapshot's record.
#[derive(Serialize, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    service_version: Option<String>,
    plan: Option<String>,
    provider: Option<String>,
}

/// A package: `<snapshot id>.zip`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Package {
    manifest: Manifest,
    #[serde(flatten)]
    content: super::Named<String>,
}

/// `lock:lifecycle:<instance id>`: when it expires, in seconds, as text.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Expiry(f64);

impl TryFrom<String> for Expiry {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<Expiry> for String {
    fn from(expiry: Expiry) -> Self {
        expiry.0.to_string()
    }
}

impl Clone for Expiry {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}
