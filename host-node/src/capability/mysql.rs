//! `tenon:host/mysql`: databases on the MySQL or MariaDB servers of the node.
//!
//! Knows the servers' administrators and the names of one offering. A guest gives labels and
//! hears of its own databases only; text that it wrote runs in the name of an account that has
//! rights on one database.

mod account;
mod database;
mod definer;
mod dump;
mod error;
mod feed;
mod guest_sql;
mod helper;
mod journal;
mod load;
mod name;
mod password;
mod program;
mod rights;
mod server;
mod session;
mod statement;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use self::dump::Broken;
use self::error::MysqlError;
use self::journal::Journal;
use self::name::{DatabaseName, Prefixes};
use self::program::Scratch;
use self::server::MysqlServer;
use super::blob::{Sink, Source};
use crate::guest::bindings::tenon::host::mysql::{
    Access, Account, Failure, FoundAccount, Host, HostDatabase, HostServer, Session, Value,
    add_to_linker as link,
};

pub(crate) use self::server::{MysqlServers, ServerSettings};

/// What an operator grants one offering.
pub(crate) struct MysqlGrant {
    pub(crate) servers: Arc<MysqlServers>,
    /// Versions that the offering serves.
    pub(crate) versions: BTreeSet<String>,
    /// `[a-z]{1,8}` each; no two offerings share a beginning.
    pub(crate) database_prefix: String,
    pub(crate) account_prefix: String,
    /// A directory of the offering, for files of the moment and for the old content of a load;
    /// and its path, for the servers' programs.
    pub(crate) scratch: Dir,
    pub(crate) scratch_path: PathBuf,
}

/// What one offering's guests may do on servers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MysqlContext {
    shared: Arc<Shared>,
}

struct Shared {
    servers: Arc<MysqlServers>,
    versions: BTreeSet<String>,
    prefixes: Prefixes,
    scratch: Scratch,
}

/// Why an offering cannot have databases.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MysqlGrantError {
    /// Operator's fault.
    #[error("prefixes must be [a-z]{{1,8}}, not {database:?} and {account:?}")]
    Prefix { database: String, account: String },
    /// The node's disk.
    #[error("scratch directory cannot be cleaned")]
    Scratch(#[source] std::io::Error),
}

impl MysqlContext {
    /// Asks no server. Made once per offering and process, as it removes what a crash left of
    /// files with passwords. Blocks.
    ///
    /// # Errors
    ///
    /// [`MysqlGrantError`] when a prefix is not allowed, or the directory cannot be cleaned.
    pub(crate) fn new(grant: MysqlGrant) -> Result<Self, MysqlGrantError> {
        let MysqlGrant {
            servers,
            versions,
            database_prefix,
            account_prefix,
            ..
        } = grant;
        let prefixes = Prefixes::new(&database_prefix, &account_prefix);
        let prefixes = prefixes.ok_or(MysqlGrantError::Prefix {
            database: database_prefix,
            account: account_prefix,
        })?;
        let scratch = Scratch {
            dir: Arc::new(grant.scratch),
            path: grant.scratch_path,
        };
        scratch.clean().map_err(MysqlGrantError::Scratch)?;
        let shared = Shared {
            servers,
            versions,
            prefixes,
            scratch,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Ends loads that a crash interrupted: the old content comes back, accounts are let in. To be
    /// called after a start, and again as long as it does not answer 0: the server may be away.
    ///
    /// How many are left.
    pub(crate) async fn finish_interrupted_loads(&self) -> usize {
        let notes = match Journal::notes(&self.shared.scratch) {
            Ok(notes) => notes,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the journals of loads cannot be read");
                return 1;
            }
        };
        let mut left = 0;
        for note in notes {
            let name = self.shared.prefixes.found_database(&note.database);
            let server = self.shared.servers.get(&note.version);
            let (Some(name), Some(server)) = (name, server) else {
                tracing::error!(
                    note.database,
                    note.version,
                    "an interrupted load has no server"
                );
                left += 1;
                continue;
            };
            let database = Database {
                context: self.clone(),
                server: Arc::clone(server),
                name,
            };
            match database.finish_interrupted().await {
                // It goes on in this process, and finishes itself.
                Ok(()) | Err(MysqlError::Busy) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, note.database, "an interrupted load is not finished");
                    left += 1;
                }
            }
        }
        left
    }

    fn scratch(&self) -> &Scratch {
        &self.shared.scratch
    }

    fn server(&self, version: &str) -> Result<Server, MysqlError> {
        let granted = self.shared.versions.contains(version);
        let server = self.shared.servers.get(version).filter(|_| granted);
        let server = Arc::clone(server.ok_or(MysqlError::NotFound)?);
        Ok(Server {
            context: self.clone(),
            server,
        })
    }
}

