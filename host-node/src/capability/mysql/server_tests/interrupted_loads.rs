//! Loads that a crash interrupted, and loads that are attempted again.

use tenon_protocol::OperationId;

use super::super::journal::{Journal, Note};
use super::super::statement::Charset;
use super::loads::{Tenant, tenant};
use super::site::look;
use crate::guest::bindings::tenon::host::mysql::Failure;

fn journal(tenant: &Tenant) -> Journal {
    let database = tenant.site.context.prefixes().database("a").unwrap();
    Journal::of(tenant.site.context.scratch(), "10.11", &database)
}

/// What a crash in the middle of a load leaves: a note, the old content, half of the new one.
async fn crash(tenant: &mut Tenant) {
    tenant.site.dump(&tenant.db, u64::MAX).await.unwrap();
    let database = tenant.site.context.prefixes().database("a").unwrap();
    let journal = journal(tenant);
    let note = Note {
        version: "10.11".to_owned(),
        database: database.as_str().to_owned(),
        charset: Charset { name: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned() },
        accounts: vec![tenant.account.user.clone(), "crashedgone".to_owned()],
        operation: None,
        loaded: None,
    };
    journal.write_note(&note).unwrap();
    let sink = journal.begin_content().unwrap();
    std::io::copy(&mut &*tenant.site.dir.read("dump").unwrap(), &mut sink.writer()).unwrap();
    journal.keep_content(sink).unwrap();
    let lock = format!("ALTER USER {}@'%' ACCOUNT LOCK", tenant.account.user);
    let name = database.as_str().to_owned();
    for statement in [lock, format!("DROP DATABASE {name}"), format!("CREATE DATABASE {name}")] {
        let _ = tenant.site.look(&statement).await;
    }
}

#[tokio::test]
async fn a_start_finishes_a_load_that_a_crash_interrupted() {
    let mut tenant = tenant("crashed").await;
    tenant.fill().await;
    crash(&mut tenant).await;
    tenant.site.restart();
    assert_eq!(tenant.site.context.finish_interrupted_loads().await, 0);
    tenant.check_content().await;
    tenant.check_tidy().await;
    assert_eq!(tenant.site.context.finish_interrupted_loads().await, 0);
}

#[tokio::test]
async fn a_repeated_load_keeps_the_content_from_before_the_crash() {
    let mut tenant = tenant("repeat").await;
    tenant.fill().await;
    crash(&mut tenant).await;
    tenant.site.restart();
    tenant.db = tenant.site.find("a").await.unwrap();
    tenant.check_old_content_after("SYNTAX ERROR;\n-- Dump completed\n").await;
}

#[tokio::test]
async fn a_database_between_two_contents_is_not_gone_and_can_be_removed() {
    let mut tenant = tenant("between").await;
    tenant.fill().await;
    crash(&mut tenant).await;
    let _ = tenant.site.look("DROP DATABASE betweena").await;
    let found = tenant.site.find("a").await.map(drop);
    assert!(matches!(found, Err(Failure::Unavailable(_))), "{found:?}");
    tenant.site.drop_database("a").await.unwrap();
    assert_eq!(tenant.site.context.finish_interrupted_loads().await, 0);
    let found = tenant.site.find("a").await.map(drop);
    assert!(matches!(found, Err(Failure::NotFound)), "{found:?}");
}

/// Rows of the application's table.
async fn rows(tenant: &Tenant) -> Vec<String> {
    look(&mut tenant.application().await, "SELECT id FROM t ORDER BY id").await
}

#[tokio::test]
async fn p31_an_operation_that_is_attempted_again_loads_once() {
    let mut tenant = tenant("once").await;
    tenant.fill().await;
    let written = tenant.site.dump(&tenant.db, u64::MAX).await.unwrap();
    let (first, second) = (OperationId::random(), OperationId::random());
    assert_eq!(tenant.site.load_for(&tenant.db, Some(&first)).await.unwrap(), written);
    look(&mut tenant.application().await, "DELETE FROM t WHERE id > 1").await;
    // What could not be loaded is no later one.
    tenant.site.write_dump("SYNTAX ERROR;\n-- Dump completed\n");
    let failure = tenant.site.load_for(&tenant.db, Some(&second)).await;
    assert!(matches!(failure, Err(Failure::Corrupt(_))), "{failure:?}");
    tenant.site.restart();
    tenant.db = tenant.site.find("a").await.unwrap();
    assert_eq!(tenant.site.load_for(&tenant.db, Some(&first)).await.unwrap(), written);
    assert_eq!(rows(&tenant).await, ["1"]);
    // Another one replaces it, and so does none.
    for (dump, operation) in [("2", Some(&second)), ("3", None), ("4", Some(&second))] {
        tenant.site.write_dump(&format!(
            "DROP TABLE IF EXISTS t;\nCREATE TABLE t (id INT);\nINSERT INTO t VALUES ({dump});\n\
             -- Dump completed\n"
        ));
        tenant.site.load_for(&tenant.db, operation).await.unwrap();
        assert_eq!(rows(&tenant).await, [dump]);
    }
    // What is made anew was never loaded.
    tenant.site.drop_database("a").await.unwrap();
    let scratch = tenant.site.dir.open_dir("scratch").unwrap();
    assert_eq!(scratch.entries().unwrap().count(), 0);
}

#[tokio::test]
async fn p31_a_crash_between_the_new_content_and_its_users_keeps_the_new_content() {
    let mut tenant = tenant("kept").await;
    tenant.fill().await;
    crash(&mut tenant).await;
    let operation = OperationId::random();
    let journal = journal(&tenant);
    let note = journal.note().unwrap().unwrap();
    let ended = Note { operation: Some(operation.clone()), loaded: Some(7), ..note };
    journal.write_note(&ended).unwrap();
    for statement in ["CREATE TABLE kepta.t (id INT)", "INSERT INTO kepta.t VALUES (5)"] {
        let _ = tenant.site.look(statement).await;
    }
    tenant.site.restart();
    assert_eq!(tenant.site.context.finish_interrupted_loads().await, 0);
    assert_eq!(rows(&tenant).await, ["5"]);
    tenant.db = tenant.site.find("a").await.unwrap();
    assert_eq!(tenant.site.load_for(&tenant.db, Some(&operation)).await.unwrap(), 7);
    assert_eq!(rows(&tenant).await, ["5"]);
}
