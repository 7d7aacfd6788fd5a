//! The statements that administer databases and accounts, for each kind of server.
//!
//! Text only: nothing here asks a server. All of them can be repeated. None is
//! `FLUSH PRIVILEGES`, which these statements never need and which costs a server with 10,000
//! accounts 0.2 s.

use tenon_protocol::Secret;

use super::name::{AccountName, DatabaseName, quote_ident, quote_literal, quoted_list};
use super::password::native_hash;
use super::rights::{granted, of_helper, revoked};
use crate::guest::bindings::tenon::host::mysql::Access;

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
    /// 0: no limit.
    pub(super) max_connections: u32,
}

impl Flavour {
    pub(super) fn of_version(version: &str) -> Self {
        if version.contains("MariaDB") {
            Self::MariaDb
        } else {
            Self::MySql
        }
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
                "SELECT ID, USER, GREATEST(TIME, 0), COMMAND IN ('Query', 'Execute'), DB \
                 FROM information_schema.PROCESSLIST WHERE USER LIKE ?"
            }
            Self::MySql => {
                "SELECT ID, USER, GREATEST(TIME, 0), COMMAND IN ('Query', 'Execute'), DB \
                 FROM performance_schema.processlist WHERE USER LIKE ?"
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
        let Account {
            name,
            database,
            password,
            access,
            max_connections,
        } = account;
        let limits = format!("WITH MAX_USER_CONNECTIONS {max_connections}");
        let mut statements = self.put(
            name,
            database,
            granted(Some(*access)),
            password,
            &limits,
            standing,
        );
        let Standing::Own(lock) = standing else {
            return statements;
        };
        if let Some(revoke) = revoke(name, database, Some(*access)) {
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
        max_connections: u32,
    ) -> Vec<String> {
        let limits = format!("WITH MAX_USER_CONNECTIONS {max_connections}");
        self.put(
            name,
            database,
            &of_helper(),
            password,
            &limits,
            Standing::Own(Lock::Open),
        )
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
        let grant = format!(
            "GRANT {} ON {} TO {user}",
            rights.join(", "),
            database.everything()
        );
        // A parked account's mark goes with its return.
        let limits = format!("{limits} MAX_CONNECTIONS_PER_HOUR 0");
        match (self, standing) {
            (Self::MariaDb, _) => vec![format!("{grant} {identified} {limits}")],
            (Self::MySql, Standing::Absent) => {
                vec![
                    format!("CREATE USER IF NOT EXISTS {user} {identified} {limits}"),
                    grant,
                ]
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
}

/// Makes an account's rights those of `access`. What it keeps it has at every moment.
pub(super) fn change_access(
    name: &AccountName,
    database: &DatabaseName,
    access: Option<Access>,
    lock: Lock,
) -> Vec<String> {
    let rights = granted(access).join(", ");
    let grant = format!(
        "GRANT {rights} ON {} TO {}",
        database.everything(),
        name.quoted()
    );
    let revoke = revoke(name, database, access);
    let account = std::slice::from_ref(name);
    match access {
        None => [Some(self::lock(account)), Some(grant), revoke]
            .into_iter()
            .flatten()
            .collect(),
        Some(_) => {
            let unlock = (lock != Lock::Open).then(|| unlock(account));
            [Some(grant), revoke, unlock]
                .into_iter()
                .flatten()
                .collect()
        }
    }
}

/// `None` when nothing has to go.
fn revoke(name: &AccountName, database: &DatabaseName, access: Option<Access>) -> Option<String> {
    let rights = revoked(access);
    let (everything, user) = (database.everything(), name.quoted());
    let statement = || format!("REVOKE {} ON {everything} FROM {user}", rights.join(", "));
    (!rights.is_empty()).then(statement)
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
    format!(
        "CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4",
        name.quoted()
    )
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
    format!(
        "SHOW FIELDS FROM {}.{}",
        database.quoted(),
        quote_ident(table)
    )
}

pub(super) fn kill(session: u64) -> String {
    format!("KILL {session}")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::capability::mysql::name::Prefixes;

    fn names() -> (DatabaseName, AccountName) {
        let prefixes = Prefixes::new("d", "u").unwrap();
        let database = prefixes.database("1f").unwrap();
        let account = prefixes.named_account(&database, "uabc").unwrap();
        (database, account)
    }

    fn check_put(flavour: Flavour, access: Access, standing: Standing, expected: &Expect) {
        let (database, name) = names();
        let password = Secret::new("pass'word".to_owned());
        let account = Account {
            name: &name,
            database: &database,
            password: &password,
            access,
            max_connections: 20,
        };
        expected.assert_eq(&flavour.put_account(&account, standing).join("\n"));
    }

    #[test]
    fn a_new_account_is_one_statement_on_mariadb() {
        check_put(
            Flavour::MariaDb,
            Access::ReadWrite,
            Standing::Absent,
            &expect![
                "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER ON `d1f`.* TO `uabc`@`%` IDENTIFIED BY PASSWORD '*3600EB0AE4F7B67FB00A3BC3D550DAC7E0D7D032' WITH MAX_USER_CONNECTIONS 20 MAX_CONNECTIONS_PER_HOUR 0"
            ],
        );
        check_put(
            Flavour::MariaDb,
            Access::ReadOnly,
            Standing::Absent,
            &expect![
                "GRANT SELECT, SHOW VIEW ON `d1f`.* TO `uabc`@`%` IDENTIFIED BY PASSWORD '*3600EB0AE4F7B67FB00A3BC3D550DAC7E0D7D032' WITH MAX_USER_CONNECTIONS 20 MAX_CONNECTIONS_PER_HOUR 0"
            ],
        );
    }

    #[test]
    fn an_account_that_is_there_loses_what_it_must_not_have() {
        check_put(
            Flavour::MariaDb,
            Access::ReadOnly,
            Standing::Own(Lock::Open),
            &expect![[r#"
                GRANT SELECT, SHOW VIEW ON `d1f`.* TO `uabc`@`%` IDENTIFIED BY PASSWORD '*3600EB0AE4F7B67FB00A3BC3D550DAC7E0D7D032' WITH MAX_USER_CONNECTIONS 20 MAX_CONNECTIONS_PER_HOUR 0
                REVOKE INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER ON `d1f`.* FROM `uabc`@`%`"#]],
        );
        check_put(
            Flavour::MariaDb,
            Access::ReadWrite,
            Standing::Own(Lock::Parked),
            &expect![[r#"
                GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER ON `d1f`.* TO `uabc`@`%` IDENTIFIED BY PASSWORD '*3600EB0AE4F7B67FB00A3BC3D550DAC7E0D7D032' WITH MAX_USER_CONNECTIONS 20 MAX_CONNECTIONS_PER_HOUR 0
                ALTER USER `uabc`@`%` ACCOUNT UNLOCK"#]],
        );
    }

    #[test]
    fn mysql_makes_accounts_apart_from_rights() {
        check_put(
            Flavour::MySql,
            Access::ReadOnly,
            Standing::Absent,
            &expect![[r#"
            CREATE USER IF NOT EXISTS `uabc`@`%` IDENTIFIED BY 'pass''word' WITH MAX_USER_CONNECTIONS 20 MAX_CONNECTIONS_PER_HOUR 0
            GRANT SELECT, SHOW VIEW ON `d1f`.* TO `uabc`@`%`"#]],
        );
        check_put(
            Flavour::MySql,
            Access::ReadOnly,
            Standing::Own(Lock::Shut),
            &expect![[r#"
            CREATE USER IF NOT EXISTS `uabc`@`%` ACCOUNT LOCK
            ALTER USER `uabc`@`%` IDENTIFIED BY 'pass''word' WITH MAX_USER_CONNECTIONS 20 MAX_CONNECTIONS_PER_HOUR 0 ACCOUNT UNLOCK
            GRANT SELECT, SHOW VIEW ON `d1f`.* TO `uabc`@`%`
            REVOKE INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER ON `d1f`.* FROM `uabc`@`%`
            ALTER USER `uabc`@`%` ACCOUNT UNLOCK"#]],
        );
    }

    fn check_change(access: Option<Access>, lock: Lock, expected: &Expect) {
        let (database, name) = names();
        expected.assert_eq(&change_access(&name, &database, access, lock).join("\n"));
    }

    #[test]
    fn access_is_changed_without_a_moment_of_none() {
        check_change(
            Some(Access::ReadOnly),
            Lock::Open,
            &expect![[r#"
            GRANT SELECT, SHOW VIEW ON `d1f`.* TO `uabc`@`%`
            REVOKE INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER ON `d1f`.* FROM `uabc`@`%`"#]],
        );
        check_change(
            Some(Access::ReadWrite),
            Lock::Shut,
            &expect![[r#"
            GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER ON `d1f`.* TO `uabc`@`%`
            ALTER USER `uabc`@`%` ACCOUNT UNLOCK"#]],
        );
        check_change(
            None,
            Lock::Open,
            &expect![[r#"
            ALTER USER `uabc`@`%` ACCOUNT LOCK
            GRANT LOCK TABLES ON `d1f`.* TO `uabc`@`%`
            REVOKE SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER ON `d1f`.* FROM `uabc`@`%`"#]],
        );
    }

    #[test]
    fn the_rest_of_the_statements() {
        let (database, name) = names();
        let accounts = [name.clone(), name.clone()];
        let charset = Charset {
            name: "utf8mb4".to_owned(),
            collation: "utf8mb4_bin".to_owned(),
        };
        let password = Secret::new("x".to_owned());
        let all = [
            create_database(&database),
            create_database_as(&database, &charset),
            drop_database(&database),
            lock(&accounts),
            unlock(&accounts),
            drop_accounts(&accounts),
            Flavour::MariaDb.park(&name, &password),
            Flavour::MySql.park(&name, &password),
            show_fields(&database, "odd`; name"),
            kill(7),
        ];
        expect![[r#"
            CREATE DATABASE IF NOT EXISTS `d1f` CHARACTER SET utf8mb4
            CREATE DATABASE `d1f` CHARACTER SET `utf8mb4` COLLATE `utf8mb4_bin`
            DROP DATABASE IF EXISTS `d1f`
            ALTER USER `uabc`@`%`, `uabc`@`%` ACCOUNT LOCK
            ALTER USER `uabc`@`%`, `uabc`@`%` ACCOUNT UNLOCK
            DROP USER IF EXISTS `uabc`@`%`, `uabc`@`%`
            ALTER USER `uabc`@`%` IDENTIFIED BY PASSWORD '*B69027D44F6E5EDC07F1AEAD1477967B16F28227' WITH MAX_CONNECTIONS_PER_HOUR 1 ACCOUNT LOCK
            ALTER USER `uabc`@`%` IDENTIFIED BY 'x' WITH MAX_CONNECTIONS_PER_HOUR 1 ACCOUNT LOCK
            SHOW FIELDS FROM `d1f`.`odd``; name`
            KILL 7"#]].assert_eq(&all.join("\n"));
    }

    #[test]
    fn the_flavour_is_in_the_version() {
        assert_eq!(
            Flavour::of_version("10.11.19-MariaDB-0+deb12u1"),
            Flavour::MariaDb
        );
        assert_eq!(Flavour::of_version("9.7.4"), Flavour::MySql);
    }
}
