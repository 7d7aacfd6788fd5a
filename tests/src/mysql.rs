//! What a user does with credentials, and what an administrator sees on the server.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tenon::dev::MysqlEntry;
use tenon_protocol::Secret;
use tenon_protocol::message::Object;

use crate::error::HarnessError;

/// Databases that every server has.
const SYSTEM_DATABASES: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

/// Accounts that every server has.
const SYSTEM_ACCOUNTS: [&str; 3] = ["mariadb.sys", "mysql", "root"];

/// A way into a database.
#[derive(Debug, Clone)]
pub struct Login {
    /// Where the server is.
    pub host: String,
    /// TCP.
    pub port: u16,
    /// The account.
    pub user: String,
    /// Of the account.
    pub password: Secret,
    /// The database; `None` is none.
    pub database: Option<String>,
}

impl Login {
    /// Reads the credentials of a mysql instance or binding.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NoCredential`] names the field that is missing.
    pub fn read(credentials: &Object) -> Result<Self, HarnessError> {
        let text = |name: &'static str| {
            let found = credentials.get(name).and_then(|value| value.as_str());
            found.map(str::to_owned).ok_or(HarnessError::NoCredential(name))
        };
        let port = credentials.get("port").and_then(serde_json::Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok());
        Ok(Self {
            host: text("host")?,
            port: port.ok_or(HarnessError::NoCredential("port"))?,
            user: text("username")?,
            password: Secret::new(text("password")?),
            database: Some(text("name")?),
        })
    }

    /// A new connection.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Mysql`] when the server refuses it.
    pub async fn connect(&self) -> Result<Conn, HarnessError> {
        let options = OptsBuilder::default()
            .ip_or_hostname(self.host.clone())
            .tcp_port(self.port)
            .user(Some(self.user.clone()))
            .pass(Some(self.password.reveal()))
            .db_name(self.database.clone())
            .prefer_socket(false);
        // Boxed: it is a large future, and its caller's would be larger.
        Ok(Box::pin(Conn::new(options)).await?)
    }

    /// Runs one statement on a connection of its own.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Mysql`] when the server refuses it.
    pub async fn execute(&self, statement: &str) -> Result<(), HarnessError> {
        let mut connection = self.connect().await?;
        connection.query_drop(statement).await?;
        Ok(connection.disconnect().await?)
    }

    /// The first value that `query` finds; `None` when it finds nothing.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Mysql`] when the server refuses it.
    pub async fn number(&self, query: &str) -> Result<Option<u64>, HarnessError> {
        let mut connection = self.connect().await?;
        let number = connection.query_first(query).await?;
        connection.disconnect().await?;
        Ok(number)
    }
}

/// A database server as its administrator sees it.
#[derive(Debug, Clone)]
pub struct Server(Login);

impl Server {
    /// The server of an entry in `dev.json`.
    #[must_use]
    pub fn new(entry: &MysqlEntry) -> Self {
        Self(Login {
            host: entry.host.clone(),
            port: entry.port,
            user: entry.user.clone(),
            password: entry.password.clone(),
            database: None,
        })
    }

    /// The administrator's own way in.
    #[must_use]
    pub fn administrator(&self) -> &Login {
        &self.0
    }

    /// Databases that are not the server's own, sorted.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Mysql`] when the server is away.
    pub async fn databases(&self) -> Result<Vec<String>, HarnessError> {
        let mut connection = self.0.connect().await?;
        let mut names: Vec<String> = connection.query("SHOW DATABASES").await?;
        connection.disconnect().await?;
        names.retain(|name| !SYSTEM_DATABASES.contains(&name.as_str()));
        names.sort();
        Ok(names)
    }

    /// Accounts that are not the server's own, as `user@host`, sorted.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Mysql`] when the server is away.
    pub async fn accounts(&self) -> Result<Vec<String>, HarnessError> {
        let mut connection = self.0.connect().await?;
        let accounts: Vec<(String, String)> =
            connection.query("SELECT User, Host FROM mysql.user").await?;
        connection.disconnect().await?;
        let is_tenant = |(user, _): &(String, String)| !SYSTEM_ACCOUNTS.contains(&user.as_str());
        let tenants = accounts.into_iter().filter(is_tenant);
        let mut names: Vec<String> = tenants.map(|(user, host)| format!("{user}@{host}")).collect();
        names.sort();
        Ok(names)
    }
}