/// The server of one version, lent to a call.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub struct Server {
    context: MysqlContext,
    server: Arc<MysqlServer>,
}

/// One database, lent to a call.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub struct Database {
    context: MysqlContext,
    server: Arc<MysqlServer>,
    name: DatabaseName,
}

impl Server {
    fn prefixes(&self) -> &Prefixes {
        &self.context.shared.prefixes
    }

    fn database_named(&self, name: DatabaseName) -> Database {
        let Self { context, server } = self.clone();
        Database {
            context,
            server,
            name,
        }
    }
}

impl Database {
    fn prefixes(&self) -> &Prefixes {
        &self.context.shared.prefixes
    }
}

/// What the interface sees of a store: without a context every call answers `not-granted`.
pub(crate) struct MysqlView<'a> {
    pub(crate) context: Option<&'a MysqlContext>,
    pub(crate) table: &'a mut ResourceTable,
}

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl MysqlView<'_> {
    /// Lends what a call made or found.
    fn lend<T: Send + 'static>(&mut self, made: Result<T, MysqlError>) -> Answer<Resource<T>> {
        match made {
            Ok(made) => Ok(Ok(self.table.push(made)?)),
            Err(error) => Ok(Err(error.into_failure())),
        }
    }
}

fn answer<T>(result: Result<T, MysqlError>) -> Answer<T> {
    Ok(result.map_err(MysqlError::into_failure))
}

impl Host for MysqlView<'_> {
    async fn open(&mut self, version: String) -> Answer<Resource<Server>> {
        let context = self.context.ok_or(MysqlError::NotGranted);
        let server = context.and_then(|context| context.server(&version));
        self.lend(server)
    }
}

impl HostServer for MysqlView<'_> {
    async fn create_database(
        &mut self,
        server: Resource<Server>,
        label: String,
    ) -> Answer<Resource<Database>> {
        let server = self.table.get(&server)?.clone();
        let database = server.create_database(&label).await;
        self.lend(database)
    }

    async fn database(
        &mut self,
        server: Resource<Server>,
        label: String,
    ) -> Answer<Resource<Database>> {
        let server = self.table.get(&server)?.clone();
        let database = server.database(&label).await;
        self.lend(database)
    }

    async fn drop_database(&mut self, server: Resource<Server>, label: String) -> Answer<()> {
        let server = self.table.get(&server)?.clone();
        answer(server.drop_database(&label).await)
    }

    async fn list(
        &mut self,
        server: Resource<Server>,
        after: Option<String>,
        limit: u32,
    ) -> Answer<Vec<String>> {
        let server = self.table.get(&server)?.clone();
        answer(server.labels(after.as_deref(), limit).await)
    }

    async fn accounts(
        &mut self,
        server: Resource<Server>,
        after: Option<FoundAccount>,
        limit: u32,
    ) -> Answer<Vec<FoundAccount>> {
        let server = self.table.get(&server)?.clone();
        answer(server.accounts(after, limit).await)
    }

    async fn drop(&mut self, server: Resource<Server>) -> wasmtime::Result<()> {
        self.table.delete(server)?;
        Ok(())
    }
}

