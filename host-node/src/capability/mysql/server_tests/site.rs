//! A node with one offering, on a server that it shares with other sites.

use cap_std::fs::Dir;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use wasmtime::component::{Resource, ResourceTable};

use super::super::server::{MysqlServers, ServerSettings};
use super::super::{Database, MysqlContext, MysqlGrant, MysqlView, Server};
use super::mariadb::{MariaDb, ROOT_PASSWORD};
use crate::capability::blob::{Sink, Source};
use crate::guest::bindings::tenon::host::mysql::{
    Access, Account, Failure, FoundAccount, Host, HostDatabase, HostServer, LongWork, Remedy,
    Value, Writes,
};
use std::sync::Arc;
use std::time::Duration;
use tenon_protocol::{OperationId, Secret};

pub(super) const VERSION: &str = "10.11";

/// One offering's context, and what a call of it holds.
pub(super) struct Site {
    pub(super) servers: Arc<MysqlServers>,
    pub(super) context: MysqlContext,
    pub(super) prefix: String,
    pub(super) table: ResourceTable,
    pub(super) dir: Dir,
    pub(super) on_disk: tempfile::TempDir,
    settings: ServerSettings,
}

/// A busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer.
pub(super) async fn wait_for<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap()
}

/// Handles, as a guest has them.
pub(super) type Db = Resource<Database>;

pub(super) fn settings(port: u16) -> ServerSettings {
    ServerSettings {
        version: VERSION.to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        user: "root".to_owned(),
        password: Secret::new(ROOT_PASSWORD.to_owned()),
        public_host: "127.0.0.1".to_owned(),
        pool_size: 4,
        dump_program: "mariadb-dump".to_owned(),
        client_program: "mariadb".to_owned(),
    }
}

impl Site {
    /// On the shared server; no two tests have the same prefix.
    pub(super) fn new(prefix: &str) -> Self {
        Self::on(settings(MariaDb::shared().port), prefix)
    }

    pub(super) fn on(settings: ServerSettings, prefix: &str) -> Self {
        let on_disk = tempfile::tempdir().unwrap();
        let authority = cap_std::ambient_authority();
        let dir = Dir::open_ambient_dir(on_disk.path(), authority).unwrap();
        let servers = Arc::new(MysqlServers::new(vec![settings.clone()]));
        let context = context(&servers, prefix, on_disk.path());
        let table = ResourceTable::new();
        Self { servers, context, prefix: prefix.to_owned(), table, dir, on_disk, settings }
    }

    /// The node's next process: nothing of the last one's memory.
    pub(super) fn restart(&mut self) {
        self.servers = Arc::new(MysqlServers::new(vec![self.settings.clone()]));
        self.context = context(&self.servers, &self.prefix, self.on_disk.path());
        self.table = ResourceTable::new();
    }

