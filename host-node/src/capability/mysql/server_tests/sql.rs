//! A guest's own statements: one at a time, in one database, bounded.

use super::site::{Site, again, look, wait_for};
use crate::guest::bindings::tenon::host::mysql::{Failure, HostDatabase, Value};

fn code(result: Result<u64, Failure>) -> u32 {
    match result {
        Err(Failure::Sql((code, _, _))) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn values_go_there_and_back() {
    let mut site = Site::new("values");
    let db = site.create("a").await;
    site.execute(
        &db,
        "CREATE TABLE t (i BIGINT, u BIGINT UNSIGNED, d DOUBLE, s TEXT, b BLOB, n DECIMAL(10,2), t DATETIME, y DATE)",
        vec![],
    )
    .await
    .unwrap();
    let params = vec![
        Value::Int(-5),
        Value::Uint(u64::MAX),
        Value::Double(1.5),
        Value::Text("emoji 🦀 'quoted'".to_owned()),
        Value::Bytes(vec![0, 255, 39]),
        Value::Text("12.30".to_owned()),
        Value::Text("2026-01-02 00:00:00".to_owned()),
        Value::Text("2026-01-02".to_owned()),
    ];
    let insert = "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    assert_eq!(site.execute(&db, insert, params).await.unwrap(), 1);
    let changed =
        site.execute(&db, "UPDATE t SET i = ? WHERE ?", vec![Value::Null, Value::Bool(true)]);
    assert_eq!(changed.await.unwrap(), 1);
    let rows = site.query(&db, "SELECT * FROM t", vec![]).await.unwrap();
    let [row] = &*rows else { panic!() };
    assert!(matches!(&row[0], Value::Null));
    assert!(matches!(&row[1], Value::Uint(u64::MAX)));
    assert!(matches!(&row[2], Value::Double(d) if *d == 1.5));
    assert!(matches!(&row[3], Value::Text(s) if s == "emoji 🦀 'quoted'"));
    assert!(matches!(&row[4], Value::Bytes(b) if *b == [0, 255, 39]));
    assert!(matches!(&row[5], Value::Text(s) if s == "12.30"));
    assert!(matches!(&row[6], Value::Text(s) if s == "2026-01-02 00:00:00"));
    assert!(matches!(&row[7], Value::Text(s) if s == "2026-01-02"));
}

#[tokio::test]
async fn a_statement_reaches_its_database_only() {
    let mut site = Site::new("reach");
    let db = site.create("a").await;
    let other = site.create("b").await;
    site.execute(&other, "CREATE TABLE secret (v INT)", vec![]).await.unwrap();
    for (statement, expected) in [
        ("SELECT * FROM reachb.secret", 1142),
        ("DROP DATABASE reachb", 1044),
        ("CREATE USER x@'%'", 1227),
        ("SELECT LOAD_FILE('/etc/passwd') INTO OUTFILE '/tmp/tenon-x'", 1227),
        ("SELECT 1; DROP TABLE t", 1064),
        ("INSERT INTO t VALUES ('a secret' bad)", 1064),
        ("SELECT ?", 1210),
        ("", 1065),
    ] {
        let refused = site.execute(&db, statement, vec![]).await;
        if let Err(Failure::Sql((_, _, message))) = &refused {
            assert!(!message.contains("secret'"), "{message}");
        }
        assert_eq!(code(refused), expected, "{statement}");
    }
    site.execute(&db, "CREATE TABLE t (v TEXT)", vec![]).await.unwrap();
    let local =
        site.execute(&db, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t", vec![]).await;
    assert!(local.is_err());
    let rows = site.query(&db, "SELECT COUNT(*) FROM t", vec![]).await.unwrap();
    assert!(matches!(rows[0][0], Value::Int(0)));
}

#[tokio::test]
async fn results_statements_and_parameters_are_bounded() {
    let mut site = Site::new("limits");
    let db = site.create("a").await;
    let rows = site.query(&db, "SELECT seq FROM seq_1_to_1000", vec![]).await.unwrap();
    assert_eq!(rows.len(), 1_000);
    for query in [
        "SELECT seq FROM seq_1_to_1001",
        "SELECT REPEAT('x', 1000000) FROM seq_1_to_5",
        "SELECT REPEAT('x', 14000000)",
    ] {
        let refused = site.query(&db, query, vec![]).await;
        assert!(
            matches!(refused, Err(Failure::Limit(_))),
            "{query}: {:?}",
            refused.map(|rows| rows.len())
        );
    }
    let long = format!("SELECT '{}'", "x".repeat(1 << 20));
    assert!(matches!(site.query(&db, &long, vec![]).await, Err(Failure::Limit(_))));
    let many = vec![Value::Null; 1_001];
    assert!(matches!(site.query(&db, "SELECT 1", many).await, Err(Failure::Limit(_))));
    let large = vec![Value::Bytes(vec![0; 4 << 20])];
    assert!(matches!(site.query(&db, "SELECT ?", large).await, Err(Failure::Limit(_))));
    // None of it is left behind.
    site.query(&db, "SELECT 1", vec![]).await.unwrap();
}

#[tokio::test]
async fn a_statement_ends_with_its_call() {
    let mut site = Site::new("ends");
    let db = site.create("a").await;
    let endless = "SET STATEMENT max_statement_time = 0 FOR SELECT SLEEP(1000)";
    let running = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE 'ends%'";
    let mut root = site.root().await;
    {
        let mut view = site.view();
        let call = view.query(again(&db), endless.to_owned(), vec![]);
        tokio::select! {
            _ = call => panic!("it ended"),
            () = wait_for(async || (look(&mut root, running).await == ["1"]).then_some(())) => {}
        }
    }
    site.servers.drain().await;
    wait_for(async || (look(&mut root, running).await == ["0"]).then_some(())).await;
}

#[tokio::test]
async fn the_helper_survives_a_restart_of_the_node() {
    let mut site = Site::new("helper");
    let db = site.create("a").await;
    site.execute(&db, "CREATE TABLE t (v INT)", vec![]).await.unwrap();
    site.restart();
    let db = site.find("a").await.unwrap();
    site.execute(&db, "INSERT INTO t VALUES (1)", vec![]).await.unwrap();
    site.drop_database("a").await.unwrap();
    let gone = site.execute(&db, "DO 1", vec![]).await;
    assert!(matches!(gone, Err(Failure::NotFound)), "{gone:?}");
}

#[tokio::test]
async fn the_size_of_a_database_is_what_its_tables_take() {
    let mut site = Site::new("size");
    let db = site.create("a").await;
    assert_eq!(site.view().size_bytes(again(&db)).await.unwrap().unwrap(), 0);
    site.execute(&db, "CREATE TABLE t (v INT)", vec![]).await.unwrap();
    let size = site.view().size_bytes(again(&db)).await.unwrap().unwrap();
    assert_eq!(size, 16_384);
}
