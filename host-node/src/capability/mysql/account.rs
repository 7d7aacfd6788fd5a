//! Accounts of a database.
//!
//! Before an account is changed or dropped it is looked up by its name, which is a key: what is
//! done costs the same on a server with 10,000 accounts.

use mysql_async::params;
use tenon_protocol::Secret;

use super::Database;
use super::error::MysqlError;
use super::name::{AccountName, DatabaseName};
use super::password;
use super::rights::Rights;
use super::server::Admin;
use super::session;
use super::statement::{self, Account, Lock, PARKED_PER_HOUR, Standing};
use crate::guest::bindings::tenon::host::mysql::{Access, Account as Login};

/// Whether anything in the database runs in an account's name: views, routines, triggers, events.
/// Each looks at one database only.
const DEFINER_QUERY: &str = "\
    SELECT 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = :db AND DEFINER = :definer \
    UNION ALL SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = :db AND DEFINER = :definer \
    UNION ALL SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = :db AND DEFINER = :definer \
    UNION ALL SELECT 1 FROM information_schema.EVENTS WHERE EVENT_SCHEMA = :db AND DEFINER = :definer \
    LIMIT 1";

/// All with rights on the database from any host, and on no other database.
const ACCOUNTS_QUERY: &str = "\
    SELECT d.User FROM mysql.db d WHERE d.Host = '%' AND d.Db = ? \
    AND NOT EXISTS (SELECT 1 FROM mysql.db o WHERE o.User = d.User AND o.Db <> d.Db)";

/// Who an account is made for, and what with.
pub(super) struct Wanted {
    pub(super) name: AccountName,
    pub(super) password: Secret,
    pub(super) access: Access,
    pub(super) max_connections: u32,
}

impl Database {
    /// Makes the account that `label` has here, or gives it a new password.
    ///
    /// Two statements: one that reads two rows by key, one `GRANT`. No scan for quotas; whoever
    /// enforces them says so by the access it asks for.
    pub(super) async fn create_account(
        &self,
        label: &str,
        access: Access,
        max_connections: u32,
    ) -> Result<Login, MysqlError> {
        let name = self.prefixes().account(&self.name, label)?;
        self.put_account(Wanted { name, password: password::random(), access, max_connections })
            .await
    }

    /// The user that [`Self::create_account`] makes for `label`. Asks no server.
    pub(super) fn account_user(&self, label: &str) -> Result<String, MysqlError> {
        Ok(self.prefixes().account(&self.name, label)?.as_str().to_owned())
    }

    /// Makes an account with the name and password that it had elsewhere.
    pub(super) async fn adopt_account(
        &self,
        user: &str,
        password: String,
        access: Access,
        max_connections: u32,
    ) -> Result<Login, MysqlError> {
        let name = self.prefixes().named_account(&self.name, user)?;
        let password = password::brought(password)?;
        self.put_account(Wanted { name, password, access, max_connections }).await
    }

    async fn put_account(&self, wanted: Wanted) -> Result<Login, MysqlError> {
        let mut admin = self.server.admin().await?;
        let standing = standing(&mut admin, &self.name, &wanted.name).await?;
        if standing == Standing::Foreign {
            return Err(MysqlError::ForeignAccount(wanted.name.as_str().to_owned()));
        }
        self.put(&mut admin, &wanted, standing).await?;
        let settings = &self.server.settings;
        Ok(Login {
            host: settings.public_host.clone(),
            port: settings.port,
            database: self.name.as_str().to_owned(),
            user: wanted.name.as_str().to_owned(),
            password: wanted.password.reveal().to_owned(),
        })
    }

    /// Once more if the database stopped or began taking new data meanwhile: whoever changes that
    /// may have looked for accounts before this one was there.
    async fn put(
        &self,
        admin: &mut Admin<'_>,
        wanted: &Wanted,
        mut standing: Standing,
    ) -> Result<(), MysqlError> {
        loop {
            let writes = self.writes();
            let account = Account {
                name: &wanted.name,
                database: &self.name,
                password: &wanted.password,
                access: wanted.access,
                writes,
                max_connections: wanted.max_connections,
            };
            let flavour = admin.flavour();
            admin.run(flavour.put_account(&account, standing)).await?;
            if self.writes() == writes {
                return Ok(());
            }
            standing = Standing::Own(Lock::Open);
        }
    }

    /// Changes what an account may do; `None` shuts it off.
    ///
    /// Rights that are taken do not reach a live session before its next `USE`, so that sessions
    /// are ended whenever some are.
    pub(super) async fn set_access(
        &self,
        user: &str,
        access: Option<Access>,
    ) -> Result<(), MysqlError> {
        let name = self.prefixes().named_account(&self.name, user)?;
        let mut admin = self.server.admin().await?;
        let lock = self.own(&mut admin, &name).await?.ok_or(MysqlError::NotFound)?;
        if lock == Lock::Parked {
            return Err(MysqlError::NotFound);
        }
        let rights = Rights { access, writes: self.writes() };
        let flavour = admin.flavour();
        admin.run(flavour.change_access(&name, &self.name, rights, lock)).await?;
        match access {
            Some(Access::ReadWrite) => Ok(()),
            Some(Access::ReadOnly) | None => {
                session::end_all(&mut admin, &[name]).await.map(|_| ())
            }
        }
    }