    pub(super) fn view(&mut self) -> MysqlView<'_> {
        MysqlView { context: Some(&self.context), table: &mut self.table }
    }

    pub(super) async fn server(&mut self) -> Resource<Server> {
        self.view().open(VERSION.to_owned()).await.unwrap().unwrap()
    }

    pub(super) async fn create(&mut self, label: &str) -> Db {
        self.try_create(label).await.unwrap()
    }

    pub(super) async fn try_create(&mut self, label: &str) -> Result<Db, Failure> {
        let server = self.server().await;
        self.view().create_database(server, label.to_owned()).await.unwrap()
    }

    pub(super) async fn find(&mut self, label: &str) -> Result<Db, Failure> {
        let server = self.server().await;
        self.view().database(server, label.to_owned()).await.unwrap()
    }

    pub(super) async fn drop_database(&mut self, label: &str) -> Result<(), Failure> {
        let server = self.server().await;
        self.view().drop_database(server, label.to_owned()).await.unwrap()
    }

    pub(super) async fn labels(&mut self, after: Option<&str>, limit: u32) -> Vec<String> {
        let server = self.server().await;
        let after = after.map(str::to_owned);
        HostServer::list(&mut self.view(), server, after, limit).await.unwrap().unwrap()
    }

    /// `database/user` of each account.
    pub(super) async fn accounts(
        &mut self,
        after: Option<FoundAccount>,
        limit: u32,
    ) -> Vec<FoundAccount> {
        let server = self.server().await;
        self.view().accounts(server, after, limit).await.unwrap().unwrap()
    }

    pub(super) async fn users(&mut self) -> Vec<String> {
        self.accounts(None, 1_000).await.into_iter().map(|found| found.user).collect()
    }

    pub(super) async fn account(&mut self, db: &Db, label: &str, access: Access) -> Account {
        let label = label.to_owned();
        self.view().create_account(again(db), label, access, 0).await.unwrap().unwrap()
    }

    /// A writer's account with a limit of connections.
    pub(super) async fn try_account(
        &mut self,
        db: &Db,
        label: &str,
        max_connections: u32,
    ) -> Result<Account, Failure> {
        let (label, access) = (label.to_owned(), Access::ReadWrite);
        self.view().create_account(again(db), label, access, max_connections).await.unwrap()
    }

    pub(super) async fn adopt(
        &mut self,
        db: &Db,
        user: &str,
        password: &str,
    ) -> Result<Account, Failure> {
        let (user, password) = (user.to_owned(), password.to_owned());
        let access = Access::ReadWrite;
        self.view().adopt_account(again(db), user, password, access, 0).await.unwrap()
    }

    /// How many accounts differed.
    pub(super) async fn limit(&mut self, db: &Db, writes: Writes) -> Result<u32, Failure> {
        self.view().limit_writes(again(db), writes).await.unwrap()
    }

    pub(super) async fn long_statements(&mut self, seconds: u32, remedy: Remedy) -> Vec<LongWork> {
        let server = self.server().await;
        self.view().long_statements(server, seconds, remedy).await.unwrap().unwrap()
    }

    pub(super) async fn long_transactions(
        &mut self,
        seconds: u32,
        remedy: Remedy,
    ) -> Vec<LongWork> {
        let server = self.server().await;
        self.view().long_transactions(server, seconds, remedy).await.unwrap().unwrap()
    }

    pub(super) async fn set_access(
        &mut self,
        db: &Db,
        user: &str,
        access: Option<Access>,
    ) -> Result<(), Failure> {
        self.view().set_access(again(db), user.to_owned(), access).await.unwrap()
    }

    pub(super) async fn drop_account(&mut self, db: &Db, user: &str) -> Result<(), Failure> {
        self.view().drop_account(again(db), user.to_owned()).await.unwrap()
    }

    pub(super) async fn execute(
        &mut self,
        db: &Db,
        statement: &str,
        params: Vec<Value>,
    ) -> Result<u64, Failure> {
        self.view().execute(again(db), statement.to_owned(), params).await.unwrap()
    }

    pub(super) async fn query(
        &mut self,
        db: &Db,
        statement: &str,
        params: Vec<Value>,
    ) -> Result<Vec<Vec<Value>>, Failure> {
        self.view().query(again(db), statement.to_owned(), params).await.unwrap()
    }

    /// Dumps into the file `dump`; at most `limit` bytes.
    pub(super) async fn dump(&mut self, db: &Db, limit: u64) -> Result<u64, Failure> {
        let sink = self.table.push(Sink::create(&self.dir, "dump", limit).unwrap()).unwrap();
        let lent = Resource::new_borrow(sink.rep());
        let dumped = self.view().dump(again(db), lent).await.unwrap();
        let finished = self.table.delete(sink).unwrap().finish();
        assert_eq!(finished.ok().map(|finished| finished.size), dumped.as_ref().ok().copied());
        dumped
    }

    /// Loads the file `dump`.
    pub(super) async fn load(&mut self, db: &Db) -> Result<u64, Failure> {
        self.load_for(db, None).await
    }

    /// Loads the file `dump` once for `operation`.
    pub(super) async fn load_for(
        &mut self,
        db: &Db,
        operation: Option<&OperationId>,
    ) -> Result<u64, Failure> {
        let source = Source::open(&self.dir, "dump").unwrap();
        let source = match operation {
            Some(operation) => source.of_operation(operation.clone()),
            None => source,
        };
        let source = self.table.push(source).unwrap();
        self.view().load(again(db), source).await.unwrap()
    }

    /// Makes `sql` the file `dump`.
    pub(super) fn write_dump(&self, sql: &str) {
        self.dir.write("dump", zstd::encode_all(sql.as_bytes(), 1).unwrap()).unwrap();
    }

    /// The text of the file `dump`.
    pub(super) fn read_dump(&self) -> String {
        let text = zstd::decode_all(&*self.dir.read("dump").unwrap()).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// A connection of the administrator.
    pub(super) async fn root(&self) -> Conn {
        let root = opts(self.settings.port).user(Some("root")).pass(Some(ROOT_PASSWORD));
        Conn::new(root).await.unwrap()
    }

    /// What the administrator reads, as text, fields joined by a blank.
    pub(super) async fn look(&self, query: &str) -> Vec<String> {
        look(&mut self.root().await, query).await
    }
}

fn context(servers: &Arc<MysqlServers>, prefix: &str, path: &std::path::Path) -> MysqlContext {
    let authority = cap_std::ambient_authority();
    let scratch_path = path.join("scratch");
    Dir::create_ambient_dir_all(&scratch_path, authority).unwrap();
    let scratch = Dir::open_ambient_dir(&scratch_path, authority).unwrap();
    MysqlContext::new(MysqlGrant {
        servers: Arc::clone(servers),
        versions: [VERSION.to_owned()].into(),
        database_prefix: prefix.to_owned(),
        account_prefix: prefix.to_owned(),
        scratch,
        scratch_path,
    })
    .unwrap()
}

pub(super) fn again<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

fn opts(port: u16) -> OptsBuilder {
    OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).prefer_socket(false)
}

/// Logs in as an application.
pub(super) async fn log_in(account: &Account) -> mysql_async::Result<Conn> {
    let opts = opts(account.port)
        .user(Some(account.user.clone()))
        .pass(Some(account.password.clone()))
        .db_name(Some(account.database.clone()));
    Conn::new(opts).await
}

/// The number of the server's refusal; `None` when it did not refuse.
pub(super) async fn refusal(conn: &mut Conn, statement: &str) -> Option<u16> {
    match conn.query_drop(statement).await {
        Ok(()) => None,
        Err(mysql_async::Error::Server(error)) => Some(error.code),
        Err(error) => panic!("{error}"),
    }
}

pub(super) async fn look(conn: &mut Conn, query: &str) -> Vec<String> {
    let rows: Vec<Row> = conn.query(query).await.unwrap();
    let text = |row: Row| {
        let fields = row.unwrap().into_iter().map(|field| field.as_sql(false).replace('\'', ""));
        fields.collect::<Vec<_>>().join(" ")
    };
    rows.into_iter().map(text).collect()
}

/// Whether the server refuses, or the connection is gone.
pub(super) async fn refusal_or_loss(conn: &mut Conn, statement: &str) -> bool {
    conn.query_drop(statement).await.is_err()
}
