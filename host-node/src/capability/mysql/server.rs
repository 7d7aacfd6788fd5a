//! The servers of a node: one pool of administrator's connections for each version.
//!
//! Connects when first used. A server that is away costs a call [`CONNECT_TIMEOUT`], and serves
//! again by itself when it is back.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{
    Conn, Opts, OptsBuilder, Params, Pool, PoolConstraints, PoolOpts, Row, from_row_opt,
};
use rand::RngExt;
use tenon_protocol::Secret;
use tenon_protocol::chain;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use super::error::{MysqlError, NoAnswer};
use super::name::DatabaseName;
use super::program::Programs;
use super::statement::Flavour;

/// Longest wait for a connection: a free one of the pool, or a new one.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest wait for one statement of an administrator. The server goes on with it: all of them
/// can be repeated.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections beyond use are closed, so that a server that others need has them.
const IDLE: Duration = Duration::from_secs(60);

/// Names and passwords are quoted for this mode, and no statement waits for a lock for ever. The
/// time is that in which a server tells when a transaction began.
const SETUP: &str = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', \
    autocommit = 1, lock_wait_timeout = 10, time_zone = 'SYSTEM'";

/// Told to the driver, which would ask each new connection otherwise.
const MAX_PACKET: usize = 16 << 20;
const WAIT_TIMEOUT_SECONDS: usize = 28_800;

/// One `[[mysql]]` of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct ServerSettings {
    /// What instances ask for.
    pub(crate) version: String,
    /// Address and port for the node.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The administrator.
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// Address for applications.
    pub(crate) public_host: String,
    /// Most connections of the administrator.
    pub(crate) pool_size: usize,
    pub(crate) dump_program: String,
    pub(crate) client_program: String,
}

/// All servers of a node. Made once; used on one runtime, to which its connections are bound.
pub(crate) struct MysqlServers {
    servers: BTreeMap<String, Arc<MysqlServer>>,
    tasks: TaskTracker,
}

impl MysqlServers {
    /// The servers, none of them asked for anything yet.
    pub(crate) fn new(settings: Vec<ServerSettings>) -> Self {
        let tasks = TaskTracker::new();
        let server = |settings: ServerSettings| {
            let version = settings.version.clone();
            (version, Arc::new(MysqlServer::new(settings, tasks.clone())))
        };
        Self { servers: settings.into_iter().map(server).collect(), tasks }
    }

    pub(super) fn get(&self, version: &str) -> Option<&Arc<MysqlServer>> {
        self.servers.get(version)
    }

    /// Waits for what goes on without its call: loads that put the old content back, statements
    /// that are being ended. Then closes the connections. Bound it by the node's drain.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        for server in self.servers.values() {
            if let Err(error) = server.pool.clone().disconnect().await {
                let version = &server.settings.version;
                tracing::debug!(version, error = %chain(&error), "not closed");
            }
        }
    }
}

/// One server.
pub(super) struct MysqlServer {
    pub(super) settings: ServerSettings,
    pub(super) programs: Programs,
    /// What outlives a call.
    pub(super) tasks: TaskTracker,
    pool: Pool,
    flavour: OnceCell<Flavour>,
    /// Passwords of the node's own accounts are made from it. New with each process, never stored.
    key: [u8; 32],
    /// Databases that a load works on.
    claims: Arc<Mutex<HashSet<DatabaseName>>>,
}

