//! Sessions are told of and ended, a database's own only.

use super::site::{Site, again, log_in, refusal_or_loss};
use crate::guest::bindings::tenon::host::mysql::{Access, Failure, HostDatabase, Session};

async fn sessions(site: &mut Site, db: &super::site::Db) -> Vec<Session> {
    site.view().sessions(again(db)).await.unwrap().unwrap()
}

async fn kill(site: &mut Site, db: &super::site::Db, id: Option<u64>) -> Result<u32, Failure> {
    site.view().kill_sessions(again(db), id).await.unwrap()
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let mut site = Site::new("sess");
    let (db, other) = (site.create("a").await, site.create("b").await);
    let account = site.account(&db, "app", Access::ReadWrite).await;
    let stranger = site.account(&other, "app", Access::ReadWrite).await;
    let mut one = log_in(&account).await.unwrap();
    let mut two = log_in(&account).await.unwrap();
    let mut three = log_in(&stranger).await.unwrap();

    let listed = sessions(&mut site, &db).await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|session| session.user == account.user && !session.query));

    let foreign = kill(&mut site, &db, Some(u64::from(three.id()))).await;
    assert!(matches!(foreign, Err(Failure::NotFound)));
    assert_eq!(kill(&mut site, &db, Some(u64::from(one.id()))).await.unwrap(), 1);
    assert!(refusal_or_loss(&mut one, "SELECT 1").await);
    assert!(!refusal_or_loss(&mut two, "SELECT 1").await);
    assert_eq!(kill(&mut site, &db, None).await.unwrap(), 1);
    assert!(refusal_or_loss(&mut two, "SELECT 1").await);
    assert!(!refusal_or_loss(&mut three, "SELECT 1").await);
    assert_eq!(kill(&mut site, &db, None).await.unwrap(), 0);
    assert_eq!(sessions(&mut site, &db).await.len(), 0);
}
