//! The serialization data server, and the router in front of it. Reference, section 6.7.

use serde::{Deserialize, Serialize};

use super::Named;

/// The form with which a package is put.
#[derive(Serialize, Deserialize)]
pub(crate) struct Upload {
    #[serde(rename = "_method")]
    method: String,
    data_file: String,
}

/// A field of `vcap:serialized_file:<service>:<instance id>`.
#[derive(Serialize, Deserialize)]
pub(crate) struct UploadedFile {
    file: String,
    time: u64,
}

/// An entry of `vcap:upload_purge_queue`.
#[derive(Serialize, Deserialize)]
pub(crate) struct PurgeEntry {
    service: String,
    service_id: String,
    token: String,
    file: String,
    time: u64,
}

/// `router.register` and `router.unregister`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Registration {
    host: String,
    port: u16,
    uris: Vec<String>,
    tags: Named<String>,
}

/// `router.start`.
#[derive(Serialize, Deserialize)]
pub(crate) struct RouterStart {
    id: String,
    version: String,
}
