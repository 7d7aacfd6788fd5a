//! Statements and transactions that take long: an offering's own, and no others.

use mysql_async::prelude::Queryable;

use super::site::{Site, log_in, look, refusal, refusal_or_loss, wait_for};
use crate::guest::bindings::tenon::host::mysql::{Access, Remedy};

const INTERRUPTED: u16 = 1317;

#[tokio::test]
async fn a_long_statement_is_told_of_and_ended_and_its_session_goes_on() {
    let mut site = Site::new("longq");
    let mut other = Site::new("shortq");
    let db = site.create("a").await;
    let account = site.account(&db, "app", Access::ReadWrite).await;
    let mut application = log_in(&account).await.unwrap();
    let mut root = site.root().await;
    let admin = root.query_drop("DO SLEEP(3)");
    let running = refusal(&mut application, "SELECT SLEEP(60)");
    let watched = async {
        let told = wait_for(async || site.long_statements(1, Remedy::Tell).await.pop()).await;
        assert_eq!((&*told.user, &*told.database), (&*account.user, "longqa"));
        assert!(site.long_statements(60, Remedy::End).await.is_empty());
        assert!(other.long_statements(0, Remedy::End).await.is_empty());
        let ended = site.long_statements(1, Remedy::End).await;
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].id, told.id);
    };
    let (admin, refused, ()) = tokio::join!(admin, running, watched);
    admin.unwrap();
    assert!(matches!(refused, None | Some(INTERRUPTED)), "{refused:?}");
    look(&mut application, "SELECT 1").await;
    assert!(site.long_statements(1, Remedy::End).await.is_empty());
}

#[tokio::test]
async fn a_long_transaction_is_told_of_under_one_id_and_ended_with_its_session() {
    let mut site = Site::new("longt");
    let db = site.create("a").await;
    let account = site.account(&db, "app", Access::ReadWrite).await;
    let mut application = log_in(&account).await.unwrap();
    look(&mut application, "CREATE TABLE t (v INT)").await;
    look(&mut application, "START TRANSACTION").await;
    look(&mut application, "INSERT INTO t VALUES (1)").await;
    let first = wait_for(async || site.long_transactions(1, Remedy::Tell).await.pop()).await;
    let later = wait_for(async || {
        let found = site.long_transactions(1, Remedy::Tell).await.pop();
        found.filter(|found| found.seconds > first.seconds)
    });
    let later = later.await;
    assert_eq!((&first.id, &*later.user, &*later.database), (&later.id, &*account.user, "longta"));
    let mut other = Site::new("shortt");
    assert!(other.long_transactions(0, Remedy::End).await.is_empty());
    look(&mut application, "SELECT 1").await;

    assert_eq!(site.long_transactions(1, Remedy::End).await.len(), 1);
    assert!(refusal_or_loss(&mut application, "SELECT 1").await);
    let mut application = log_in(&account).await.unwrap();
    assert_eq!(look(&mut application, "SELECT COUNT(*) FROM t").await, ["0"]);
    assert!(site.long_transactions(1, Remedy::End).await.is_empty());
}

#[tokio::test]
async fn the_nodes_own_statements_take_as_long_as_they_take() {
    let mut site = Site::new("longh");
    let db = site.create("a").await;
    let context = site.context.clone();
    site.execute(&db, "CREATE TABLE t (v INT)", vec![]).await.unwrap();
    let slow = site.query(&db, "SELECT SLEEP(3)", vec![]);
    let mut watcher = Site::new("longh");
    watcher.context = context;
    let watched = async {
        let like = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
            WHERE USER LIKE 'longh%' AND TIME >= 1";
        wait_for(async || (watcher.look(like).await == ["1"]).then_some(())).await;
        watcher.long_statements(1, Remedy::End).await.len()
    };
    let (slow, ended) = tokio::join!(slow, watched);
    assert_eq!((ended, slow.is_ok()), (0, true));
}
