//! Sessions of a database's accounts.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Database;
use super::error::{MysqlError, code};
use super::name::AccountName;
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
        let Some(id) = id else { return end_all(&mut admin, &accounts).await };
        let sessions = of_accounts(&mut admin, &accounts).await?;
        if !sessions.iter().any(|session| session.id == id) {
            return Err(MysqlError::NotFound);
        }
        end(&mut admin, id).await.map(u32::from)
    }
}

/// Sessions that are logged in as one of `accounts`.
async fn of_accounts(
    admin: &mut Admin<'_>,
    accounts: &[AccountName],
) -> Result<Vec<Session>, MysqlError> {
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    // One account is the common case; of many, all are listed and picked here.
    let wanted = match accounts {
        [one] => one.as_str(),
        _ => "%",
    };
    let rows: Vec<(u64, String, u64, bool)> = admin.rows(admin.flavour().sessions_query(), (wanted,)).await?;
    let is_wanted = |user: &str| accounts.iter().any(|account| account.as_str() == user);
    Ok(rows
        .into_iter()
        .filter(|(_, user, _, _)| is_wanted(user))
        .take(MAX_SESSIONS)
        .map(|(id, user, seconds, query)| Session { id, user, seconds, query })
        .collect())
}

/// Ends all sessions of `accounts` and waits until they are gone; how many there were.
pub(super) async fn end_all(
    admin: &mut Admin<'_>,
    accounts: &[AccountName],
) -> Result<u32, MysqlError> {
    let sessions = of_accounts(admin, accounts).await?;
    let mut ended = 0;
    for session in &sessions {
        ended += u32::from(end(admin, session.id).await?);
    }
    let deadline = Instant::now() + GONE_TIMEOUT;
    while ended > 0 && Instant::now() < deadline && !of_accounts(admin, accounts).await?.is_empty() {
        sleep(GONE_INTERVAL).await;
    }
    Ok(ended)
}

/// Whether there was a session to end.
async fn end(admin: &mut Admin<'_>, id: u64) -> Result<bool, MysqlError> {
    match admin.run([kill(id)]).await {
        Ok(()) => Ok(true),
        Err(error) if error.is(code::NO_SUCH_THREAD) => Ok(false),
        Err(error) => Err(error),
    }
}
