//! `D/dev.json`: what runs, where, and how to get in. An interface; docs/reference/dev-json.md.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tenon_protocol::Secret;

/// The whole file. Fields are added, never renamed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevFile {
    /// The first gateway: where the platform sends its requests.
    pub gateway: GatewayEntry,
    /// The first gateway's listener for operators.
    pub admin: AdminEntry,
    /// The stand-in cloud controller.
    pub cloud_controller: CloudControllerEntry,
    /// The bus.
    pub nats: NatsEntry,
    /// One database server for each node; none without an offering that needs one.
    pub mysql: Vec<MysqlEntry>,
    /// One entry for each offering of each node process.
    pub nodes: Vec<NodeEntry>,
    /// Plugins that the nodes watch.
    pub plugins_dir: PathBuf,
    /// Every gateway process; the first is `gateway`.
    pub gateways: Vec<GatewayProcess>,
    /// Starts and stops what runs here.
    pub control: ControlEntry,
    /// Where snapshots are kept, for all nodes.
    pub snapshots_dir: PathBuf,
    /// Logs of the processes by name, such as `node-1`.
    pub logs: BTreeMap<String, PathBuf>,
    /// Ids of the processes by name; `tenon` is the one that started the others.
    pub pids: BTreeMap<String, u32>,
}

/// The first gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayEntry {
    /// Base of the classic routes.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// `X-VCAP-Service-Token` by the offering's label.
    pub tokens: BTreeMap<String, Secret>,
    /// `X-VCAP-SDS-Upload-Token`.
    pub upload_token: Secret,
}

/// One gateway process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayProcess {
    /// For example `gateway-1`.
    pub id: String,
    /// Base of the classic routes.
    pub url: String,
    /// Base of the routes for operators.
    pub admin_url: String,
    /// Its process.
    pub pid: u32,
    /// The file that it was started with.
    pub config: PathBuf,
}

/// What operators call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminEntry {
    /// Base of its routes.
    pub url: String,
    /// `Authorization: Bearer <token>`.
    pub token: Secret,
}

/// The stand-in cloud controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudControllerEntry {
    /// Base of its routes.
    pub url: String,
    /// Which cloud controller it stands in for.
    pub api: String,
}

/// The bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatsEntry {
    /// For clients.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// Monitoring over HTTP.
    pub monitor_url: String,
    /// The gateway's user, who may use every subject of the platform.
    pub user: String,
    /// Of that user.
    pub password: Secret,
}

/// One database server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MysqlEntry {
    /// For example `10.11`.
    pub version: String,
    /// Always a loopback address.
    pub host: String,
    /// TCP.
    pub port: u16,
    /// An account with all rights.
    pub user: String,
    /// Of that account.
    pub password: Secret,
    /// Its process.
    pub pid: u32,
    /// The node that owns the server.
    pub node: String,
}

/// One offering of one node process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Unique inside a service.
    pub id: String,
    /// The node process; the same in all its entries.
    pub pid: u32,
    /// Label without version.
    pub offering: String,
    /// Prefix of its subjects.
    pub service: String,
    /// The one plan.
    pub plan: String,
    /// What a provision request names.
    pub plan_unique_id: String,
    /// What can be ordered.
    pub versions: Vec<String>,
    /// Base of the node's health page.
    pub health: String,
    /// The file that it was started with.
    pub config: PathBuf,
}

/// Where children are started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlEntry {
    /// Base of its routes.
    pub url: String,
    /// `Authorization: Bearer <token>`.
    pub token: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference page, which names every field.
    fn example() -> &'static str {
        let page = include_str!("../../../docs/reference/dev-json.md");
        let (_, rest) = page.split_once("```json\n").unwrap();
        rest.split_once("```").unwrap().0
    }

    #[test]
    fn the_reference_page_shows_every_field_and_no_other() {
        let shown: serde_json::Value = serde_json::from_str(example()).unwrap();
        let read: DevFile = serde_json::from_str(example()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), shown);
    }

    #[test]
    fn a_newer_file_is_read_by_an_older_reader() {
        let newer = example().replacen('{', "{\"weather\": \"fine\", ", 1);
        serde_json::from_str::<DevFile>(&newer).unwrap();
    }
}
