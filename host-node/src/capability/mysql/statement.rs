//! The statements that administer databases and accounts, for each kind of server.
//!
//! Text only: nothing here asks a server. All of them can be repeated. None is
//! `FLUSH PRIVILEGES`, which these statements never need and which costs a server with 10,000
//! accounts 0.2 s.

use tenon_protocol::Secret;

use super::name::{AccountName, DatabaseName, quote_ident, quote_literal, quoted_list};
use super::password::native_hash;
use super::rights::{GROWING, Rights, of_helper};
use crate::guest::bindings::tenon::host::mysql::{Access, Writes};

/// Whose dialect a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    MariaDb,
    /// MySQL 8 or newer: an account is made by a statement of its own.
    MySql,
}

/// An account, as far as a database wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// No account has the name.
    Absent,
    /// Its rights are on this database and no other.
    Own(Lock),
    /// Somebody else's: another database's, or one with rights that the node did not give.
    Foreign,
}

/// ```text
/// Open ◀──access──▶ Shut
///   │                 │
///   └──▶ Parked ◀─────┘     unbind, when views or routines run in its name
///          └──▶ Open        bind again
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    Open,
    /// Cannot log in; all else as it was.
    Shut,
    /// Gone for everybody, but kept as the definer of what it made. Marked by the limit
    /// [`PARKED_PER_HOUR`], which is never given otherwise.
    Parked,
}

/// `MAX_CONNECTIONS_PER_HOUR` of a parked account.
pub(super) const PARKED_PER_HOUR: u32 = 1;

/// Sessions of the node's own account at once; more wait for the caller's next try.
const HELPER_CONNECTIONS: u32 = 8;

/// How a database sorts and encodes text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Charset {
    pub(super) name: String,
    pub(super) collation: String,
}

/// What an account is to be.
pub(super) struct Account<'a> {
    pub(super) name: &'a AccountName,
    pub(super) database: &'a DatabaseName,
    pub(super) password: &'a Secret,
    pub(super) access: Access,
    pub(super) writes: Writes,
    /// 0: no limit.
    pub(super) max_connections: u32,
}

impl Flavour {
    pub(super) fn of_version(version: &str) -> Self {
        if version.contains("MariaDB") { Self::MariaDb } else { Self::MySql }
    }

