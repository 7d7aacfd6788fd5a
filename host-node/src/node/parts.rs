//! The parts of a node, opened from its configuration.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use tenon_protocol::SealKey;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::backups::BackupStore;
use crate::capability::files::FilesContext;
use crate::capability::mysql::{MysqlContext, MysqlGrant, MysqlServers, ServerSettings};
use crate::config::{
    BackupsConfig, Capability, Config, MysqlServerConfig, OfferingConfig, SnapshotsConfig,
};
use crate::crash::Crash;
use crate::duties::Duties;
use crate::guest::{Bounds, Compiler, Grants, GuestEngine, Guests, Plugin, Watched};
use crate::ledger::{Ledger, LedgerError};
use crate::locks::Locks;
use crate::offering::Offering;
use crate::quarantine::Quarantine;
use crate::quota::Figures;
use crate::rounds::Rounds;
use crate::snapshots::SnapshotStore;
use crate::steps::Steps;
use crate::store_guard::StoreGuard;

/// What the process gives its node.
pub struct Environment {
    /// The runtime that guests run on, apart from the bus.
    pub guests: Handle,
    /// This program, which compiles components when called with `compile`.
    pub program: PathBuf,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A directory cannot be made or opened.
    #[error("{path} cannot be used")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The key that seals the ledger's secrets.
    #[error("the key in {path} cannot be used")]
    Key {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: tenon_protocol::SealError,
    },
    /// An offering's grant of databases.
    #[error("offering {label} cannot have databases")]
    Mysql {
        /// Which offering.
        label: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// wasmtime refuses this machine.
    #[error("guests cannot run on this machine: {0}")]
    Engine(String),
    /// The address of a page.
    #[error("cannot listen on {listen}")]
    Listen {
        /// Which address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Everything that is open.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) offerings: Arc<Vec<Arc<Offering>>>,
    pub(super) watched: Vec<Watched>,
    pub(super) guests: Guests,
    pub(super) servers: Arc<MysqlServers>,
}

impl Parts {
    pub(super) fn open(config: Config, environment: Environment) -> Result<Self, BuildError> {
        let data = &config.node.data_dir;
        let dir = open_private(data)?;
        let ledger = Ledger::open(&data.join("ledger.redb"))?;
        let key = seal_key(&dir, data)?;
        let memory = usize::try_from(config.guests.memory_mib).unwrap_or(64) << 20;
        let engine = GuestEngine::new(config.guests.max_calls, memory);
        let engine = engine.map_err(|error| BuildError::Engine(format!("{error:#}")))?;
        let guests = Guests::new(engine, environment.guests, bounds(&config));
        let compiler = compiler(environment.program, data, &ledger)?;
        let plugins = Arc::new(open_shared(&config.guests.plugins_dir)?);
        let (snapshots, backups) = (snapshots(&config)?, backups(&config)?);
        let scratch = data.join("scratch");
        drop(open_private(&scratch)?);
        let servers = Arc::new(MysqlServers::new(servers(&config)));

        let mut offerings = Vec::new();
        let mut watched = Vec::new();
        for offering in &config.offerings {
            let grants = Arc::new(grants(&config, offering, &ledger, &servers, &scratch)?);
            let plugin = Arc::new(Plugin::new(&offering.label));
            watched.push(Watched {
                plugin: Arc::clone(&plugin),
                grants: Arc::clone(&grants),
                guests: guests.clone(),
                compiler: compiler.clone(),
                dir: Arc::clone(&plugins),
                patience: Duration::from_secs(config.guests.drain_seconds),
            });
            let offering = Offering {
                config: offering.clone(),
                plugin,
                grants,
                guests: guests.clone(),
                ledger: ledger.clone(),
                key: key.clone(),
                locks: Locks::default(),
                figures: Figures::default(),
                steps: Steps::default(),
                quarantine: Quarantine::load(&ledger, &offering.service)?,
                store: StoreGuard::load(&ledger, &offering.service)?,
                snapshots: snapshots.clone(),
                backups: backups.clone(),
                backup_wanted: Notify::new(),
                crash: Crash::new(config.crash_at.clone()),
                changed: Notify::new(),
                duties: Duties::default(),
                used: AtomicI64::new(0),
                left_over: AtomicBool::new(false),
                well: AtomicBool::new(false),
                disabled: AtomicBool::new(false),
                provision_served: AtomicU64::new(0),
                binding_served: AtomicU64::new(0),
                complaints: Mutex::default(),
                report_wanted: Notify::new(),
                strangers: Rounds::default(),
            };
            offering.count_from_ledger()?;
            offerings.push(Arc::new(offering));
        }
        Ok(Self { config, offerings: Arc::new(offerings), watched, guests, servers })
    }

    /// The name under which the process logs in to the bus: that of its first node.
    pub(super) fn name(&self) -> &str {
        self.offerings.first().map_or("node", |offering| offering.node().as_str())
    }
}

fn snapshots(config: &Config) -> Result<Option<SnapshotStore>, BuildError> {
    let open = |snapshots: &SnapshotsConfig| {
        let ttl = Duration::from_secs(config.guests.job_timeout_seconds);
        SnapshotStore::open(snapshots, ttl).map_err(|source| directory(&snapshots.dir, source))
    };
    config.snapshots.as_ref().map(open).transpose()
}

fn backups(config: &Config) -> Result<Option<BackupStore>, BuildError> {
    let open = |backups: &BackupsConfig| {
        BackupStore::open(&backups.dir, backups.max_mib << 20, backups.every_hours * 3_600)
            .map_err(|source| directory(&backups.dir, source))
    };
    config.backups.as_ref().map(open).transpose()
}

fn compiler(program: PathBuf, data: &Path, ledger: &Ledger) -> Result<Compiler, BuildError> {
    let path = data.join("compiled");
    let dir = Arc::new(open_private(&path)?);
    Ok(Compiler { program, dir, path, ledger: ledger.clone() })
}

fn bounds(config: &Config) -> Bounds {
    let guests = &config.guests;
    Bounds {
        calls: guests.max_calls,
        cpu: Duration::from_millis(guests.cpu_budget_ms),
        call: Duration::from_secs(guests.call_timeout_seconds),
        job: Duration::from_secs(guests.job_timeout_seconds),
    }
}

fn grants(
    config: &Config,
    offering: &OfferingConfig,
    ledger: &Ledger,
    servers: &Arc<MysqlServers>,
    scratch: &Path,
) -> Result<Grants, BuildError> {
    let granted = |capability| offering.capabilities.contains(&capability);
    let mysql = granted(Capability::Mysql).then(|| mysql(offering, servers, scratch));
    let mysql = mysql.transpose()?;
    let path = config.node.data_dir.join("files").join(&offering.label);
    let files = if granted(Capability::Files) {
        let opened = FilesContext::open(open_private(&path)?, path.clone());
        Some(opened.map_err(|source| directory(&path, source))?)
    } else {
        None
    };
    let secrets = offering.secrets.iter().map(|(name, text)| (name.clone(), text.secret()));
    // What the node knows of the offering anyway, an operator need not repeat.
    let mut settings = offering.settings.clone();
    settings.entry("versions".to_owned()).or_insert_with(|| offering.versions.join(","));
    settings.entry("plan".to_owned()).or_insert_with(|| offering.plan.clone());
    Ok(Grants {
        plugin: offering.label.clone(),
        capabilities: offering.capabilities.clone(),
        settings: Arc::new(settings),
        secrets: secrets.collect(),
        mysql,
        files,
        ledger: ledger.clone(),
    })
}

fn servers(config: &Config) -> Vec<ServerSettings> {
    let settings = |server: &MysqlServerConfig| ServerSettings {
        version: server.version.clone(),
        host: server.host.clone(),
        port: server.port,
        user: server.user.clone(),
        password: server.password.secret(),
        public_host: server.public_host.clone().unwrap_or_else(|| server.host.clone()),
        pool_size: server.pool_size,
        dump_program: server.dump_program.clone(),
        client_program: server.client_program.clone(),
    };
    config.mysql.iter().map(settings).collect()
}

fn mysql(
    offering: &OfferingConfig,
    servers: &Arc<MysqlServers>,
    scratch: &Path,
) -> Result<MysqlContext, BuildError> {
    let scratch_path = scratch.join(&offering.label);
    let grant = MysqlGrant {
        servers: Arc::clone(servers),
        versions: offering.versions.iter().cloned().collect(),
        database_prefix: offering.mysql.database_prefix.clone(),
        account_prefix: offering.mysql.account_prefix.clone(),
        scratch: open_private(&scratch_path)?,
        scratch_path,
    };
    let label = offering.label.clone();
    MysqlContext::new(grant).map_err(|error| BuildError::Mysql { label, source: Box::new(error) })
}

/// The key in `seal.key`, made at the first start.
fn seal_key(dir: &Dir, data: &Path) -> Result<SealKey, BuildError> {
    const FILE: &str = "seal.key";
    let path = data.join(FILE).display().to_string();
    let broken = |source| directory(&data.join(FILE), source);
    let text = match dir.read_to_string(FILE) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = SealKey::random_hex();
            write_private(dir, FILE, &text).map_err(broken)?;
            text
        }
        Err(error) => return Err(broken(error)),
    };
    SealKey::from_hex(&text).map_err(|source| BuildError::Key { path, source })
}

fn write_private(dir: &Dir, name: &str, text: &str) -> io::Result<()> {
    use io::Write;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = dir.open_with(name, &options)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A directory that only this user may enter.
fn open_private(path: &Path) -> Result<Dir, BuildError> {
    use cap_std::fs::{Permissions, PermissionsExt};
    let dir = open_shared(path)?;
    let private = dir.set_permissions(".", Permissions::from_mode(0o700));
    private.map_err(|source| directory(path, source))?;
    Ok(dir)
}

fn open_shared(path: &Path) -> Result<Dir, BuildError> {
    Dir::create_ambient_dir_all(path, ambient_authority())
        .and_then(|()| Dir::open_ambient_dir(path, ambient_authority()))
        .map_err(|source| directory(path, source))
}

fn directory(path: &Path, source: io::Error) -> BuildError {
    BuildError::Directory { path: path.display().to_string(), source }
}
