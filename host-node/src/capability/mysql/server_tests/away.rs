//! A server that does not answer, and what binding costs on one that does.

use std::time::{Duration, Instant};

use super::mariadb::MariaDb;
use super::site::{Site, settings};
use crate::guest::bindings::tenon::host::mysql::{Access, Failure};

/// Beyond the longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

async fn check_away(site: &mut Site) {
    let started = Instant::now();
    let away = site.try_create("x").await;
    let Err(Failure::Unavailable(text)) = away else { panic!("{away:?}") };
    assert_eq!(text, "the server of version 10.11 does not answer");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_is_away_is_told_of_soon_and_served_again_when_back() {
    let mut nobody = Site::on(settings(1), "away");
    check_away(&mut nobody).await;

    let server = MariaDb::start();
    let mut site = Site::on(settings(server.port), "away");
    site.create("a").await;
    server.freeze();
    // Connections that are there do not answer, new ones are not made.
    for _ in 0..2 {
        let frozen = tokio::time::timeout(PATIENCE, site.try_create("b")).await;
        assert!(!matches!(frozen, Ok(Ok(_))));
    }
    server.thaw();
    let db = site.create("b").await;
    site.account(&db, "owner", Access::ReadWrite).await;
}

#[tokio::test]
async fn a_wrong_password_of_the_administrator_is_the_nodes_trouble() {
    let mut wrong = settings(MariaDb::shared().port);
    wrong.password = tenon_protocol::Secret::new("wrong".to_owned());
    let mut site = Site::on(wrong, "wrong");
    let refused = site.try_create("a").await;
    assert!(matches!(refused, Err(Failure::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_bind_costs_the_same_on_a_full_server() {
    let server = MariaDb::start();
    let mut site = Site::on(settings(server.port), "cost");
    let db = site.create("a").await;
    site.account(&db, "warm", Access::ReadWrite).await;
    let few = statements_of_a_bind(&mut site, &db, "one").await;
    let mut root = site.root().await;
    for number in 0..200 {
        for statement in [
            format!("CREATE DATABASE `costx{number}`"),
            format!("GRANT SELECT ON `costx{number}`.* TO `costx{number}`@`%` IDENTIFIED BY 'x'"),
        ] {
            super::site::look(&mut root, &statement).await;
        }
    }
    let many = statements_of_a_bind(&mut site, &db, "two").await;
    assert_eq!((few, many), (2, 2));
}

/// Statements that the server ran meanwhile, without those that count them.
async fn statements_of_a_bind(site: &mut Site, db: &super::site::Db, label: &str) -> u64 {
    let mut root = site.root().await;
    let count = "SHOW GLOBAL STATUS LIKE 'Queries'";
    let before = number(&super::site::look(&mut root, count).await);
    site.account(db, label, Access::ReadWrite).await;
    number(&super::site::look(&mut root, count).await) - before - 1
}

fn number(rows: &[String]) -> u64 {
    rows[0].rsplit(' ').next().unwrap().parse().unwrap()
}