impl HostDatabase for MysqlView<'_> {
    async fn name(&mut self, database: Resource<Database>) -> wasmtime::Result<String> {
        Ok(self.table.get(&database)?.name.as_str().to_owned())
    }

    async fn create_account(
        &mut self,
        database: Resource<Database>,
        label: String,
        access: Access,
        max_connections: u32,
    ) -> Answer<Account> {
        let database = self.table.get(&database)?.clone();
        answer(
            database
                .create_account(&label, access, max_connections)
                .await,
        )
    }

    async fn account_user(
        &mut self,
        database: Resource<Database>,
        label: String,
    ) -> Answer<String> {
        let database = self.table.get(&database)?.clone();
        answer(database.account_user(&label))
    }

    async fn adopt_account(
        &mut self,
        database: Resource<Database>,
        user: String,
        password: String,
        access: Access,
        max_connections: u32,
    ) -> Answer<Account> {
        let database = self.table.get(&database)?.clone();
        answer(
            database
                .adopt_account(&user, password, access, max_connections)
                .await,
        )
    }

    async fn set_access(
        &mut self,
        database: Resource<Database>,
        user: String,
        access: Option<Access>,
    ) -> Answer<()> {
        let database = self.table.get(&database)?.clone();
        answer(database.set_access(&user, access).await)
    }

    async fn drop_account(&mut self, database: Resource<Database>, user: String) -> Answer<()> {
        let database = self.table.get(&database)?.clone();
        answer(database.drop_account(&user).await)
    }

    async fn sessions(&mut self, database: Resource<Database>) -> Answer<Vec<Session>> {
        let database = self.table.get(&database)?.clone();
        answer(database.sessions().await)
    }

    async fn kill_sessions(
        &mut self,
        database: Resource<Database>,
        id: Option<u64>,
    ) -> Answer<u32> {
        let database = self.table.get(&database)?.clone();
        answer(database.kill_sessions(id).await)
    }

    async fn size_bytes(&mut self, database: Resource<Database>) -> Answer<u64> {
        let database = self.table.get(&database)?.clone();
        answer(database.size_bytes().await)
    }

    async fn execute(
        &mut self,
        database: Resource<Database>,
        statement: String,
        params: Vec<Value>,
    ) -> Answer<u64> {
        let database = self.table.get(&database)?.clone();
        answer(database.execute(statement, params).await)
    }

    async fn query(
        &mut self,
        database: Resource<Database>,
        statement: String,
        params: Vec<Value>,
    ) -> Answer<Vec<Vec<Value>>> {
        let database = self.table.get(&database)?.clone();
        answer(database.query(statement, params).await)
    }

    async fn dump(&mut self, database: Resource<Database>, out: Resource<Sink>) -> Answer<u64> {
        let database = self.table.get(&database)?.clone();
        let writer = self.table.get(&out)?.writer();
        let dumped = database.dump(writer, Broken::Fails).await;
        if dumped.is_err() {
            self.table.get(&out)?.tear();
        }
        answer(dumped)
    }

    async fn load(&mut self, database: Resource<Database>, input: Resource<Source>) -> Answer<u64> {
        let database = self.table.get(&database)?.clone();
        let reader = self.table.get(&input)?.reader();
        answer(database.load(reader).await)
    }

    async fn drop(&mut self, database: Resource<Database>) -> wasmtime::Result<()> {
        self.table.delete(database)?;
        Ok(())
    }
}

/// Marks the view for the linker.
pub(crate) struct HasMysql;

impl HasData for HasMysql {
    type Data<'a> = MysqlView<'a>;
}

/// Links the interface.
///
/// # Errors
///
/// wasmtime's error when it is linked already.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: for<'a> fn(&'a mut T) -> MysqlView<'a>,
) -> wasmtime::Result<()> {
    link::<T, HasMysql>(linker, view)
}

#[cfg(test)]
#[cfg(feature = "server-tests")]
mod server_tests;
