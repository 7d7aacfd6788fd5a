//! `tenon:host/mysql`: databases on the MySQL or MariaDB servers of the node.
//!
//! Knows the servers' administrators and the names of one offering. A guest gives labels and
//! hears of its own databases only; text that it wrote runs in the name of an account that has
//! rights on one database.

mod account;
mod context;
mod database;
mod definer;
mod dump;
mod error;
mod feed;
mod guest_sql;
mod helper;
mod journal;
mod limit;
mod load;
mod long_work;
mod name;
mod option_file;
mod password;
mod program;
mod rights;
mod server;
mod session;
mod statement;

use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use self::dump::Broken;
use self::error::MysqlError;
use self::name::{DatabaseName, Prefixes};
use self::server::MysqlServer;
use super::blob::{Sink, Source};
use crate::guest::bindings::tenon::host::mysql::{
    Access, Account, Failure, FoundAccount, Host, HostDatabase, HostServer, LongWork, Remedy,
    Session, Value, Writes, add_to_linker as link,
};

pub(crate) use self::context::{MysqlContext, MysqlGrant};
pub(crate) use self::server::{MysqlServers, ServerSettings};

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
        self.context.prefixes()
    }

    fn database_named(&self, name: DatabaseName) -> Database {
        let Self { context, server } = self.clone();
        Database { context, server, name }
    }
}

impl Database {
    fn prefixes(&self) -> &Prefixes {
        self.context.prefixes()
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

    async fn long_statements(
        &mut self,
        server: Resource<Server>,
        seconds: u32,
        remedy: Remedy,
    ) -> Answer<Vec<LongWork>> {
        let server = self.table.get(&server)?.clone();
        answer(server.long_statements(seconds, remedy).await)
    }

    async fn long_transactions(
        &mut self,
        server: Resource<Server>,
        seconds: u32,
        remedy: Remedy,
    ) -> Answer<Vec<LongWork>> {
        let server = self.table.get(&server)?.clone();
        answer(server.long_transactions(seconds, remedy).await)
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
        answer(database.create_account(&label, access, max_connections).await)
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
        answer(database.adopt_account(&user, password, access, max_connections).await)
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

    async fn limit_writes(&mut self, database: Resource<Database>, writes: Writes) -> Answer<u32> {
        let database = self.table.get(&database)?.clone();
        answer(database.limit_writes(writes).await)
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