    /// Drops an account and ends its sessions. One that defines views or routines is parked.
    ///
    /// Locked first: an application would log in again while its sessions are ended.
    pub(super) async fn drop_account(&self, user: &str) -> Result<(), MysqlError> {
        let name = self.prefixes().named_account(&self.name, user)?;
        let mut admin = self.server.admin().await?;
        if self.own(&mut admin, &name).await?.is_none() {
            return Ok(());
        }
        let accounts = std::slice::from_ref(&name);
        admin.run([statement::lock(accounts)]).await?;
        session::end_all(&mut admin, accounts).await?;
        let last = if is_definer(&mut admin, &self.name, &name).await? {
            admin.flavour().park(&name, &password::random())
        } else {
            statement::drop_accounts(accounts)
        };
        admin.run([last]).await
    }

    /// `None` when no account has the name.
    async fn own(
        &self,
        admin: &mut Admin<'_>,
        name: &AccountName,
    ) -> Result<Option<Lock>, MysqlError> {
        match standing(admin, &self.name, name).await? {
            Standing::Absent => Ok(None),
            Standing::Own(lock) => Ok(Some(lock)),
            Standing::Foreign => Err(MysqlError::ForeignAccount(name.as_str().to_owned())),
        }
    }

    /// All accounts that are this database's alone: applications', parked ones, the node's own.
    pub(super) async fn all_accounts(
        &self,
        admin: &mut Admin<'_>,
    ) -> Result<Vec<AccountName>, MysqlError> {
        let users: Vec<(String,)> = admin.rows(ACCOUNTS_QUERY, (self.name.as_str(),)).await?;
        let found = users.iter().filter_map(|(user,)| self.prefixes().found_account(user));
        Ok(found.collect())
    }

    /// The same without the node's own.
    pub(super) async fn tenant_accounts(
        &self,
        admin: &mut Admin<'_>,
    ) -> Result<Vec<AccountName>, MysqlError> {
        let helper = self.prefixes().helper(&self.name);
        let accounts = self.all_accounts(admin).await?;
        Ok(accounts.into_iter().filter(|account| *account != helper).collect())
    }
}

/// Whose an account is.
pub(super) async fn standing(
    admin: &mut Admin<'_>,
    database: &DatabaseName,
    name: &AccountName,
) -> Result<Standing, MysqlError> {
    let rows = admin.rows(admin.flavour().account_query(), (name.as_str(),)).await?;
    Ok(standing_of(&rows, database))
}

/// Locked, limit of connections an hour, and a database it has rights on.
type AccountRow = (u8, u32, Option<String>);

fn standing_of(rows: &[AccountRow], database: &DatabaseName) -> Standing {
    let Some((locked, per_hour, _)) = rows.first() else {
        return Standing::Absent;
    };
    if rows.iter().any(|(_, _, db)| db.as_deref() != Some(database.as_str())) {
        return Standing::Foreign;
    }
    Standing::Own(match (locked, per_hour) {
        (0, _) => Lock::Open,
        (_, &PARKED_PER_HOUR) => Lock::Parked,
        (_, _) => Lock::Shut,
    })
}

async fn is_definer(
    admin: &mut Admin<'_>,
    database: &DatabaseName,
    name: &AccountName,
) -> Result<bool, MysqlError> {
    let definer = format!("{}@%", name.as_str());
    let params = params! { "db" => database.as_str(), "definer" => definer };
    let found: Vec<(u8,)> = admin.rows(DEFINER_QUERY, params).await?;
    Ok(!found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::mysql::name::Prefixes;

    #[test]
    fn an_account_is_a_databases_own_only_if_it_has_no_other_rights() {
        let database = Prefixes::new("d", "u").unwrap().database("1").unwrap();
        let row = |locked, per_hour, db: Option<&str>| (locked, per_hour, db.map(str::to_owned));
        for (rows, expected) in [
            (vec![], Standing::Absent),
            (vec![row(0, 0, Some("d1"))], Standing::Own(Lock::Open)),
            (vec![row(1, 0, Some("d1"))], Standing::Own(Lock::Shut)),
            (vec![row(1, 1, Some("d1"))], Standing::Own(Lock::Parked)),
            (vec![row(0, 1, Some("d1"))], Standing::Own(Lock::Open)),
            (vec![row(0, 0, None)], Standing::Foreign),
            (vec![row(0, 0, Some("d2"))], Standing::Foreign),
            (vec![row(0, 0, Some("d1")), row(0, 0, Some("d2"))], Standing::Foreign),
            (vec![row(0, 0, Some("d%"))], Standing::Foreign),
        ] {
            assert_eq!(standing_of(&rows, &database), expected, "{rows:?}");
        }
    }
}
