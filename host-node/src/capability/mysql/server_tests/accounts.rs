//! Accounts can do what they were made for, in their database, and nothing else.

use super::site::{Site, log_in, look, refusal};
use crate::guest::bindings::tenon::host::mysql::{Access, Failure};

/// Error numbers of the server.
const NO_RIGHT_TO_DATABASE: u16 = 1044;
const NO_RIGHT_TO_TABLE: u16 = 1142;

#[tokio::test]
async fn an_account_logs_in_with_the_password_it_got_last() {
    let mut site = Site::new("login");
    let db = site.create("a").await;
    let first = site.account(&db, "owner", Access::ReadWrite).await;
    log_in(&first).await.unwrap();
    let second = site.account(&db, "owner", Access::ReadWrite).await;
    assert_eq!(first.user, second.user);
    assert_eq!((&*second.host, &*second.database), ("127.0.0.1", "logina"));
    assert!(log_in(&first).await.is_err());
    let mut application = log_in(&second).await.unwrap();
    look(&mut application, "CREATE TABLE t (v INT)").await;

    let limited = site.try_account(&db, "two", 1).await.unwrap();
    let _one = log_in(&limited).await.unwrap();
    assert!(log_in(&limited).await.is_err());
}

#[tokio::test]
async fn an_account_sees_no_other_database() {
    let mut site = Site::new("wall");
    let (one, two) = (site.create("1").await, site.create("11").await);
    let neighbour = site.account(&two, "owner", Access::ReadWrite).await;
    let mut neighbour = log_in(&neighbour).await.unwrap();
    look(&mut neighbour, "CREATE TABLE secret (v INT)").await;

    let account = site.account(&one, "owner", Access::ReadWrite).await;
    let mut application = log_in(&account).await.unwrap();
    for (statement, code) in [
        ("SELECT * FROM wall11.secret", NO_RIGHT_TO_TABLE),
        ("USE wall11", NO_RIGHT_TO_DATABASE),
        ("CREATE DATABASE wall1x", NO_RIGHT_TO_DATABASE),
        ("CREATE DATABASE `wall_`", NO_RIGHT_TO_DATABASE),
        ("SELECT * FROM mysql.global_priv", NO_RIGHT_TO_TABLE),
        ("GRANT SELECT ON wall1.* TO x@'%'", NO_RIGHT_TO_DATABASE),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", NO_RIGHT_TO_DATABASE),
        ("SET GLOBAL max_connections = 1", 1227),
    ] {
        assert_eq!(refusal(&mut application, statement).await, Some(code), "{statement}");
    }
    let seen = look(&mut application, "SHOW DATABASES").await;
    assert_eq!(seen, ["information_schema", "wall1"]);
}

#[tokio::test]
async fn access_is_changed_and_taken_away() {
    let mut site = Site::new("access");
    let db = site.create("a").await;
    let account = site.account(&db, "app", Access::ReadWrite).await;
    let mut application = log_in(&account).await.unwrap();
    look(&mut application, "CREATE TABLE t (v INT)").await;
    look(&mut application, "INSERT INTO t VALUES (1)").await;

    site.set_access(&db, &account.user, Some(Access::ReadOnly)).await.unwrap();
    assert!(super::site::refusal_or_loss(&mut application, "SELECT 1").await, "session goes on");
    let mut application = log_in(&account).await.unwrap();
    assert_eq!(look(&mut application, "SELECT v FROM t").await, ["1"]);
    for statement in
        ["INSERT INTO t VALUES (2)", "DELETE FROM t", "DROP TABLE t", "CREATE TABLE u (v INT)"]
    {
        assert_eq!(refusal(&mut application, statement).await, Some(NO_RIGHT_TO_TABLE));
    }

    site.set_access(&db, &account.user, None).await.unwrap();
    assert!(super::site::refusal_or_loss(&mut application, "SELECT 1").await);
    assert!(log_in(&account).await.is_err());
    assert_eq!(site.users().await, [&*account.user]);

    site.set_access(&db, &account.user, Some(Access::ReadWrite)).await.unwrap();
    let mut application = log_in(&account).await.unwrap();
    look(&mut application, "INSERT INTO t VALUES (2)").await;

    // Made again as a reader, it is one.
    let reader = site.account(&db, "app", Access::ReadOnly).await;
    let mut application = log_in(&reader).await.unwrap();
    assert_eq!(refusal(&mut application, "DELETE FROM t").await, Some(NO_RIGHT_TO_TABLE));
    let missing = site.set_access(&db, "accessnobody", None).await;
    assert!(matches!(missing, Err(Failure::NotFound)));
}

