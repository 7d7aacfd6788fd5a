//! How gateway and nodes are configured: as the original was when it was recorded.
//!
//! Service `MyaaS`, node `mysql_node_free_1`, version 5.5, capacity 200, plans free and expensive.

use std::path::Path;

use tenon::dev::MariadbPrograms;

use super::{NodeSpec, Peers};

/// For everything: nothing here is secret.
pub(super) const PASSWORD: &str = "golden";
/// Key of the gateway's records.
const SEAL_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Where a host finds the others.
pub(super) struct Places<'a> {
    pub(super) home: &'a Path,
    pub(super) nats: &'a str,
}

impl Peers {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Original => "original",
        }
    }
}

/// A node's, with its server's port.
pub(super) fn node(
    places: &Places<'_>,
    node: &NodeSpec,
    peers: Peers,
    (mysql_port, programs): (u16, &MariadbPrograms),
) -> String {
    format!(
        r#"
[node]
data_dir = "{home}/{id}"
[health]
listen = "127.0.0.1:0"
[nats]
url = "{nats}"
user = "all"
password = "{PASSWORD}"
[guests]
plugins_dir = "{home}/plugins"
[snapshots]
dir = "{home}/snapshots"
import_networks = ["127.0.0.0/8"]
[[mysql]]
version = "5.5"
host = "127.0.0.1"
port = {mysql_port}
user = "root"
password = "{PASSWORD}"
dump_program = "{dump}"
client_program = "{client}"
[[offerings]]
label = "mysql"
service = "MyaaS"
node_id = "{id}"
plan = "free"
versions = ["5.5"]
capacity = {capacity}
peers = "{peers}"
capabilities = ["mysql", "state", "secrets", "blob"]
[offerings.settings]
max_connections = "20"
[offerings.mysql]
database_prefix = "d"
account_prefix = "u"
"#,
        home = places.home.display(),
        nats = places.nats,
        id = node.id,
        capacity = node.capacity,
        peers = peers.as_str(),
        dump = programs.dump.display(),
        client = programs.client.display(),
    )
}

/// A gateway's, for a v1 cloud controller.
pub(super) fn gateway(
    places: &Places<'_>,
    cloud_controller: &str,
    port: u16,
    peers: Peers,
) -> String {
    format!(
        r#"
[http]
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:0"
token = "{PASSWORD}"
[nats]
url = "{nats}"
user = "all"
password = "{PASSWORD}"
[state]
seal_key = "{SEAL_KEY}"
replicas = 1
[snapshots]
dir = "{home}/snapshots"
[cloud_controller]
url = "{cloud_controller}"
api = "v1"
[[offerings]]
label = "mysql"
version = "5.5"
service = "MyaaS"
token = "0xdeadbeef"
provider = "core"
description = "MySQL database"
supported_versions = ["5.5"]
version_aliases = {{ current = "5.5" }}
default_plan = "free"
tags = ["relational"]
node_timeout_seconds = 5
double_check_orphan_interval_seconds = 3
peers = "{peers}"
handle_updates = "{updates}"
[[offerings.plans]]
name = "free"
unique_id = "core_mysql_free"
extensions = {extensions}
snapshot_quota = 5
low_water = 10
high_water = 180
[[offerings.plans]]
name = "expensive"
unique_id = "core_mysql_expensive"
free = false
low_water = 1
high_water = 20
"#,
        home = places.home.display(),
        nats = places.nats,
        peers = peers.as_str(),
        // The nodes of 2013 that were recorded beside our gateway had none.
        extensions = match peers {
            Peers::Native => r#"["snapshot", "serialization", "job"]"#,
            Peers::Original => "[]",
        },
        updates = match peers {
            Peers::Native => "ignore",
            Peers::Original => "accept",
        },
    )
}

/// `config` as the original was configured for a v2 cloud controller and its UAA.
pub(super) fn with_v2(config: &str, cloud_controller: &str) -> String {
    let uaa = format!(
        r#"api = "v2"
[cloud_controller.uaa]
url = "{cloud_controller}/uaa"
client_id = "cf"
grant = "implicit"
username = "services"
password = "secret""#
    );
    let offering = r#"provider = "core"
unique_id = "b6cf8dfe-b3e8-4ede-b289-f1ae519176b6"
provider_name = "Core"
logo_url = ""
blurb = "MySQL""#;
    let config = config.replace(r#"api = "v1""#, &uaa);
    let config = config.replace(r#"provider = "core""#, offering);
    let config = config.replace(r#"name = "free""#, "name = \"free\"\ndescription = \"Free plan\"");
    config.replace(r#"name = "expensive""#, "name = \"expensive\"\ndescription = \"Paid plan\"")
}