    /// Locked, limit of connections an hour, and database, once for each database that the user
    /// has rights on. Found by keys, however many accounts there are.
    pub(super) fn account_query(self) -> &'static str {
        match self {
            Self::MariaDb => {
                "SELECT CAST(IFNULL(JSON_VALUE(g.Priv, '$.account_locked'), 0) AS UNSIGNED), \
                 CAST(IFNULL(JSON_VALUE(g.Priv, '$.max_connections'), 0) AS UNSIGNED), d.Db \
                 FROM mysql.global_priv g LEFT JOIN mysql.db d ON d.User = g.User \
                 WHERE g.Host = '%' AND g.User = ?"
            }
            Self::MySql => {
                "SELECT CAST(g.account_locked = 'Y' AS UNSIGNED), \
                 CAST(g.max_connections AS UNSIGNED), d.Db \
                 FROM mysql.user g LEFT JOIN mysql.db d ON d.User = g.User \
                 WHERE g.Host = '%' AND g.User = ?"
            }
        }
    }

    /// Number, user, seconds in its state, whether it runs a statement, and database, of each
    /// session whose user is like the parameter.
    pub(super) fn sessions_query(self) -> &'static str {
        match self {
            Self::MariaDb => {
                "SELECT ID, USER, IFNULL(GREATEST(TIME, 0), 0), COMMAND IN ('Query', 'Execute'), DB \
                 FROM information_schema.PROCESSLIST WHERE USER LIKE ?"
            }
            Self::MySql => {
                "SELECT ID, USER, IFNULL(GREATEST(TIME, 0), 0), COMMAND IN ('Query', 'Execute'), DB \
                 FROM performance_schema.processlist WHERE USER LIKE ?"
            }
        }
    }

    /// Session, user, seconds and number of each statement whose user is like the first
    /// parameter, and that runs for the seconds of the second one. MySQL does not number them.
    pub(super) fn long_statements_query(self) -> &'static str {
        match self {
            Self::MariaDb => {
                "SELECT ID, USER, TIME, QUERY_ID FROM information_schema.PROCESSLIST \
                 WHERE COMMAND IN ('Query', 'Execute') AND USER LIKE ? AND TIME >= ?"
            }
            Self::MySql => {
                "SELECT ID, USER, TIME, 0 FROM performance_schema.processlist \
                 WHERE COMMAND IN ('Query', 'Execute') AND USER LIKE ? AND TIME >= ?"
            }
        }
    }

    fn identified(self, password: &Secret) -> String {
        match self {
            Self::MariaDb => format!("IDENTIFIED BY PASSWORD '{}'", native_hash(password)),
            Self::MySql => format!("IDENTIFIED BY {}", quote_literal(password.reveal())),
        }
    }

    /// Makes the account what it is to be. One statement in the common case on MariaDB, which
    /// costs one write to disk whatever else is on the server.
    pub(super) fn put_account(self, account: &Account<'_>, standing: Standing) -> Vec<String> {
        let Account { name, database, password, access, writes, max_connections } = account;
        let rights = Rights { access: Some(*access), writes: *writes };
        let limits = format!("WITH MAX_USER_CONNECTIONS {max_connections}");
        let mut statements =
            self.put(name, database, &rights.granted(), password, &limits, standing);
        let Standing::Own(lock) = standing else {
            return statements;
        };
        if let Some(revoke) = self.revoke(name, database, rights) {
            statements.push(revoke);
        }
        if lock != Lock::Open {
            statements.push(unlock(std::slice::from_ref(name)));
        }
        statements
    }

    /// Makes the node's own account for a database, or gives it a new password.
    pub(super) fn put_helper(
        self,
        name: &AccountName,
        database: &DatabaseName,
        password: &Secret,
        writes: Writes,
    ) -> Vec<String> {
        let limits = format!("WITH MAX_USER_CONNECTIONS {HELPER_CONNECTIONS}");
        let rights = of_helper(writes);
        self.put(name, database, &rights, password, &limits, Standing::Own(Lock::Open))
    }

    fn put(
        self,
        name: &AccountName,
        database: &DatabaseName,
        rights: &[&str],
        password: &Secret,
        limits: &str,
        standing: Standing,
    ) -> Vec<String> {
        let (user, identified) = (name.quoted(), self.identified(password));
        let grant = format!("GRANT {} ON {} TO {user}", rights.join(", "), database.everything());
        // A parked account's mark goes with its return.
        let limits = format!("{limits} MAX_CONNECTIONS_PER_HOUR 0");
        match (self, standing) {
            (Self::MariaDb, _) => vec![format!("{grant} {identified} {limits}")],
            (Self::MySql, Standing::Absent) => {
                vec![format!("CREATE USER IF NOT EXISTS {user} {identified} {limits}"), grant]
            }
            (Self::MySql, Standing::Own(_) | Standing::Foreign) => vec![
                format!("CREATE USER IF NOT EXISTS {user} ACCOUNT LOCK"),
                format!("ALTER USER {user} {identified} {limits} ACCOUNT UNLOCK"),
                grant,
            ],
        }
    }

    /// Locks the account out for good, with a password that nobody has.
    pub(super) fn park(self, name: &AccountName, password: &Secret) -> String {
        format!(
            "ALTER USER {} {} WITH MAX_CONNECTIONS_PER_HOUR {PARKED_PER_HOUR} ACCOUNT LOCK",
            name.quoted(),
            self.identified(password)
        )
    }

    /// Makes an account's rights what they are to be. What it keeps it has at every moment.
    pub(super) fn change_access(
        self,
        name: &AccountName,
        database: &DatabaseName,
        rights: Rights,
        lock: Lock,
    ) -> Vec<String> {
        let granted = rights.granted().join(", ");
        let grant = format!("GRANT {granted} ON {} TO {}", database.everything(), name.quoted());
        let revoke = self.revoke(name, database, rights);
        let access = rights.access;
        let account = std::slice::from_ref(name);
        let first = access.is_none().then(|| self::lock(account));
        let last = (access.is_some() && lock != Lock::Open).then(|| unlock(account));
        [first, Some(grant), revoke, last].into_iter().flatten().collect()
    }

    /// Takes what an account must not have; `None` when nothing has to go.
    fn revoke(self, name: &AccountName, database: &DatabaseName, rights: Rights) -> Option<String> {
        let rights = rights.revoked();
        let revoke = self.revoking();
        let (everything, user) = (database.everything(), name.quoted());
        let statement = || format!("{revoke} {} ON {everything} FROM {user}", rights.join(", "));
        (!rights.is_empty()).then(statement)
    }

    /// Gives or takes what makes a database grow.
    pub(super) fn limit_writes(
        self,
        database: &DatabaseName,
        accounts: &[AccountName],
        writes: Writes,
    ) -> String {
        let (growing, everything) = (GROWING.join(", "), database.everything());
        let accounts = quoted_list(accounts);
        match writes {
            Writes::Allowed => format!("GRANT {growing} ON {everything} TO {accounts}"),
            Writes::Blocked => {
                format!("{} {growing} ON {everything} FROM {accounts}", self.revoking())
            }
        }
    }

    /// MySQL refuses to revoke what the account does not have, unless told so (since 8.0.30).
    const fn revoking(self) -> &'static str {
        match self {
            Self::MariaDb => "REVOKE",
            Self::MySql => "REVOKE IF EXISTS",
        }
    }
}

pub(super) fn lock(accounts: &[AccountName]) -> String {
    format!("ALTER USER {} ACCOUNT LOCK", quoted_list(accounts))
}

pub(super) fn unlock(accounts: &[AccountName]) -> String {
    format!("ALTER USER {} ACCOUNT UNLOCK", quoted_list(accounts))
}

pub(super) fn drop_accounts(accounts: &[AccountName]) -> String {
    format!("DROP USER IF EXISTS {}", quoted_list(accounts))
}

pub(super) fn create_database(name: &DatabaseName) -> String {
    // A server's default may still be latin1.
    format!("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4", name.quoted())
}

pub(super) fn create_database_as(name: &DatabaseName, charset: &Charset) -> String {
    format!(
        "CREATE DATABASE {} CHARACTER SET {} COLLATE {}",
        name.quoted(),
        quote_ident(&charset.name),
        quote_ident(&charset.collation)
    )
}

pub(super) fn drop_database(name: &DatabaseName) -> String {
    format!("DROP DATABASE IF EXISTS {}", name.quoted())
}

/// `table` is a tenant's text.
pub(super) fn show_fields(database: &DatabaseName, table: &str) -> String {
    format!("SHOW FIELDS FROM {}.{}", database.quoted(), quote_ident(table))
}

/// Ends a statement and leaves its session. By its own number where it has one: the session may
/// run the next one by now.
pub(super) fn kill_statement(flavour: Flavour, session: u64, statement: u64) -> String {
    match flavour {
        Flavour::MariaDb => format!("KILL QUERY ID {statement}"),
        Flavour::MySql => format!("KILL QUERY {session}"),
    }
}

pub(super) fn kill(session: u64) -> String {
    format!("KILL {session}")
}

#[cfg(test)]
mod tests;