#[tokio::test]
async fn an_account_of_another_database_is_not_touched() {
    let mut site = Site::new("theirs");
    let (mine, theirs) = (site.create("mine").await, site.create("yours").await);
    let account = site.account(&theirs, "app", Access::ReadWrite).await;
    let user = account.user.clone();
    assert!(matches!(site.adopt(&mine, &user, "x").await, Err(Failure::NotGranted(_))));
    assert!(matches!(site.set_access(&mine, &user, None).await, Err(Failure::NotGranted(_))));
    assert!(matches!(site.drop_account(&mine, &user).await, Err(Failure::NotGranted(_))));
    log_in(&account).await.unwrap();

    // Neither are accounts that the node did not make.
    let _ = site.look("GRANT ALL ON *.* TO theirsadmin@'%' IDENTIFIED BY 'x'").await;
    let foreign = site.adopt(&mine, "theirsadmin", "x").await;
    assert!(matches!(foreign, Err(Failure::NotGranted(_))));
    let helper = "SELECT User FROM mysql.user WHERE User LIKE 'theirsh%'";
    site.execute(&mine, "DO 1", vec![]).await.unwrap();
    let helper = site.look(helper).await;
    for user in
        ["root", "mysql", "admin", "theirs", "", "theirs'; --", "theirs%", "theirs`", &helper[0]]
    {
        assert!(matches!(site.adopt(&mine, user, "x").await, Err(Failure::BadName(_))), "{user}");
        assert!(matches!(site.drop_account(&mine, user).await, Err(Failure::BadName(_))), "{user}");
        let access = site.set_access(&mine, user, None).await;
        assert!(matches!(access, Err(Failure::BadName(_))), "{user}");
    }
}

#[tokio::test]
async fn an_adopted_account_has_its_name_and_password() {
    let mut site = Site::new("adopt");
    let db = site.create("a").await;
    for password in ["old", "it's \"odd\" \\ `ä`%"] {
        let account = site.adopt(&db, "adoptBc123XYZ", password).await.unwrap();
        assert_eq!((&*account.user, &*account.password), ("adoptBc123XYZ", password));
        log_in(&account).await.unwrap();
    }
    assert!(matches!(site.adopt(&db, "adoptx", "").await, Err(Failure::BadName(_))));
    assert!(matches!(site.adopt(&db, "adoptx", "a\nb").await, Err(Failure::BadName(_))));
}

#[tokio::test]
async fn a_dropped_account_is_gone_with_its_sessions() {
    let mut site = Site::new("gone");
    let db = site.create("a").await;
    let account = site.account(&db, "app", Access::ReadWrite).await;
    let mut application = log_in(&account).await.unwrap();
    for _ in 0..2 {
        site.drop_account(&db, &account.user).await.unwrap();
    }
    assert!(super::site::refusal_or_loss(&mut application, "SELECT 1").await);
    assert!(log_in(&account).await.is_err());
    assert_eq!(site.look("SELECT User FROM mysql.user WHERE User LIKE 'gone%'").await, [""; 0]);
}

#[tokio::test]
async fn what_a_dropped_account_defined_goes_on_working() {
    for (prefix, definition) in [
        ("vview", "CREATE VIEW x AS SELECT v FROM t"),
        ("vproc", "CREATE PROCEDURE x() SELECT v FROM t"),
        ("vtrig", "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.v = NEW.v + 1"),
    ] {
        let mut site = Site::new(prefix);
        let db = site.create("a").await;
        let owner = site.account(&db, "owner", Access::ReadWrite).await;
        let account = site.account(&db, "app", Access::ReadWrite).await;
        let mut application = log_in(&account).await.unwrap();
        look(&mut application, "CREATE TABLE t (v INT)").await;
        look(&mut application, definition).await;
        for _ in 0..2 {
            site.drop_account(&db, &account.user).await.unwrap();
        }
        assert!(log_in(&account).await.is_err());
        assert_eq!(site.users().await, [&*owner.user], "a parked account is told of");
        let parked = site.set_access(&db, &account.user, Some(Access::ReadWrite)).await;
        assert!(matches!(parked, Err(Failure::NotFound)));

        let mut other = log_in(&owner).await.unwrap();
        look(&mut other, "INSERT INTO t VALUES (1)").await;
        if prefix != "vtrig" {
            look(&mut other, if prefix == "vview" { "SELECT * FROM x" } else { "CALL x()" }).await;
        }

        // Bound again, it is an account like any other; the last definition gone, it is none.
        let account = site.account(&db, "app", Access::ReadWrite).await;
        let mut application = log_in(&account).await.unwrap();
        let kind =
            ["VIEW", "PROCEDURE", "TRIGGER"].into_iter().find(|kind| definition.contains(kind));
        look(&mut application, &format!("DROP {} x", kind.unwrap())).await;
        site.drop_account(&db, &account.user).await.unwrap();
        let query = format!("SELECT User FROM mysql.user WHERE User = '{}'", account.user);
        assert_eq!(site.look(&query).await, [""; 0]);
    }
}

#[tokio::test]
async fn labels_of_accounts_are_bounded() {
    let mut site = Site::new("bound");
    let db = site.create("a").await;
    for label in ["", &"x".repeat(65)] {
        let made = site.try_account(&db, label, 0).await;
        assert!(matches!(made, Err(Failure::BadName(_))));
    }
    site.account(&db, "anything: 'goes' `here` \0 ä", Access::ReadOnly).await;
}
