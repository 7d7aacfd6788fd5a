//! The bare SQL of each operation: the statements that change something, straight to MariaDB.
//!
//! This is the limit: what Tenon looks up before it acts (whose account is this, does anything
//! run in its name) is not in it, nor is any record.

use mysql_async::prelude::Queryable;
use mysql_async::{OptsBuilder, Pool};
use tenon_tests::Server;

use crate::Result;

/// What the node's statements grant, in its order.
const RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, \
    CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, \
    ALTER ROUTINE, TRIGGER";

/// A password's hash, as the node sends it: no password is in a statement.
const HASH: &str = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19";

/// Connections to the server.
#[derive(Clone)]
pub(crate) struct Bare(Pool);

impl Bare {
    pub(crate) fn open(server: &Server) -> Result<Self> {
        let login = server.administrator();
        let options = OptsBuilder::default()
            .ip_or_hostname(login.host.clone())
            .tcp_port(login.port)
            .user(Some(login.user.clone()))
            .pass(Some(login.password.reveal().to_owned()));
        Ok(Self(Pool::new(options)))
    }

    async fn run(&self, statements: &[String]) -> Result<()> {
        let mut connection = self.0.get_conn().await?;
        for statement in statements {
            connection.query_drop(statement).await?;
        }
        Ok(())
    }

    pub(crate) async fn provision(&self, name: &str) -> Result<()> {
        let create = format!("CREATE DATABASE IF NOT EXISTS `x{name}` CHARACTER SET utf8mb4");
        self.run(&[create, grant(name, "o")]).await
    }

    pub(crate) async fn bind(&self, name: &str) -> Result<()> {
        self.run(&[grant(name, "b")]).await
    }

    pub(crate) async fn unbind(&self, name: &str) -> Result<()> {
        self.run(&[format!("DROP USER IF EXISTS `b{name}`@'%'")]).await
    }

    pub(crate) async fn unprovision(&self, name: &str) -> Result<()> {
        let user = format!("DROP USER IF EXISTS `o{name}`@'%'");
        self.run(&[user, format!("DROP DATABASE IF EXISTS `x{name}`")]).await
    }
}

fn grant(name: &str, prefix: &str) -> String {
    format!(
        "GRANT {RIGHTS} ON `x{name}`.* TO `{prefix}{name}`@'%' \
         IDENTIFIED BY PASSWORD '{HASH}' WITH MAX_USER_CONNECTIONS 20"
    )
}