/// A database that nobody else loads. Given back when dropped.
pub(super) struct Claim {
    claims: Arc<Mutex<HashSet<DatabaseName>>>,
    name: DatabaseName,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.claims).remove(&self.name);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MysqlServer {
    fn new(settings: ServerSettings, tasks: TaskTracker) -> Self {
        let constraints = PoolConstraints::new(0, settings.pool_size.max(1)).unwrap_or_default();
        let pool = PoolOpts::default()
            .with_constraints(constraints)
            .with_inactive_connection_ttl(IDLE)
            .with_ttl_check_interval(IDLE)
            // No statement of the administrator leaves anything behind in its session.
            .with_reset_connection(false);
        let opts = basic_opts(&settings)
            .user(Some(settings.user.clone()))
            .pass(Some(settings.password.reveal()))
            .max_allowed_packet(Some(MAX_PACKET))
            .setup(vec![SETUP])
            .pool_opts(pool);
        let programs = Programs::of(&settings);
        Self {
            programs,
            tasks,
            pool: Pool::new(Opts::from(opts)),
            flavour: OnceCell::new(),
            key: rand::rng().random(),
            claims: Arc::default(),
            settings,
        }
    }

    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// # Errors
    ///
    /// [`MysqlError::Busy`] when an earlier call's load has not ended yet.
    pub(super) fn claim(&self, name: &DatabaseName) -> Result<Claim, MysqlError> {
        if !lock(&self.claims).insert(name.clone()) {
            return Err(MysqlError::Busy);
        }
        Ok(Claim { claims: Arc::clone(&self.claims), name: name.clone() })
    }

    pub(super) fn version(&self) -> &str {
        &self.settings.version
    }

    /// A connection of the administrator.
    pub(super) async fn admin(&self) -> Result<Admin<'_>, MysqlError> {
        let conn = self.within(CONNECT_TIMEOUT, self.pool.get_conn()).await;
        // That the administrator may not log in is no guest's affair.
        let mut conn = conn.map_err(|error| {
            if matches!(error, MysqlError::Server { .. }) {
                return MysqlError::away(self.version(), error);
            }
            error
        })?;
        // Asked once: it is the same for all connections.
        let flavour = self.flavour.get_or_try_init(|| self.detect_flavour(&mut conn)).await?;
        let flavour = *flavour;
        Ok(Admin { conn, server: self, flavour })
    }

    async fn detect_flavour(&self, conn: &mut Conn) -> Result<Flavour, MysqlError> {
        let answer = conn.query_first::<Row, _>("SELECT VERSION()");
        let row = self.within(STATEMENT_TIMEOUT, answer).await?;
        let version = row.and_then(|row| from_row_opt::<(String,)>(row).ok());
        Ok(Flavour::of_version(&version.unwrap_or_default().0))
    }

    /// Whose dialect the server speaks.
    pub(super) async fn flavour(&self) -> Result<Flavour, MysqlError> {
        match self.flavour.get() {
            Some(flavour) => Ok(*flavour),
            None => Ok(self.admin().await?.flavour()),
        }
    }

    /// Connects as somebody else.
    pub(super) async fn connect(&self, opts: OptsBuilder) -> Result<Conn, MysqlError> {
        self.within(CONNECT_TIMEOUT, Conn::new(Opts::from(opts))).await
    }

    /// Waits for the driver, but not for ever.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = mysql_async::Result<T>> + Send,
    ) -> Result<T, MysqlError> {
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| MysqlError::of_driver(self.version(), error)),
            Err(_elapsed) => Err(MysqlError::away(self.version(), NoAnswer(limit))),
        }
    }
}

/// Where the server is, and what no connection may do.
pub(super) fn basic_opts(settings: &ServerSettings) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(settings.host.clone())
        .tcp_port(settings.port)
        .tcp_nodelay(true)
        .prefer_socket(false)
        .wait_timeout(Some(WAIT_TIMEOUT_SECONDS))
        // The driver offers `LOAD DATA LOCAL`, and reads no file as long as there is no handler.
        .local_infile_handler(None::<NoFiles>)
}

/// There is none.
enum NoFiles {}

impl mysql_async::prelude::GlobalHandler for NoFiles {
    fn handle(
        &self,
        _file_name: &[u8],
    ) -> futures_util::future::BoxFuture<
        'static,
        Result<mysql_async::InfileData, mysql_async::LocalInfileError>,
    > {
        match *self {}
    }
}

/// A connection with all rights. Runs host-made text only.
pub(super) struct Admin<'s> {
    conn: Conn,
    server: &'s MysqlServer,
    flavour: Flavour,
}

impl Admin<'_> {
    pub(super) const fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Runs statements one after another.
    pub(super) async fn run(
        &mut self,
        statements: impl IntoIterator<Item = impl AsRef<str> + Send>,
    ) -> Result<(), MysqlError> {
        for statement in statements {
            let answer = self.conn.query_drop(statement.as_ref());
            self.server.within(STATEMENT_TIMEOUT, answer).await?;
        }
        Ok(())
    }

    /// Rows of a prepared statement.
    pub(super) async fn rows<T: FromRow>(
        &mut self,
        statement: &'static str,
        params: impl Into<Params> + Send,
    ) -> Result<Vec<T>, MysqlError> {
        let answer = self.conn.exec::<Row, _, Params>(statement, params.into());
        let rows = self.server.within(STATEMENT_TIMEOUT, answer).await?;
        let version = self.server.version();
        rows.into_iter()
            .map(|row| from_row_opt(row).map_err(|error| MysqlError::away(version, error)))
            .collect()
    }
}
