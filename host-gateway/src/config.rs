//! The configuration file: `docs/reference/config.md`, section "Gateway".
//!
//! Parsed and checked whole before anything is bound. Unknown keys are refused; every error names
//! file, line and key, and says what is allowed. Knows no network.

mod check;
mod cloud_controller;
mod defaults;
mod error;
mod file;
mod secret;
mod snapshots;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tenon_protocol::{SealKey, Secret, ServiceName};

pub use cloud_controller::{Api, CloudControllerConfig, Grant, ProxyConfig, UaaConfig};
pub use error::ConfigError;
use file::ConfigFile;
pub use snapshots::{SnapshotsConfig, UploadsConfig};

/// All that the operator decides.
#[derive(Debug)]
pub struct Config {
    /// What the platform calls.
    pub http: HttpConfig,
    /// What operators call.
    pub admin: AdminConfig,
    /// The pages for collectors of 2013.
    pub component: ComponentConfig,
    /// The bus.
    pub nats: NatsConfig,
    /// Where records are kept.
    pub state: StateConfig,
    /// What users download; `None` when nothing can be.
    pub snapshots: Option<SnapshotsConfig>,
    /// The platform; `None` when there is none.
    pub cloud_controller: Option<CloudControllerConfig>,
    /// What can be ordered; at least one.
    pub offerings: Vec<OfferingConfig>,
}

/// `[http]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Told to the cloud controller; `None` is the address that was bound.
    pub public_url: Option<String>,
    /// Larger bodies get 30005.
    #[serde(default = "defaults::max_body_bytes")]
    pub max_body_bytes: usize,
    /// More operations at once get 30600.
    #[serde(default = "defaults::max_in_flight")]
    pub max_in_flight: usize,
    /// More connections at once wait to be accepted.
    #[serde(default = "defaults::max_connections")]
    pub max_connections: usize,
    /// How long a stop waits for operations in flight.
    #[serde(default = "defaults::drain_seconds")]
    pub drain_seconds: u64,
    /// Who takes nothing of an answer, or sends nothing of an upload, for so long is let go.
    #[serde(default = "defaults::stall_seconds")]
    pub stall_seconds: u64,
}

impl HttpConfig {
    /// How long a peer may do nothing.
    #[must_use]
    pub const fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds)
    }
}

/// `[admin]`.
#[derive(Debug)]
pub struct AdminConfig {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// `Authorization: Bearer <token>`.
    pub token: Secret,
}

/// `[component]`.
#[derive(Debug)]
pub struct ComponentConfig {
    /// Whether offerings register as components; `None`: those with original peers do.
    pub announce: Option<bool>,
    /// Address of the first one's page; the others have the ports after it. Port 0 takes free ones.
    pub listen: SocketAddr,
    /// Address that collectors are told; `None` is that of `listen`.
    pub public_host: Option<String>,
    /// This process among its like.
    pub index: u32,
    /// User of the pages; random when `None`.
    pub user: Option<String>,
    /// Their password; random when `None`.
    pub password: Option<Secret>,
}

/// `[nats]`.
#[derive(Debug)]
pub struct NatsConfig {
    /// `nats://host:port`, or several separated by commas.
    pub url: String,
    /// Name and password; `None` when the server asks for none.
    pub login: Option<(String, Secret)>,
}

/// `[state]`.
#[derive(Debug)]
pub struct StateConfig {
    /// Seals credentials; the same for all gateways of a platform.
    pub seal_key: SealKey,
    /// 1 or 3.
    pub replicas: Replicas,
    /// How often left-over work is looked for.
    pub reconcile_interval: Duration,
    /// How often all records are read anew, whatever has changed.
    pub reread_interval: Duration,
    /// How long a removed record is kept.
    pub tomb_life: Duration,
    /// A job that has not ended by then has failed.
    pub job_life: Duration,
}

/// Copies of each record, and so the shape of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub enum Replicas {
    /// 16 buckets on one server.
    One,
    /// One bucket on a cluster of three.
    Three,
}

