//! The configuration file: `docs/reference/config.md`, section "Gateway".
//!
//! Parsed and checked whole before anything is bound. Unknown keys are refused; every error names
//! file, line and key, and says what is allowed. Knows no network.

mod check;
mod error;
mod position;
mod secret;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tenon_protocol::{SealKey, Secret, ServiceName};

pub use error::ConfigError;
use secret::SecretSource;

/// All that the operator decides.
#[derive(Debug)]
pub struct Config {
    /// What the platform calls.
    pub http: HttpConfig,
    /// What operators call.
    pub admin: AdminConfig,
    /// The bus.
    pub nats: NatsConfig,
    /// Where records are kept.
    pub state: StateConfig,
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
}

/// `[admin]`.
#[derive(Debug)]
pub struct AdminConfig {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// `Authorization: Bearer <token>`.
    pub token: Secret,
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
    /// How long a removed record is kept.
    pub tomb_life: Duration,
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

/// `[cloud_controller]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudControllerConfig {
    /// Its base.
    pub url: String,
    /// Which of its interfaces is spoken.
    #[serde(default)]
    pub api: Api,
    /// How often offerings are announced to it.
    #[serde(default = "defaults::heartbeat_interval_seconds")]
    pub heartbeat_interval_seconds: u64,
    /// Pause between attempts to fetch handles, until the first success.
    #[serde(default = "defaults::handle_fetch_interval_seconds")]
    pub handle_fetch_interval_seconds: u64,
}

/// Interfaces of cloud controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `/services/v1/offerings`.
    #[default]
    V1,
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
    /// For one request of the platform, over all attempts.
    pub node_timeout: Duration,
    /// What the nodes speak.
    pub peers: Peers,
    /// At least one.
    pub plans: Vec<PlanConfig>,
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
    /// What its instances can do besides.
    #[serde(default)]
    pub extensions: Vec<Extension>,
    /// `None` is no limit.
    pub snapshot_quota: Option<usize>,
    /// Whether full nodes are ordered from.
    #[serde(default)]
    pub allow_over_provisioning: bool,
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

impl OfferingConfig {
    /// The classic label: `mysql-10.11`.
    #[must_use]
    pub fn classic_label(&self) -> String {
        format!("{}-{}", self.label, self.version)
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

/// The file as it is written, before secrets are read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    http: HttpConfig,
    admin: AdminFile,
    nats: NatsFile,
    state: StateFile,
    cloud_controller: Option<CloudControllerConfig>,
    offerings: Vec<OfferingFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminFile {
    listen: SocketAddr,
    token: SecretSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NatsFile {
    url: String,
    user: Option<String>,
    password: Option<SecretSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    seal_key: SecretSource,
    #[serde(default = "defaults::replicas")]
    replicas: Replicas,
    #[serde(default = "defaults::reconcile_interval_seconds")]
    reconcile_interval_seconds: u64,
    #[serde(default = "defaults::tomb_days")]
    tomb_days: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferingFile {
    label: String,
    version: String,
    service: ServiceName,
    token: SecretSource,
    #[serde(default = "defaults::provider")]
    provider: String,
    #[serde(default)]
    description: String,
    supported_versions: Option<Vec<String>>,
    #[serde(default)]
    version_aliases: BTreeMap<String, String>,
    default_plan: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "defaults::node_timeout_seconds")]
    node_timeout_seconds: u64,
    #[serde(default)]
    peers: Peers,
    plans: Vec<PlanConfig>,
}

impl ConfigFile {
    fn resolve(self, dir: &Path) -> Result<Config, check::Problem> {
        let offerings = self.offerings.into_iter().enumerate();
        let offerings = offerings.map(|(n, offering)| offering.resolve(n, dir));
        Ok(Config {
            http: self.http,
            admin: AdminConfig {
                listen: self.admin.listen,
                token: self.admin.token.read("admin.token", dir)?,
            },
            nats: self.nats.resolve(dir)?,
            state: self.state.resolve(dir)?,
            cloud_controller: self.cloud_controller,
            offerings: offerings.collect::<Result<_, _>>()?,
        })
    }
}

impl NatsFile {
    fn resolve(self, dir: &Path) -> Result<NatsConfig, check::Problem> {
        let login = match (self.user, self.password) {
            (Some(user), Some(password)) => Some((user, password.read("nats.password", dir)?)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(check::Problem::new("nats.user", "needs nats.password beside it"));
            }
            (None, Some(_)) => {
                return Err(check::Problem::new("nats.password", "needs nats.user beside it"));
            }
        };
        Ok(NatsConfig { url: self.url, login })
    }
}

impl StateFile {
    fn resolve(self, dir: &Path) -> Result<StateConfig, check::Problem> {
        let hex = self.seal_key.read("state.seal_key", dir)?;
        let seal_key = SealKey::from_hex(hex.reveal())
            .map_err(|_bad_key| check::Problem::new("state.seal_key", "must be 64 hex digits"))?;
        check::range("state.reconcile_interval_seconds", self.reconcile_interval_seconds, 1..=3600)?;
        check::range("state.tomb_days", self.tomb_days, 1..=3650)?;
        Ok(StateConfig {
            seal_key,
            replicas: self.replicas,
            reconcile_interval: Duration::from_secs(self.reconcile_interval_seconds),
            tomb_life: Duration::from_secs(self.tomb_days * 86_400),
        })
    }
}

impl OfferingFile {
    fn resolve(self, number: usize, dir: &Path) -> Result<OfferingConfig, check::Problem> {
        let key = |name: &str| format!("offerings.{number}.{name}");
        check::range(&key("node_timeout_seconds"), self.node_timeout_seconds, 1..=600)?;
        let first_plan = self.plans.first().map(|plan| plan.name.clone()).unwrap_or_default();
        Ok(OfferingConfig {
            token: self.token.read(&key("token"), dir)?,
            supported_versions: self.supported_versions.unwrap_or_else(|| vec![self.version.clone()]),
            default_plan: self.default_plan.unwrap_or(first_plan),
            node_timeout: Duration::from_secs(self.node_timeout_seconds),
            label: self.label,
            version: self.version,
            service: self.service,
            provider: self.provider,
            description: self.description,
            version_aliases: self.version_aliases,
            tags: self.tags,
            peers: self.peers,
            plans: self.plans,
        })
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

/// What is meant by an absent key. The page names them all.
mod defaults {
    use super::Replicas;

    pub(super) const fn max_body_bytes() -> usize {
        1 << 20
    }
    pub(super) const fn max_in_flight() -> usize {
        512
    }
    pub(super) const fn max_connections() -> usize {
        4096
    }
    pub(super) const fn drain_seconds() -> u64 {
        10
    }
    pub(super) const fn replicas() -> Replicas {
        Replicas::One
    }
    pub(super) const fn reconcile_interval_seconds() -> u64 {
        10
    }
    pub(super) const fn tomb_days() -> u64 {
        7
    }
    pub(super) const fn heartbeat_interval_seconds() -> u64 {
        60
    }
    pub(super) const fn handle_fetch_interval_seconds() -> u64 {
        1
    }
    pub(super) const fn node_timeout_seconds() -> u64 {
        5
    }
    pub(super) const fn free() -> bool {
        true
    }
    pub(super) fn provider() -> String {
        "core".to_owned()
    }
}

#[cfg(test)]
mod tests;
