//! Databases of the offering, and what there is on a server.

use super::error::MysqlError;
use super::name::{AccountName, DatabaseName, Prefixes, beginning_with};
use super::server::Admin;
use super::statement::{self, Charset, PARKED_PER_HOUR};
use super::{Database, Server, session};
use crate::guest::bindings::tenon::host::mysql::FoundAccount;

/// Most labels or accounts of one list. A longer one is cut.
const MAX_LIST: usize = 1_000;

/// Rows asked for at once while a list is being filled.
const PAGE: u32 = 1_000;

/// Looks at one directory of the server, not at all of them.
const DATABASE_QUERY: &str = "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME \
    FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";

const DATABASES_QUERY: &str = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA \
    WHERE SCHEMA_NAME LIKE ? AND SCHEMA_NAME > ? ORDER BY SCHEMA_NAME LIMIT ?";

/// Parked accounts are gone for everybody but the database.
const ACCOUNTS_QUERY: &str = "SELECT d.Db, d.User FROM mysql.db d \
    JOIN mysql.user u ON u.Host = d.Host AND u.User = d.User \
    WHERE d.Host = '%' AND d.Db LIKE ? AND (d.Db > ? OR (d.Db = ? AND d.User > ?)) \
    AND u.max_connections <> ? ORDER BY d.Db, d.User LIMIT ?";

const VIEWS_QUERY: &str = "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ?";

/// What the server knows of tables' files. A statistic: it lags behind a large change by seconds.
const SIZE_QUERY: &str = "SELECT CAST(IFNULL(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS UNSIGNED) \
    FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";

impl Server {
    /// One statement. Repeated, it finds the database as it is.
    pub(super) async fn create_database(&self, label: &str) -> Result<Database, MysqlError> {
        let name = self.prefixes().database(label)?;
        let mut admin = self.server.admin().await?;
        admin.run([statement::create_database(&name)]).await?;
        drop(admin);
        Ok(self.database_named(name))
    }

    pub(super) async fn database(&self, label: &str) -> Result<Database, MysqlError> {
        let database = self.database_named(self.prefixes().database(label)?);
        let mut admin = self.server.admin().await?;
        let is_there = charset(&mut admin, &database.name).await?.is_some();
        drop(admin);
        if is_there {
            return Ok(database);
        }
        // Between two contents it is not gone: one of them comes.
        let is_loading = database.is_being_loaded().await?;
        Err(if is_loading { MysqlError::Busy } else { MysqlError::NotFound })
    }

    /// Drops the accounts, ends their sessions, and drops the database last: as long as it is
    /// there, an interrupted call is seen and repeated. What a load wanted to put back is forgotten.
    pub(super) async fn drop_database(&self, label: &str) -> Result<(), MysqlError> {
        let database = self.database_named(self.prefixes().database(label)?);
        let _claim = self.server.claim(&database.name)?;
        let mut admin = self.server.admin().await?;
        let accounts = database.all_accounts(&mut admin).await?;
        if !accounts.is_empty() {
            admin.run([statement::drop_accounts(&accounts)]).await?;
        }
        let prefix = self.prefixes().of_accounts();
        session::end_in_database(&mut admin, &database.name, &accounts, prefix).await?;
        database.forget_load().await?;
        admin.run([statement::drop_database(&database.name)]).await?;
        database.forget_limit().await
    }

    /// Labels in order, after `after`.
    pub(super) async fn labels(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, MysqlError> {
        let prefixes = self.prefixes();
        let beginning = beginning_with(prefixes.of_databases());
        let mut cursor = format!("{}{}", prefixes.of_databases(), after.unwrap_or_default());
        let limit = MAX_LIST.min(limit as usize);
        let mut labels = Vec::new();
        let mut admin = self.server.admin().await?;
        // Others' names may lie between ours: a page of them is not the end.
        while labels.len() < limit {
            let params = (beginning.as_str(), cursor.as_str(), PAGE);
            let page: Vec<(String,)> = admin.rows(DATABASES_QUERY, params).await?;
            let found = page.iter().filter_map(|(name,)| prefixes.found_database(name));
            labels.extend(found.map(|name| prefixes.label_of(&name).to_owned()));
            match page.into_iter().last() {
                Some((name,)) => cursor = name,
                None => break,
            }
        }
        labels.truncate(limit);
        Ok(labels)
    }

    /// Accounts in order of database and user, after `after`. Neither parked ones nor the node's
    /// own.
    pub(super) async fn accounts(
        &self,
        after: Option<FoundAccount>,
        limit: u32,
    ) -> Result<Vec<FoundAccount>, MysqlError> {
        let prefixes = self.prefixes();
        let beginning = beginning_with(prefixes.of_databases());
        let mut cursor = after.map_or_else(Default::default, |after| (after.database, after.user));
        let limit = MAX_LIST.min(limit as usize);
        let mut accounts = Vec::new();
        let mut admin = self.server.admin().await?;
        while accounts.len() < limit {
            let (database, user) = &cursor;
            let params = (&beginning, database, database, user, PARKED_PER_HOUR, PAGE);
            let page: Vec<(String, String)> = admin.rows(ACCOUNTS_QUERY, params).await?;
            let found = page.iter().filter_map(|(database, user)| told(prefixes, database, user));
            accounts.extend(found);
            match page.into_iter().last() {
                Some(last) => cursor = last,
                None => break,
            }
        }
        accounts.truncate(limit);
        Ok(accounts)
    }
}

/// An account as a guest hears of it; `None` when it is none of the offering's applications.
pub(super) fn told(prefixes: &Prefixes, database: &str, user: &str) -> Option<FoundAccount> {
    let database = prefixes.found_database(database)?;
    let user: AccountName = prefixes.found_account(user)?;
    (user != prefixes.helper(&database)).then(|| FoundAccount {
        database: database.as_str().to_owned(),
        user: user.as_str().to_owned(),
    })
}

/// The database's default; `None` when there is no such database.
pub(super) async fn charset(
    admin: &mut Admin<'_>,
    name: &DatabaseName,
) -> Result<Option<Charset>, MysqlError> {
    let rows: Vec<(String, String)> = admin.rows(DATABASE_QUERY, (name.as_str(),)).await?;
    Ok(rows.into_iter().next().map(|(name, collation)| Charset { name, collation }))
}

impl Database {
    /// Views that name what is gone: nothing can be read from them, and they cannot be made again.
    pub(super) async fn broken_views(
        &self,
        admin: &mut Admin<'_>,
    ) -> Result<Vec<String>, MysqlError> {
        let names: Vec<(String,)> = admin.rows(VIEWS_QUERY, (self.name.as_str(),)).await?;
        let mut broken = Vec::new();
        for (name,) in names {
            // What the dumping program asks, and fails on.
            match admin.run([statement::show_fields(&self.name, &name)]).await {
                Ok(()) => {}
                Err(MysqlError::Server { .. }) => broken.push(name),
                Err(error) => return Err(error),
            }
        }
        Ok(broken)
    }

    pub(super) async fn size_bytes(&self) -> Result<u64, MysqlError> {
        let mut admin = self.server.admin().await?;
        let rows: Vec<(u64,)> = admin.rows(SIZE_QUERY, (self.name.as_str(),)).await?;
        Ok(rows.first().map_or(0, |(bytes,)| *bytes))
    }
}
