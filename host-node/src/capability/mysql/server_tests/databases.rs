//! Databases are made, found, listed and dropped.

use super::site::{Site, VERSION, log_in};
use crate::guest::bindings::tenon::host::mysql::{Access, Failure, Host};

#[tokio::test]
async fn a_database_is_made_once_and_dropped_with_its_accounts() {
    let mut site = Site::new("make");
    assert!(matches!(site.find("a").await, Err(Failure::NotFound)));
    let db = site.create("a").await;
    let account = site.account(&db, "owner", Access::ReadWrite).await;
    let mut application = log_in(&account).await.unwrap();
    super::site::look(&mut application, "CREATE TABLE t (v TEXT)").await;
    site.create("a").await;
    site.find("a").await.unwrap();
    let charset = "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA \
        WHERE SCHEMA_NAME = 'makea'";
    assert_eq!(site.look(charset).await, ["utf8mb4"]);

    for _ in 0..2 {
        site.drop_database("a").await.unwrap();
    }
    assert!(matches!(site.find("a").await, Err(Failure::NotFound)));
    assert_eq!(site.look("SELECT User FROM mysql.user WHERE User LIKE 'make%'").await, [""; 0]);
    assert_eq!(site.look("SELECT User FROM mysql.db WHERE Db = 'makea'").await, [""; 0]);
    assert!(super::site::refusal_or_loss(&mut application, "SELECT 1").await);
}

#[tokio::test]
async fn what_the_operator_granted_to_others_stays() {
    let mut site = Site::new("keep");
    site.create("a").await;
    let _ = site.look("GRANT SELECT ON `keepa`.* TO backup@'%' IDENTIFIED BY 'x'").await;
    let _ = site.look("GRANT SELECT ON `keepa`.* TO keepadmin@'%' IDENTIFIED BY 'x'").await;
    let _ = site.look("GRANT SELECT ON `keeper`.* TO keepadmin@'%'").await;
    site.drop_database("a").await.unwrap();
    let users =
        site.look("SELECT User FROM mysql.user WHERE User IN ('backup', 'keepadmin')").await;
    assert_eq!(users.len(), 2);
}

#[tokio::test]
async fn lists_have_the_offerings_own_names_in_pages() {
    let mut site = Site::new("list");
    for label in ["c", "a", "b", "10"] {
        let db = site.create(label).await;
        site.account(&db, "owner", Access::ReadWrite).await;
        // Makes the node's own account, which nobody hears of.
        site.execute(&db, "CREATE TABLE t (v INT)", vec![]).await.unwrap();
    }
    let _ = site.look("CREATE DATABASE `list_x`").await;
    let _ = site.look("CREATE DATABASE `listA`").await;
    let _ = site.look("CREATE DATABASE `zlist`").await;
    assert_eq!(site.labels(None, 1_000).await, ["10", "a", "b", "c"]);
    assert_eq!(site.labels(None, 2).await, ["10", "a"]);
    assert_eq!(site.labels(Some("a"), 2).await, ["b", "c"]);
    assert_eq!(site.labels(Some("c"), 2).await, [""; 0]);
    assert_eq!(site.labels(None, 0).await, [""; 0]);

    let all = site.accounts(None, 1_000).await;
    let databases: Vec<&str> = all.iter().map(|found| &*found.database).collect();
    assert_eq!(databases, ["list10", "lista", "listb", "listc"]);
    let page = site.accounts(Some(all[1].clone()), 1).await;
    assert_eq!((&page[0].database, &page[0].user), (&all[2].database, &all[2].user));
}

#[tokio::test]
async fn bad_labels_and_unknown_versions_are_refused() {
    let mut site = Site::new("label");
    for label in ["", "A", "a`b", "a_b", "a%", "a.b", "../x", &"x".repeat(41), "a; DROP DATABASE x"]
    {
        assert!(matches!(site.try_create(label).await, Err(Failure::BadName(_))), "{label}");
        assert!(matches!(site.find(label).await, Err(Failure::BadName(_))), "{label}");
        assert!(matches!(site.drop_database(label).await, Err(Failure::BadName(_))), "{label}");
    }
    let open = site.view().open("5.5".to_owned()).await.unwrap();
    assert!(matches!(open, Err(Failure::NotFound)));
}

#[tokio::test]
async fn without_a_grant_no_server_is_opened() {
    let mut site = Site::new("grant");
    let mut view = site.view();
    view.context = None;
    let open = view.open(VERSION.to_owned()).await.unwrap();
    assert!(matches!(open, Err(Failure::NotGranted(_))));
}
