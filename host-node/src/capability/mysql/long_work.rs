//! Statements and transactions of applications that take long.
//!
//! One statement finds them, whatever runs on the server; whose they are is looked up by key, and
//! only when there are some.

use std::collections::HashMap;

use super::Server;
use super::database::told;
use super::error::{MysqlError, code};
use super::name::beginning_with;
use super::server::Admin;
use super::session;
use super::statement::{kill, kill_statement};
use crate::guest::bindings::tenon::host::mysql::{LongWork, Remedy};

/// Most pieces of work told of at once; the rest is found the next time.
const MAX_WORK: usize = 1_000;

/// Number of its session, seconds, and when it began, in seconds since 1970. Those that wait for a
/// lock or for their application are open as well.
const TRANSACTIONS_QUERY: &str = "\
    SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()), \
    CAST(UNIX_TIMESTAMP(trx_started) AS UNSIGNED) \
    FROM information_schema.INNODB_TRX WHERE trx_started <= NOW() - INTERVAL ? SECOND";

/// Of an account. Its host and user are keys.
const DATABASE_QUERY: &str = "SELECT Db FROM mysql.db WHERE Host = '%' AND User = ?";

/// Work that was found, and how it is ended.
struct Found {
    user: String,
    seconds: u64,
    id: String,
    end: String,
}

impl Server {
    /// Statements that have run for `seconds`.
    pub(super) async fn long_statements(
        &self,
        seconds: u32,
        remedy: Remedy,
    ) -> Result<Vec<LongWork>, MysqlError> {
        let mut admin = self.server.admin().await?;
        let flavour = admin.flavour();
        let like = beginning_with(self.prefixes().of_accounts());
        let rows: Vec<(u64, String, u64, u64)> =
            admin.rows(flavour.long_statements_query(), (like, seconds)).await?;
        let found = rows.into_iter().map(|(session, user, seconds, statement)| Found {
            user,
            seconds,
            id: format!("{session}/{statement}"),
            end: kill_statement(flavour, session, statement),
        });
        self.settle(&mut admin, found.collect(), remedy).await
    }

    /// Transactions that have been open for `seconds`.
    pub(super) async fn long_transactions(
        &self,
        seconds: u32,
        remedy: Remedy,
    ) -> Result<Vec<LongWork>, MysqlError> {
        let mut admin = self.server.admin().await?;
        let rows: Vec<(u64, u64, u64)> = admin.rows(TRANSACTIONS_QUERY, (seconds,)).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let users = session::users(&mut admin, self.prefixes().of_accounts()).await?;
        let found = rows.into_iter().filter_map(|(session, seconds, began)| {
            let user = users.get(&session)?.clone();
            Some(Found { user, seconds, id: format!("{session}/{began}"), end: kill(session) })
        });
        self.settle(&mut admin, found.collect(), remedy).await
    }

    /// Leaves out what is not an application's, and ends the rest if that is the remedy.
    async fn settle(
        &self,
        admin: &mut Admin<'_>,
        found: Vec<Found>,
        remedy: Remedy,
    ) -> Result<Vec<LongWork>, MysqlError> {
        let mut databases: HashMap<String, Option<String>> = HashMap::new();
        let mut work = Vec::new();
        for Found { user, seconds, id, end } in found {
            let database = match databases.get(&user) {
                Some(known) => known.clone(),
                None => self.database_of(admin, &user).await?,
            };
            databases.insert(user.clone(), database.clone());
            let Some(database) = database else { continue };
            match remedy {
                Remedy::Tell => {}
                Remedy::End if ended(admin, end).await? => {}
                Remedy::End => continue,
            }
            work.push(LongWork { id, database, user, seconds });
            if work.len() == MAX_WORK {
                break;
            }
        }
        Ok(work)
    }

    /// The one database that an application's account has rights on; `None` for others' accounts
    /// and the node's own.
    async fn database_of(
        &self,
        admin: &mut Admin<'_>,
        user: &str,
    ) -> Result<Option<String>, MysqlError> {
        let rows: Vec<(String,)> = admin.rows(DATABASE_QUERY, (user,)).await?;
        let [(database,)] = rows.as_slice() else { return Ok(None) };
        Ok(told(self.prefixes(), database, user).map(|found| found.database))
    }
}

/// Whether there was still something to end.
async fn ended(admin: &mut Admin<'_>, end: String) -> Result<bool, MysqlError> {
    match admin.run([end]).await {
        Ok(()) => Ok(true),
        Err(error) if error.is(code::NO_SUCH_THREAD) || error.is(code::NO_SUCH_STATEMENT) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
