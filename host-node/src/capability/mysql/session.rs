//! Sessions of a database's accounts.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Database;
use super::error::{MysqlError, code};
use super::name::{AccountName, DatabaseName, beginning_with};
use super::server::Admin;
use super::statement::kill;
use crate::guest::bindings::tenon::host::mysql::Session;

/// Longest wait until ended sessions are gone, and how often to look.
const GONE_TIMEOUT: Duration = Duration::from_secs(2);
const GONE_INTERVAL: Duration = Duration::from_millis(20);

/// Most sessions told of at once. A server has fewer connections as a rule.
const MAX_SESSIONS: usize = 10_000;

impl Database {
    /// Who of the applications is connected.
    pub(super) async fn sessions(&self) -> Result<Vec<Session>, MysqlError> {
        let mut admin = self.server.admin().await?;
        let accounts = self.tenant_accounts(&mut admin).await?;
        of_accounts(&mut admin, &accounts).await
    }

    /// Ends one session of the database's accounts, or all of them; how many.
    pub(super) async fn kill_sessions(&self, id: Option<u64>) -> Result<u32, MysqlError> {
        let mut admin = self.server.admin().await?;
        let accounts = self.tenant_accounts(&mut admin).await?;
        let Some(id) = id else {
            return end_all(&mut admin, &accounts).await;
        };
        let sessions = of_accounts(&mut admin, &accounts).await?;
        if !sessions.iter().any(|session| session.id == id) {
            return Err(MysqlError::NotFound);
        }
        end(&mut admin, id).await.map(u32::from)
    }
}

/// A session, and the database it is in.
type Row = (u64, String, u64, bool, Option<String>);

/// Sessions whose user is like `like`, and that are wanted.
async fn sessions_that(
    admin: &mut Admin<'_>,
    like: &str,
    is_wanted: impl Fn(&Row) -> bool + Send,
) -> Result<Vec<Session>, MysqlError> {
    let rows: Vec<Row> = admin.rows(admin.flavour().sessions_query(), (like,)).await?;
    Ok(rows
        .into_iter()
        .filter(is_wanted)
        .take(MAX_SESSIONS)
        .map(|(id, user, seconds, query, _)| Session { id, user, seconds, query })
        .collect())
}

/// Users of all sessions whose user begins with `prefix`, by the session.
pub(super) async fn users(
    admin: &mut Admin<'_>,
    prefix: &str,
) -> Result<HashMap<u64, String>, MysqlError> {
    let sessions = sessions_that(admin, &beginning_with(prefix), |_| true).await?;
    Ok(sessions.into_iter().map(|session| (session.id, session.user)).collect())
}

/// Sessions that are logged in as one of `accounts`.
async fn of_accounts(
    admin: &mut Admin<'_>,
    accounts: &[AccountName],
) -> Result<Vec<Session>, MysqlError> {
    // One account is the common case; of many, all are listed and picked here.
    let like = match accounts {
        [] => return Ok(Vec::new()),
        [one] => one.as_str(),
        [..] => "%",
    };
    sessions_that(admin, like, |(_, user, ..)| is_one_of(accounts, user)).await
}

fn is_one_of(accounts: &[AccountName], user: &str) -> bool {
    accounts.iter().any(|account| account.as_str() == user)
}

/// Ends all sessions of `accounts` and waits until they are gone; how many there were.
pub(super) async fn end_all(
    admin: &mut Admin<'_>,
    accounts: &[AccountName],
) -> Result<u32, MysqlError> {
    let sessions = of_accounts(admin, accounts).await?;
    let ended = end_each(admin, &sessions).await?;
    let deadline = Instant::now() + GONE_TIMEOUT;
    while ended > 0 && Instant::now() < deadline && !of_accounts(admin, accounts).await?.is_empty()
    {
        sleep(GONE_INTERVAL).await;
    }
    Ok(ended)
}

/// Ends the sessions of a database that goes: of its accounts, and of those that were dropped
/// before, which are told by the database they are in and by their user's beginning.
pub(super) async fn end_in_database(
    admin: &mut Admin<'_>,
    database: &DatabaseName,
    accounts: &[AccountName],
    account_prefix: &str,
) -> Result<(), MysqlError> {
    let is_wanted = |(_, user, _, _, in_database): &Row| {
        is_one_of(accounts, user) || in_database.as_deref() == Some(database.as_str())
    };
    let sessions = sessions_that(admin, &beginning_with(account_prefix), is_wanted).await?;
    end_each(admin, &sessions).await.map(|_| ())
}

async fn end_each(admin: &mut Admin<'_>, sessions: &[Session]) -> Result<u32, MysqlError> {
    let mut ended = 0;
    for session in sessions {
        ended += u32::from(end(admin, session.id).await?);
    }
    Ok(ended)
}

/// The same, and fails as long as one is there: it might still write.
pub(super) async fn end_all_surely(
    admin: &mut Admin<'_>,
    accounts: &[AccountName],
) -> Result<(), MysqlError> {
    end_all(admin, accounts).await?;
    if of_accounts(admin, accounts).await?.is_empty() {
        return Ok(());
    }
    Err(MysqlError::Interrupted("a session does not end"))
}

/// Whether there was a session to end.
async fn end(admin: &mut Admin<'_>, id: u64) -> Result<bool, MysqlError> {
    match admin.run([kill(id)]).await {
        Ok(()) => Ok(true),
        Err(error) if error.is(code::NO_SUCH_THREAD) => Ok(false),
        Err(error) => Err(error),
    }
}
