//! The file as it is written, before secrets are read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tenon_protocol::{SealKey, ServiceName};

use super::check::{self, Problem};
use super::cloud_controller::CloudControllerFile;
use super::secret::SecretSource;
use super::snapshots::SnapshotsFile;
use super::{
    AdminConfig, ComponentConfig, Config, HandleUpdates, HttpConfig, Listing, NatsConfig,
    OfferingConfig, Peers, PlanConfig, Replicas, StateConfig, defaults,
};

/// All of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    http: HttpConfig,
    admin: AdminFile,
    #[serde(default)]
    component: ComponentFile,
    nats: NatsFile,
    state: StateFile,
    snapshots: Option<SnapshotsFile>,
    cloud_controller: Option<CloudControllerFile>,
    offerings: Vec<OfferingFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminFile {
    listen: SocketAddr,
    token: SecretSource,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ComponentFile {
    announce: Option<bool>,
    listen: Option<SocketAddr>,
    public_host: Option<String>,
    index: u32,
    user: Option<String>,
    password: Option<SecretSource>,
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
    #[serde(default = "defaults::reread_interval_seconds")]
    reread_interval_seconds: u64,
    #[serde(default = "defaults::tomb_days")]
    tomb_days: u64,
    #[serde(default = "defaults::job_life_seconds")]
    job_life_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferingFile {
    label: String,
    version: String,
    service: ServiceName,
    token: SecretSource,
    next_token: Option<SecretSource>,
    unique_id: Option<String>,
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
    acls: Option<serde_json::Value>,
    provider_name: Option<String>,
    logo_url: Option<String>,
    blurb: Option<String>,
    platform_timeout_seconds: Option<u64>,
    #[serde(default = "defaults::node_timeout_seconds")]
    node_timeout_seconds: u64,
    #[serde(default = "defaults::move_timeout_seconds")]
    move_timeout_seconds: u64,
    #[serde(default = "defaults::check_orphan_interval_seconds")]
    check_orphan_interval_seconds: i64,
    #[serde(default = "defaults::double_check_orphan_interval_seconds")]
    double_check_orphan_interval_seconds: u64,
    #[serde(default = "defaults::forget_node_seconds")]
    forget_node_seconds: u64,
    #[serde(default)]
    peers: Peers,
    #[serde(default)]
    handle_updates: HandleUpdates,
    plans: Vec<PlanConfig>,
}

impl ConfigFile {
    /// Reads the secrets. A relative path is relative to `dir`.
    ///
    /// # Errors
    ///
    /// [`Problem`] names the key.
    pub(super) fn resolve(self, dir: &Path) -> Result<Config, Problem> {
        let offerings = self.offerings.into_iter().enumerate();
        let offerings = offerings.map(|(n, offering)| offering.resolve(n, dir));
        Ok(Config {
            http: self.http,
            admin: AdminConfig {
                listen: self.admin.listen,
                token: self.admin.token.read("admin.token", dir)?,
            },
            component: self.component.resolve(dir)?,
            nats: self.nats.resolve(dir)?,
            state: self.state.resolve(dir)?,
            snapshots: self.snapshots.map(|snapshots| snapshots.resolve(dir)).transpose()?,
            cloud_controller: self.cloud_controller.map(|cc| cc.resolve(dir)).transpose()?,
            offerings: offerings.collect::<Result<_, _>>()?,
        })
    }
}

impl ComponentFile {
    fn resolve(self, dir: &Path) -> Result<ComponentConfig, Problem> {
        let password = self.password.map(|password| password.read("component.password", dir));
        Ok(ComponentConfig {
            announce: self.announce,
            listen: self.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
            public_host: self.public_host,
            index: self.index,
            user: self.user,
            password: password.transpose()?,
        })
    }
}

impl NatsFile {
    fn resolve(self, dir: &Path) -> Result<NatsConfig, Problem> {
        let login = match (self.user, self.password) {
            (Some(user), Some(password)) => Some((user, password.read("nats.password", dir)?)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(Problem::new("nats.user", "needs nats.password beside it"));
            }
            (None, Some(_)) => {
                return Err(Problem::new("nats.password", "needs nats.user beside it"));
            }
        };
        Ok(NatsConfig { url: self.url, login })
    }
}

impl StateFile {
    fn resolve(self, dir: &Path) -> Result<StateConfig, Problem> {
        let hex = self.seal_key.read("state.seal_key", dir)?;
        let seal_key = SealKey::from_hex(hex.reveal())
            .map_err(|_bad_key| Problem::new("state.seal_key", "must be 64 hex digits"))?;
        check::range(
            "state.reconcile_interval_seconds",
            self.reconcile_interval_seconds,
            1..=3600,
        )?;
        check::range("state.reread_interval_seconds", self.reread_interval_seconds, 1..=86_400)?;
        check::range("state.tomb_days", self.tomb_days, 1..=3650)?;
        check::range("state.job_life_seconds", self.job_life_seconds, 10..=604_800)?;
        Ok(StateConfig {
            seal_key,
            replicas: self.replicas,
            reconcile_interval: Duration::from_secs(self.reconcile_interval_seconds),
            reread_interval: Duration::from_secs(self.reread_interval_seconds),
            tomb_life: Duration::from_secs(self.tomb_days * 86_400),
            job_life: Duration::from_secs(self.job_life_seconds),
        })
    }
}

impl OfferingFile {
    fn resolve(self, number: usize, dir: &Path) -> Result<OfferingConfig, Problem> {
        let key = |name: &str| format!("offerings.{number}.{name}");
        check::range(&key("node_timeout_seconds"), self.node_timeout_seconds, 1..=600)?;
        // The platform waits longer than this gateway, which waits longer than its nodes.
        let platform_timeout =
            self.platform_timeout_seconds.unwrap_or(self.node_timeout_seconds.saturating_mul(3));
        check::range(&key("platform_timeout_seconds"), platform_timeout, 1..=86_400)?;
        let next_token = self.next_token.map(|token| token.read(&key("next_token"), dir));
        let derived = format!("{}_{}", self.provider, self.label);
        check::range(&key("move_timeout_seconds"), self.move_timeout_seconds, 1..=86_400)?;
        let check_orphan_interval = match self.check_orphan_interval_seconds {
            // As in the original.
            -1 => None,
            seconds => {
                check::range(&key("check_orphan_interval_seconds"), seconds, 1..=31_536_000)?;
                Some(Duration::from_secs(seconds.unsigned_abs()))
            }
        };
        let double_check = self.double_check_orphan_interval_seconds;
        check::range(&key("double_check_orphan_interval_seconds"), double_check, 1..=86_400)?;
        check::range(&key("forget_node_seconds"), self.forget_node_seconds, 1..=3_600)?;
        let first_plan = self.plans.first().map(|plan| plan.name.clone()).unwrap_or_default();
        Ok(OfferingConfig {
            token: self.token.read(&key("token"), dir)?,
            next_token: next_token.transpose()?,
            unique_id: self.unique_id.unwrap_or(derived),
            supported_versions: self
                .supported_versions
                .unwrap_or_else(|| vec![self.version.clone()]),
            default_plan: self.default_plan.unwrap_or(first_plan),
            node_timeout: Duration::from_secs(self.node_timeout_seconds),
            platform_timeout: Duration::from_secs(platform_timeout),
            acls: self.acls,
            listing: Listing {
                provider_name: self.provider_name,
                logo_url: self.logo_url,
                blurb: self.blurb,
            },
            move_timeout: Duration::from_secs(self.move_timeout_seconds),
            check_orphan_interval,
            double_check_orphan_interval: Duration::from_secs(double_check),
            forget_node: Duration::from_secs(self.forget_node_seconds),
            label: self.label,
            version: self.version,
            service: self.service,
            provider: self.provider,
            description: self.description,
            version_aliases: self.version_aliases,
            tags: self.tags,
            peers: self.peers,
            handle_updates: self.handle_updates,
            plans: self.plans,
        })
    }
}
