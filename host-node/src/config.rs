//! The node's configuration file. `docs/reference/config.md` lists every key.

mod check;
mod metering;
mod names;
mod read;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;
use tenon_protocol::{NodeId, Secret, ServiceName};

pub use metering::MeteringConfig;
pub use names::MysqlNamesConfig;
pub use read::ConfigError;

/// A whole configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The process.
    pub node: NodeConfig,
    /// Health and metrics page.
    #[serde(default)]
    pub health: HealthConfig,
    /// The page for collectors of 2013.
    #[serde(default)]
    pub component: ComponentConfig,
    /// The bus.
    pub nats: NatsConfig,
    /// Bounds of guests.
    pub guests: GuestsConfig,
    /// Where snapshots are kept.
    #[serde(default)]
    pub snapshots: Option<SnapshotsConfig>,
    /// Where periodic backups are kept.
    #[serde(default)]
    pub backups: Option<BackupsConfig>,
    /// MySQL and MariaDB servers, one for each version.
    #[serde(default)]
    pub mysql: Vec<MysqlServerConfig>,
    /// What this node serves.
    pub offerings: Vec<OfferingConfig>,
    /// Where the process kills itself, in tests of crashes.
    #[serde(skip)]
    pub crash_at: Option<String>,
}

/// `[node]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Ledger, files, compiled components, scratch.
    pub data_dir: PathBuf,
    /// How long a stop waits for calls in flight.
    #[serde(default = "ten")]
    pub drain_seconds: u64,
    /// How often the whole ledger is gone through.
    #[serde(default = "look_interval_seconds")]
    pub look_interval_seconds: u64,
    /// While this file is there, the node takes no new instances.
    #[serde(default)]
    pub disabled_file: Option<PathBuf>,
}

/// `[health]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Address of the page; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)) }
    }
}

/// `[component]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComponentConfig {
    /// Whether offerings register as components; absent: those with original peers do.
    pub announce: Option<bool>,
    /// Address of the first one's page; the others have the ports after it. Port 0 takes free ones.
    pub listen: SocketAddr,
    /// Address that collectors are told; that of `listen` when absent.
    pub public_host: Option<String>,
    /// This process among its like.
    pub index: u32,
    /// User of the page; random when absent.
    pub user: Option<String>,
    /// Its password; random when absent.
    pub password: Option<SecretText>,
}

impl Default for ComponentConfig {
    fn default() -> Self {
        Self {
            announce: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_host: None,
            index: 0,
            user: None,
            password: None,
        }
    }
}

/// `[nats]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsConfig {
    /// `nats://host:port`.
    pub url: String,
    /// User, where the server asks for one.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<SecretText>,
}

/// `[guests]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestsConfig {
    /// Where plugins lie, `<label>.wasm`. Watched.
    pub plugins_dir: PathBuf,
    /// Calls at once, over all offerings.
    #[serde(default = "calls")]
    pub max_calls: u32,
    /// Memory ceiling of one call.
    #[serde(default = "mebibytes")]
    pub memory_mib: u32,
    /// Guest code that one call may run; waiting for the host does not count.
    #[serde(default = "budget")]
    pub cpu_budget_ms: u64,
    /// Wall clock of one call.
    #[serde(default = "ten")]
    pub call_timeout_seconds: u64,
    /// Wall clock of a snapshot or restore.
    #[serde(default = "job")]
    pub job_timeout_seconds: u64,
    /// How long a replaced generation may finish its calls.
    #[serde(default = "ten")]
    pub drain_seconds: u64,
}

/// `[snapshots]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotsConfig {
    /// A directory that all nodes of the platform share.
    pub dir: PathBuf,
    /// Largest snapshot.
    #[serde(default = "snapshot_mebibytes")]
    pub max_mib: u64,
    /// Largest package that is fetched from a URL.
    #[serde(default = "ten")]
    pub import_max_mib: u64,
    /// How often such a URL may lead on.
    #[serde(default = "redirects")]
    pub import_max_redirects: u32,
    /// How long a fetch may take.
    #[serde(default = "fetch_seconds")]
    pub import_timeout_seconds: u64,
    /// Networks that are fetched from although they are not public.
    #[serde(default, deserialize_with = "read::networks")]
    pub import_networks: Vec<IpNet>,
}

/// `[backups]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupsConfig {
    /// A directory that outlives the node; restores are taken from below it, too.
    pub dir: PathBuf,
    /// How old the newest backup of an instance becomes; 0 takes them only when asked.
    #[serde(default)]
    pub every_hours: u64,
    /// Largest backup, before it is compressed for the last time.
    #[serde(default = "snapshot_mebibytes")]
    pub max_mib: u64,
}