/// `[[offerings]]`.
#[derive(Debug)]
pub struct OfferingConfig {
    /// For example `mysql`; without a dash.
    pub label: String,
    /// For example `10.11`; with the label it makes the classic label `mysql-10.11`.
    pub version: String,
    /// Prefix of its subjects.
    pub service: ServiceName,
    /// `X-VCAP-Service-Token`, both ways.
    pub token: Secret,
    /// Accepted besides, while the platform is being given another one.
    pub next_token: Option<Secret>,
    /// Its id in a version 2 cloud controller.
    pub unique_id: String,
    /// `core` unless configured.
    pub provider: String,
    /// For people.
    pub description: String,
    /// Versions that can be ordered.
    pub supported_versions: Vec<String>,
    /// For example `current`.
    pub version_aliases: BTreeMap<String, String>,
    /// The plan that the cloud controller takes when none is named.
    pub default_plan: String,
    /// For people.
    pub tags: Vec<String>,
    /// Who may order, as the cloud controller understands it; `None` is everybody.
    pub acls: Option<serde_json::Value>,
    /// For people; only a version 2 cloud controller hears of it.
    pub listing: Listing,
    /// How long the cloud controller waits for the gateway.
    pub platform_timeout: Duration,
    /// For one request of the platform, over all attempts.
    pub node_timeout: Duration,
    /// For one step of a move to another node, dump or load included.
    pub move_timeout: Duration,
    /// How often orphans are looked for; `None` only when asked.
    pub check_orphan_interval: Option<Duration>,
    /// How long after the first look at original nodes the second one is taken.
    pub double_check_orphan_interval: Duration,
    /// A node that was silent for so long is gone.
    pub forget_node: Duration,
    /// What the nodes speak.
    pub peers: Peers,
    /// Whether tools on the bus may change handles.
    pub handle_updates: HandleUpdates,
    /// At least one.
    pub plans: Vec<PlanConfig>,
}

/// How an offering is shown in a marketplace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Who provides it.
    pub provider_name: Option<String>,
    /// URL of a picture.
    pub logo_url: Option<String>,
    /// One sentence.
    pub blurb: Option<String>,
}

/// What the nodes of an offering speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peers {
    /// Ours: a subject of its own for each node, orders in headers.
    #[default]
    Native,
    /// Nodes of 2013: shared subjects, no headers.
    Original,
}

/// What becomes of `S.update_service_handle`, which anybody on the bus may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandleUpdates {
    /// Nothing.
    #[default]
    Ignore,
    /// It is believed; with original peers only.
    Accept,
}

/// `[[offerings.plans]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanConfig {
    /// Its name, which nodes know.
    pub name: String,
    /// Its id, which the cloud controller sends; unique over all offerings.
    pub unique_id: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Whether it costs nothing.
    #[serde(default = "defaults::free")]
    pub free: bool,
    /// Its id for billing.
    pub cf_plan_id: Option<String>,
    /// JSON for a marketplace; only a version 2 cloud controller hears of it.
    pub extra: Option<String>,
    /// What its instances can do besides.
    #[serde(default)]
    pub extensions: Vec<Extension>,
    /// `None` is no limit.
    pub snapshot_quota: Option<usize>,
    /// Whether full nodes are ordered from.
    #[serde(default)]
    pub allow_over_provisioning: bool,
    /// Shown to collectors: with less free capacity there should be more nodes.
    #[serde(default)]
    pub low_water: u64,
    /// Shown to collectors: with more, fewer.
    #[serde(default)]
    pub high_water: u64,
}

/// What a plan can allow besides the basic operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extension {
    /// Snapshots and roll-back.
    Snapshot,
    /// Transfer of snapshots by URL.
    Serialization,
    /// To look at jobs.
    Job,
}

impl Extension {
    /// The word in the file and in error texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Serialization => "serialization",
            Self::Job => "job",
        }
    }
}

/// Whether `given` is `token`, or the next one; the time does not tell which was close.
pub(crate) fn is_one_of(given: &str, token: &Secret, next: Option<&Secret>) -> bool {
    let is_next = next.is_some_and(|next| next.matches(given));
    token.matches(given) | is_next
}

impl OfferingConfig {
    /// The classic label: `mysql-10.11`.
    #[must_use]
    pub fn classic_label(&self) -> String {
        format!("{}-{}", self.label, self.version)
    }

    /// Whether `given` is its token, or the next one.
    #[must_use]
    pub fn admits(&self, given: &str) -> bool {
        is_one_of(given, &self.token, self.next_token.as_ref())
    }

    /// The id that a version 1 cloud controller gives the offering, which was told none.
    ///
    /// Source: the reference, section 2.2.1.
    #[must_use]
    pub fn derived_unique_id(&self) -> String {
        format!("{}_{}", self.provider, self.label)
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names file, line and key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = secret::read_file(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Parses and checks `text`, which stands in the file `path`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names file, line and key.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: ConfigFile =
            toml::from_str(text).map_err(|source| ConfigError::form(path, text, &source))?;
        let dir = path.parent().unwrap_or_else(|| Path::new("."));
        file.resolve(dir).and_then(check::check).map_err(|problem| problem.at(path, text))
    }
}

impl TryFrom<u8> for Replicas {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::One),
            3 => Ok(Self::Three),
            0 | 2 | 4..=u8::MAX => Err("replicas must be 1 or 3"),
        }
    }
}

#[cfg(test)]
mod tests;
