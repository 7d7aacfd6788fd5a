//! The statements, word by word.

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
        writes: Writes::Allowed,
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
            REVOKE IF EXISTS INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER ON `d1f`.* FROM `uabc`@`%`
            ALTER USER `uabc`@`%` ACCOUNT UNLOCK"#]],
    );
}

fn check_change(access: Option<Access>, lock: Lock, expected: &Expect) {
    let (database, name) = names();
    let rights = Rights { access, writes: Writes::Allowed };
    expected.assert_eq(&Flavour::MariaDb.change_access(&name, &database, rights, lock).join("\n"));
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
fn what_makes_a_database_grow_is_taken_and_given_at_once_from_all() {
    let (database, name) = names();
    let accounts = [name.clone(), name];
    let all = [Flavour::MariaDb, Flavour::MySql].map(|flavour| {
        [Writes::Blocked, Writes::Allowed]
            .map(|writes| flavour.limit_writes(&database, &accounts, writes))
            .join("\n")
    });
    expect![[r#"
        REVOKE INSERT, UPDATE, CREATE ON `d1f`.* FROM `uabc`@`%`, `uabc`@`%`
        GRANT INSERT, UPDATE, CREATE ON `d1f`.* TO `uabc`@`%`, `uabc`@`%`
        REVOKE IF EXISTS INSERT, UPDATE, CREATE ON `d1f`.* FROM `uabc`@`%`, `uabc`@`%`
        GRANT INSERT, UPDATE, CREATE ON `d1f`.* TO `uabc`@`%`, `uabc`@`%`"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn the_rest_of_the_statements() {
    let (database, name) = names();
    let accounts = [name.clone(), name.clone()];
    let charset = Charset { name: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned() };
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
        kill_statement(Flavour::MariaDb, 7, 8),
        kill_statement(Flavour::MySql, 7, 0),
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
        KILL 7
        KILL QUERY ID 8
        KILL QUERY 7"#]].assert_eq(&all.join("\n"));
}

#[test]
fn the_flavour_is_in_the_version() {
    assert_eq!(Flavour::of_version("10.11.19-MariaDB-0+deb12u1"), Flavour::MariaDb);
    assert_eq!(Flavour::of_version("9.7.4"), Flavour::MySql);
}
