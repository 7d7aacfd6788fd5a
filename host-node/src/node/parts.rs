//! The parts of a node, opened from its configuration.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use tenon_protocol::SealKey;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::capability::files::FilesContext;
use crate::capability::mysql::{MysqlContext, MysqlServers};
use crate::config::{Capability, Config, OfferingConfig};
use crate::crash::Crash;
use crate::guest::{Bounds, Compiler, Grants, GuestEngine, Guests, Plugin, Watched};
use crate::ledger::{Ledger, LedgerError};
use crate::locks::Locks;
use crate::offering::Offering;
use crate::snapshots::SnapshotStore;

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
    /// wasmtime refuses this machine.
    #[error("guests cannot run on this machine: {0}")]
    Engine(String),
    /// The address of the health page.
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
        let compiled = data.join("compiled");
        let compiler = Compiler {
            program: environment.program,
            dir: Arc::new(open_private(&compiled)?),
            path: compiled,
            ledger: ledger.clone(),
        };
        let plugins = Arc::new(open_shared(&config.guests.plugins_dir)?);
        let snapshots = config.snapshots.as_ref().map(|snapshots| {
            SnapshotStore::open(&snapshots.dir, snapshots.max_mib << 20)
                .map_err(|source| directory(&snapshots.dir, source))
        });
        let snapshots = snapshots.transpose()?;
        let scratch = data.join("scratch");
        drop(open_private(&scratch)?);
        let servers = MysqlServers::new(&config.mysql);

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
                snapshots: snapshots.clone(),
                crash: Crash::new(config.crash_at.clone()),
                changed: Notify::new(),
                used: AtomicI64::new(0),
                well: AtomicBool::new(false),
            };
            offering.count_from_ledger()?;
            offerings.push(Arc::new(offering));
        }
        Ok(Self { config, offerings: Arc::new(offerings), watched, guests })
    }

    /// The name under which the process logs in to the bus: that of its first node.
    pub(super) fn name(&self) -> &str {
        self.offerings.first().map_or("node", |offering| offering.node().as_str())
    }
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
    servers: &MysqlServers,
    scratch: &Path,
) -> Result<Grants, BuildError> {
    let granted = |capability| offering.capabilities.contains(&capability);
    let mysql = granted(Capability::Mysql)
        .then(|| MysqlContext::open(servers.clone(), &offering.mysql, scratch))
        .transpose()
        .map_err(|source| directory(scratch, source))?;
    let path = config.node.data_dir.join("files").join(&offering.label);
    let files = if granted(Capability::Files) {
        let opened = FilesContext::open(open_private(&path)?, path.clone());
        Some(opened.map_err(|source| directory(&path, source))?)
    } else {
        None
    };
    let secrets = offering.secrets.iter().map(|(name, text)| (name.clone(), text.secret()));
    Ok(Grants {
        plugin: offering.label.clone(),
        capabilities: offering.capabilities.clone(),
        settings: Arc::new(offering.settings.clone()),
        secrets: secrets.collect(),
        mysql,
        files,
        ledger: ledger.clone(),
    })
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
