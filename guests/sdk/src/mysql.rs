//! Databases on the servers of the node, one server for each version of the software.
//!
//! No administrator's address or password, and no name outside the service's own prefix, ever
//! reaches a service.

use std::fmt;

use crate::Writes;
use crate::bindings::imports::tenon::host::mysql::Writes as RawWrites;
use crate::blob::{Sink, Source};
use crate::host::mysql;

// The contract's words, under the module that a reader looks for them in.
pub use crate::bindings::imports::tenon::host::mysql::{
    Access, Failure, FoundAccount, LongWork, Remedy, Session, Value,
};

/// What an application logs in with. `Debug` hides the password.
#[derive(Clone, PartialEq)]
pub struct Account {
    /// Address of the server, as an application reaches it.
    pub host: String,
    /// Port of the server.
    pub port: u16,
    /// Name of the database on the server.
    pub database: String,
    /// Name to log in with.
    pub user: String,
    /// Password to log in with.
    pub password: String,
}

/// The server of one version. Get it from [`crate::Call::mysql`].
pub struct Server(mysql::Server);

impl Server {
    pub(crate) fn open(version: &str) -> Result<Self, Failure> {
        mysql::open(version).map(Self)
    }

    /// Creates the database if it is not there. `label` is `[a-z0-9]{1,40}`; the node puts its
    /// prefix in front, so that label `1f` becomes database `d1f`.
    ///
    /// # Errors
    /// When the label is not allowed, or the server refuses.
    pub fn create_database(&self, label: &str) -> Result<Database, Failure> {
        self.0.create_database(label).map(Database)
    }

    /// A database that is there.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when it is not.
    pub fn database(&self, label: &str) -> Result<Database, Failure> {
        self.0.database(label).map(Database)
    }

    /// Drops the database and every account of it, ending their sessions. Succeeds when it is
    /// gone.
    ///
    /// # Errors
    /// When the label is not allowed, or the server refuses.
    pub fn drop_database(&self, label: &str) -> Result<(), Failure> {
        self.0.drop_database(label)
    }

    /// Labels of the service's databases, in order, after `after`; at most `limit`, at most 1,000.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn labels(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Failure> {
        self.0.list(after, limit)
    }

    /// Accounts of the service's databases, in order of database and user, after `after`.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn accounts(
        &self,
        after: Option<&FoundAccount>,
        limit: u32,
    ) -> Result<Vec<FoundAccount>, Failure> {
        self.0.accounts(after, limit)
    }

    /// Statements that accounts of the service's databases have run for `seconds` or longer.
    /// Ending one leaves its session.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn long_statements(&self, seconds: u32, remedy: Remedy) -> Result<Vec<LongWork>, Failure> {
        self.0.long_statements(seconds, remedy)
    }

    /// Transactions that they have kept open for `seconds` or longer. Ending one ends its session.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn long_transactions(
        &self,
        seconds: u32,
        remedy: Remedy,
    ) -> Result<Vec<LongWork>, Failure> {
        self.0.long_transactions(seconds, remedy)
    }
}

/// One database.
pub struct Database(mysql::Database);

impl Database {
    /// The name on the server, as an application needs it.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Creates an account for this database, or gives the existing one a new password.
    ///
    /// The user name follows from the database and `label` (1 to 64 bytes), so that a repeated
    /// call changes the account it made before. `max_connections` 0 is unlimited.
    ///
    /// # Errors
    /// When the label is not allowed, or the server refuses.
    pub fn create_account(
        &self,
        label: &str,
        access: Access,
        max_connections: u32,
    ) -> Result<Account, Failure> {
        self.0.create_account(label, access, max_connections).map(Account::from)
    }

    /// The user name that [`Self::create_account`] makes for `label`, whether it was made or not:
    /// what a call that was cut off may have left can be named.
    ///
    /// # Errors
    /// When the label is not allowed.
    pub fn account_user(&self, label: &str) -> Result<String, Failure> {
        self.0.account_user(label)
    }

    /// Creates an account with the name and password that it had elsewhere.
    ///
    /// # Errors
    /// When the name is not allowed, or the server refuses.
    pub fn adopt_account(
        &self,
        user: &str,
        password: &str,
        access: Access,
        max_connections: u32,
    ) -> Result<Account, Failure> {
        self.0.adopt_account(user, password, access, max_connections).map(Account::from)
    }

    /// Changes what an account may do. `None` takes every right away and ends its sessions; the
    /// account stays.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when this database has no such account.
    pub fn set_access(&self, user: &str, access: Option<Access>) -> Result<(), Failure> {
        self.0.set_access(user, access)
    }