/// `[[mysql]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysqlServerConfig {
    /// The version that instances ask for.
    pub version: String,
    /// Address for the node.
    pub host: String,
    /// Port.
    #[serde(default = "mysql_port")]
    pub port: u16,
    /// Administrator.
    pub user: String,
    /// The administrator's password.
    pub password: SecretText,
    /// Address for applications; `host` when absent.
    #[serde(default)]
    pub public_host: Option<String>,
    /// Connections of the node.
    #[serde(default = "connections")]
    pub pool_size: usize,
    /// Program that dumps.
    #[serde(default = "dump_program")]
    pub dump_program: String,
    /// Program that loads.
    #[serde(default = "client_program")]
    pub client_program: String,
}

/// `[[offerings]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferingConfig {
    /// Name of the plugin.
    pub label: String,
    /// Prefix of its subjects.
    pub service: ServiceName,
    /// This node, as gateways know it.
    pub node_id: NodeId,
    /// The one plan served.
    pub plan: String,
    /// Versions served.
    pub versions: Vec<String>,
    /// Instances that fit.
    #[serde(default = "capacity")]
    pub capacity: u32,
    /// Whether a full node still takes instances.
    #[serde(default)]
    pub allow_over_provisioning: bool,
    /// How long what was purged is kept; 0 removes it at once.
    #[serde(default = "quarantine_hours")]
    pub quarantine_hours: u32,
    /// Most of the instances that a purge may name; more must be forced.
    #[serde(default = "purge_share_percent")]
    pub purge_share_percent: u32,
    /// How often it is announced, a fifth more or less.
    #[serde(default = "announcing")]
    pub announce_interval_seconds: u64,
    /// Of whom the gateways are.
    #[serde(default)]
    pub peers: Peers,
    /// What the guest may use.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Values for the guest.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Secrets for the guest.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretText>,
    /// How instances are measured.
    #[serde(default)]
    pub metering: MeteringConfig,
    /// How names on MySQL servers begin.
    #[serde(default)]
    pub mysql: MysqlNamesConfig,
}

/// Whose gateways drive this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peers {
    /// Ours: a subject for each node, headers, fences.
    #[default]
    Native,
    /// Those of 2013: one shared subject for announcements and reports.
    Original,
}

/// An interface that an operator grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Databases.
    Mysql,
    /// Directories.
    Files,
    /// Durable state.
    State,
    /// Secrets and random passwords.
    Secrets,
    /// Bulk bytes, for snapshots.
    Blob,
}

impl Capability {
    /// The interface in `wit/`.
    #[must_use]
    pub const fn interface(self) -> &'static str {
        match self {
            Self::Mysql => "tenon:host/mysql",
            Self::Files => "tenon:host/files",
            Self::State => "tenon:host/state",
            Self::Secrets => "tenon:host/secrets",
            Self::Blob => "tenon:host/blob",
        }
    }

    /// Whether the interface hands out or takes sinks and sources.
    #[must_use]
    pub const fn uses_blob(self) -> bool {
        match self {
            Self::Mysql | Self::Files | Self::Blob => true,
            Self::State | Self::Secrets => false,
        }
    }
}

/// `"text"`, or `{ file = "path" }`.
#[derive(Debug, Clone)]
pub struct SecretText(pub(crate) SecretSource);

/// Where a secret is.
#[derive(Debug, Clone)]
pub(crate) enum SecretSource {
    Text(Secret),
    File(PathBuf),
}

impl SecretText {
    /// The secret. Empty before the file was read, which [`Config::load`] does.
    #[must_use]
    pub fn secret(&self) -> Secret {
        match &self.0 {
            SecretSource::Text(secret) => secret.clone(),
            SecretSource::File(_) => Secret::new(String::new()),
        }
    }
}

const fn ten() -> u64 {
    10
}
const fn calls() -> u32 {
    64
}
const fn mebibytes() -> u32 {
    64
}
const fn budget() -> u64 {
    1_000
}
const fn job() -> u64 {
    600
}
const fn snapshot_mebibytes() -> u64 {
    10_240
}
const fn redirects() -> u32 {
    5
}
const fn fetch_seconds() -> u64 {
    300
}
const fn mysql_port() -> u16 {
    3306
}
const fn connections() -> usize {
    8
}
const fn capacity() -> u32 {
    200
}
const fn look_interval_seconds() -> u64 {
    600
}
const fn quarantine_hours() -> u32 {
    24
}
const fn announcing() -> u64 {
    30
}
const fn purge_share_percent() -> u32 {
    20
}
fn dump_program() -> String {
    "mariadb-dump".to_owned()
}
fn client_program() -> String {
    "mariadb".to_owned()
}
