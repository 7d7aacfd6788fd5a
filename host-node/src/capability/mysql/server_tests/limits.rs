//! A database that takes no new data, with tenants that try to write all the same.

use mysql_async::Conn;

use super::site::{Site, log_in, look, refusal, refusal_or_loss};
use crate::guest::bindings::tenon::host::mysql::{Access, Account, Failure, Writes};

const NO_RIGHT: u16 = 1142;
const NO_RIGHT_TO_DATABASE: u16 = 1044;

/// What makes the database grow.
const GROWING: [&str; 4] = [
    "INSERT INTO t VALUES (9, 'x')",
    "UPDATE t SET v = 'longer'",
    "CREATE TABLE u (v INT)",
    "REPLACE INTO t VALUES (1, 'x')",
];

/// A database with a table of two rows, and its owner.
async fn filled(prefix: &str) -> (Site, super::site::Db, Account) {
    let mut site = Site::new(prefix);
    let db = site.create("a").await;
    let owner = site.account(&db, "owner", Access::ReadWrite).await;
    let mut application = log_in(&owner).await.unwrap();
    look(&mut application, "CREATE TABLE t (k INT PRIMARY KEY, v TEXT)").await;
    look(&mut application, "INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    (site, db, owner)
}

async fn check_blocked(application: &mut Conn) {
    for statement in GROWING {
        let refused = refusal(application, statement).await;
        assert!(matches!(refused, Some(NO_RIGHT | NO_RIGHT_TO_DATABASE)), "{statement}");
    }
    look(application, "SELECT * FROM t").await;
}

async fn check_allowed(account: &Account) {
    let mut application = log_in(account).await.unwrap();
    look(&mut application, "REPLACE INTO t VALUES (3, 'x')").await;
    look(&mut application, "UPDATE t SET v = 'y'").await;
    look(&mut application, "CREATE TABLE x (v INT)").await;
    look(&mut application, "DROP TABLE x").await;
}

async fn check_reader(account: &Account) {
    let mut application = log_in(account).await.unwrap();
    look(&mut application, "SELECT * FROM t").await;
    for statement in GROWING.into_iter().chain(["DELETE FROM t", "DROP TABLE t"]) {
        assert!(refusal(&mut application, statement).await.is_some(), "{statement}");
    }
}

#[tokio::test]
async fn p27_nobody_writes_into_a_database_that_takes_no_new_data_but_room_can_be_made() {
    let (mut site, db, owner) = filled("limit").await;
    let old = site.account(&db, "old", Access::ReadWrite).await;
    let mut sessions = [log_in(&owner).await.unwrap(), log_in(&old).await.unwrap()];
    assert_eq!(site.limit(&db, Writes::Blocked).await.unwrap(), 2);
    for session in &mut sessions {
        assert!(refusal_or_loss(session, "INSERT INTO t VALUES (8, 'x')").await);
    }
    let new = site.account(&db, "new", Access::ReadWrite).await;
    let adopted = site.adopt(&db, "limitAdopted", "secret").await.unwrap();
    for account in [&owner, &old, &new, &adopted] {
        check_blocked(&mut log_in(account).await.unwrap()).await;
    }

    let mut application = log_in(&new).await.unwrap();
    look(&mut application, "CREATE INDEX i ON t (k)").await;
    look(&mut application, "DELETE FROM t WHERE k = 1").await;
    look(&mut application, "ALTER TABLE t ENGINE=InnoDB").await;
    assert_eq!(site.limit(&db, Writes::Allowed).await.unwrap(), 4);
    for account in [&owner, &old, &new, &adopted] {
        check_allowed(account).await;
    }
}

#[tokio::test]
async fn p27_the_same_again_changes_nothing_and_ends_no_session() {
    let (mut site, db, owner) = filled("same").await;
    for writes in [Writes::Blocked, Writes::Allowed] {
        site.limit(&db, writes).await.unwrap();
        let mut application = log_in(&owner).await.unwrap();
        for _ in 0..2 {
            assert_eq!(site.limit(&db, writes).await.unwrap(), 0);
        }
        look(&mut application, "SELECT 1").await;
    }
}

#[tokio::test]
async fn p27_grants_that_differ_are_mended_and_only_their_sessions_end() {
    let (mut site, db, owner) = filled("mend").await;
    let other = site.account(&db, "other", Access::ReadWrite).await;
    site.limit(&db, Writes::Blocked).await.unwrap();
    let _ = site.look(&format!("GRANT INSERT ON `menda`.* TO `{}`@`%`", owner.user)).await;
    let mut writer = log_in(&owner).await.unwrap();
    let mut bystander = log_in(&other).await.unwrap();
    assert_eq!(site.limit(&db, Writes::Blocked).await.unwrap(), 1);
    assert!(refusal_or_loss(&mut writer, "INSERT INTO t VALUES (9, 'x')").await);
    look(&mut bystander, "SELECT 1").await;
}

#[tokio::test]
async fn p27_readers_stay_readers_and_who_is_shut_off_stays_so() {
    let (mut site, db, owner) = filled("reader").await;
    let reader = site.account(&db, "reader", Access::ReadOnly).await;
    let shut = site.account(&db, "shut", Access::ReadWrite).await;
    site.set_access(&db, &shut.user, None).await.unwrap();
    site.limit(&db, Writes::Blocked).await.unwrap();
    let late = site.account(&db, "late", Access::ReadOnly).await;
    site.limit(&db, Writes::Allowed).await.unwrap();
    check_reader(&reader).await;
    check_reader(&late).await;
    check_allowed(&owner).await;
    assert!(log_in(&shut).await.is_err());

    // Who is let in again gets what the database has at that time.
    site.limit(&db, Writes::Blocked).await.unwrap();
    site.set_access(&db, &shut.user, Some(Access::ReadWrite)).await.unwrap();
    check_blocked(&mut log_in(&shut).await.unwrap()).await;
}

#[tokio::test]
async fn p27_the_limit_outlives_the_process() {
    let (mut site, db, owner) = filled("lives").await;
    site.limit(&db, Writes::Blocked).await.unwrap();
    site.restart();
    let db = site.find("a").await.unwrap();
    let new = site.account(&db, "new", Access::ReadWrite).await;
    check_blocked(&mut log_in(&new).await.unwrap()).await;
    check_blocked(&mut log_in(&owner).await.unwrap()).await;
    // A database of the same name is another one.
    site.drop_database("a").await.unwrap();
    let db = site.create("a").await;
    let owner = site.account(&db, "owner", Access::ReadWrite).await;
    look(&mut log_in(&owner).await.unwrap(), "CREATE TABLE t (k INT)").await;
}

#[tokio::test]
async fn p27_routines_of_accounts_that_are_gone_and_of_loads_write_no_more_either() {
    let (mut site, db, owner) = filled("proc").await;
    let maker = site.account(&db, "maker", Access::ReadWrite).await;
    let mut application = log_in(&maker).await.unwrap();
    look(&mut application, "CREATE PROCEDURE grow() INSERT INTO t VALUES (7, 'x')").await;
    site.drop_account(&db, &maker.user).await.unwrap();
    site.limit(&db, Writes::Blocked).await.unwrap();
    let mut application = log_in(&owner).await.unwrap();
    assert_eq!(refusal(&mut application, "CALL grow()").await, Some(NO_RIGHT));

    // Loaded, the procedure is the helper's.
    site.dump(&db, 1 << 20).await.unwrap();
    site.load(&db).await.unwrap();
    let mut application = log_in(&owner).await.unwrap();
    assert_eq!(refusal(&mut application, "CALL grow()").await, Some(NO_RIGHT));
    check_blocked(&mut application).await;
    site.restart();
    let db = site.find("a").await.unwrap();
    let written = site.execute(&db, "INSERT INTO t VALUES (6, 'x')", vec![]).await;
    assert!(matches!(written, Err(Failure::Sql((1142, _, _)))));

    site.limit(&db, Writes::Allowed).await.unwrap();
    look(&mut log_in(&owner).await.unwrap(), "CALL grow()").await;
    site.execute(&db, "INSERT INTO t VALUES (6, 'x')", vec![]).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_gone_has_no_limit() {
    let (mut site, db, _owner) = filled("nodb").await;
    site.drop_database("a").await.unwrap();
    for writes in [Writes::Blocked, Writes::Allowed] {
        assert!(matches!(site.limit(&db, writes).await, Err(Failure::NotFound)));
    }
    let left = site.on_disk.path().join("scratch");
    let left = cap_std::fs::Dir::open_ambient_dir(left, cap_std::ambient_authority()).unwrap();
    assert_eq!(left.entries().unwrap().count(), 0);
}