    /// Drops an account of this database and ends its sessions. Succeeds when it is gone.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn drop_account(&self, user: &str) -> Result<(), Failure> {
        self.0.drop_account(user)
    }

    /// Who is connected.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn sessions(&self) -> Result<Vec<Session>, Failure> {
        self.0.sessions()
    }

    /// Ends one session, or with `None` all of this database's accounts; the number ended.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn kill_sessions(&self, id: Option<u64>) -> Result<u32, Failure> {
        self.0.kill_sessions(id)
    }

    /// What data and indexes take.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn size_bytes(&self) -> Result<u64, Failure> {
        self.0.size_bytes()
    }

    /// Whether accounts of this database, those of the future included, may insert, update and
    /// create, if their access lets them. The number of accounts whose rights changed.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn limit_writes(&self, writes: Writes) -> Result<u32, Failure> {
        self.0.limit_writes(match writes {
            Writes::Blocked => RawWrites::Blocked,
            Writes::Allowed => RawWrites::Allowed,
        })
    }

    /// Runs one prepared statement, seeing this database only; rows changed.
    ///
    /// # Errors
    /// [`Failure::Sql`] with the server's number when the statement is refused.
    pub fn execute(&self, statement: &str, params: &[Value]) -> Result<u64, Failure> {
        self.0.execute(statement, params)
    }

    /// The same for a statement with a result: at most 1,000 rows and 4 MiB.
    ///
    /// # Errors
    /// [`Failure::Sql`] when the statement is refused, [`Failure::Limit`] beyond the bounds.
    pub fn query(&self, statement: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, Failure> {
        self.0.query(statement, params)
    }

    /// A consistent dump of the whole database into `out`; bytes written.
    ///
    /// # Errors
    /// When the server does not answer, or `out` takes no more.
    pub fn dump(&self, out: &Sink<'_>) -> Result<u64, Failure> {
        self.0.dump(out.raw)
    }

    /// Replaces the whole content by a dump, or leaves it as it was and fails; bytes read.
    ///
    /// # Errors
    /// [`Failure::Corrupt`] when the dump cannot be loaded.
    pub fn load(&self, input: &Source<'_>) -> Result<u64, Failure> {
        self.0.load(input.raw)
    }
}

impl From<mysql::Account> for Account {
    fn from(raw: mysql::Account) -> Self {
        Self {
            host: raw.host,
            port: raw.port,
            database: raw.database,
            user: raw.user,
            password: raw.password,
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, user, password: _ } = self;
        write!(out, "{user}:<hidden>@{host}:{port}/{database}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Blob, World};

    fn server() -> (World, Server) {
        let world = World::new().with_mysql("10.11");
        let server = Server::open("10.11").unwrap();
        (world, server)
    }

    #[test]
    fn debug_of_an_account_shows_no_password() {
        let (_world, server) = server();
        let database = server.create_database("1f").unwrap();
        let account = database.adopt_account("u1", "s3same", Access::ReadOnly, 0).unwrap();
        assert_eq!(format!("{account:?}"), "u1:<hidden>@db.example:3306/d1f");
    }

    #[test]
    fn an_account_that_is_locked_out_is_still_there() {
        let (world, server) = server();
        let database = server.create_database("1f").unwrap();
        let account = database.create_account("app", Access::ReadWrite, 5).unwrap();
        database.set_access(&account.user, None).unwrap();
        assert_eq!(world.mysql("10.11").login("d1f", &account.user, &account.password), None);
        database.set_access(&account.user, Some(Access::ReadOnly)).unwrap();
        assert_eq!(
            world.mysql("10.11").login("d1f", &account.user, &account.password),
            Some(Access::ReadOnly)
        );
    }

    #[test]
    fn a_database_has_no_say_in_the_accounts_of_another() {
        let (_world, server) = server();
        let one = server.create_database("1").unwrap();
        let other = server.create_database("2").unwrap();
        one.adopt_account("u1", "p1", Access::ReadWrite, 0).unwrap();
        assert_eq!(other.set_access("u1", None), Err(Failure::NotFound));
        assert!(matches!(
            other.adopt_account("u1", "p2", Access::ReadWrite, 0),
            Err(Failure::BadName(_))
        ));
        other.drop_account("u1").unwrap();
        let found = FoundAccount { database: "d1".to_owned(), user: "u1".to_owned() };
        assert_eq!(server.accounts(None, 10), Ok(vec![found.clone()]));
        assert_eq!(server.accounts(Some(&found), 10), Ok(Vec::new()));
    }

    #[test]
    fn names_beyond_the_contract_are_refused() {
        let (_world, server) = server();
        for label in ["", "A", "a-b", "a_b", &"a".repeat(41)] {
            assert!(matches!(server.create_database(label), Err(Failure::BadName(_))), "{label}");
        }
        let database = server.create_database("1f").unwrap();
        for label in ["", &"a".repeat(65)] {
            let refused = database.create_account(label, Access::ReadOnly, 0);
            assert!(matches!(refused, Err(Failure::BadName(_))), "{label}");
        }
    }

    #[test]
    fn only_sql_that_a_test_told_is_answered() {
        let (world, server) = server();
        let database = server.create_database("1f").unwrap();
        let rows = vec![vec![Value::Int(1)]];
        world.mysql("10.11").answer("SELECT 1", rows.clone());
        assert_eq!(database.query("SELECT 1", &[]), Ok(rows));
        assert_eq!(database.execute("SELECT 1", &[]), Ok(1));
        assert!(matches!(database.query("SELECT 2", &[]), Err(Failure::Sql((1064, _, _)))));
    }

    #[test]
    fn a_database_knows_its_name_its_size_and_that_nobody_is_connected() {
        let (world, server) = server();
        world.mysql("10.11").set_content("d1f", b"four");
        let database = server.database("1f").unwrap();
        assert_eq!((database.name(), database.size_bytes()), ("d1f".to_owned(), Ok(4)));
        assert_eq!((database.sessions(), database.kill_sessions(None)), (Ok(Vec::new()), Ok(0)));
    }

    #[test]
    fn a_dump_into_a_sink_that_is_full_fails() {
        let (_world, server) = server();
        let database = server.create_database("1f").unwrap();
        let blob = Blob::new().limited(1);
        assert!(matches!(database.dump(&blob.sink()), Err(Failure::Limit(_))));
    }
}
