//! What applications get from services of the time. Reference, sections 3.8 and 9.

use serde::{Deserialize, Serialize};

use super::{Any, Named};

/// Of a server that listens: everything that MySQL, Redis, `MongoDB`, `RabbitMQ` and `vBlob` name.
#[derive(Serialize, Deserialize)]
pub(crate) struct Server {
    name: String,
    hostname: String,
    host: String,
    port: u16,
    admin_port: Option<u16>,
    user: Option<String>,
    username: Option<String>,
    password: String,
    pass: Option<String>,
    db: Option<String>,
    vhost: Option<String>,
    url: Option<String>,
    uri: Option<String>,
}

/// Of the first file system: nothing that an application could use.
#[derive(Serialize, Deserialize)]
pub(crate) struct Filesystem {
    internal: FilesystemPlace,
}

/// A file system's handle, which is kept whole.
#[derive(Serialize, Deserialize)]
pub(crate) struct FilesystemHandle {
    service_id: String,
    configuration: Named<Any>,
    credentials: Filesystem,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "fs_type", rename_all = "lowercase")]
enum FilesystemPlace {
    Nfs { name: String, host: String, export: String },
    Local { name: String, local_path: String },
}

/// Of the file system that came after it.
#[derive(Serialize, Deserialize)]
pub(crate) struct SshFilesystem {
    hostname: String,
    host: String,
    dir: String,
    user: String,
    private_key: String,
    name: String,
    node_id: String,
}
