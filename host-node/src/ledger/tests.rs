//! The ledger on a real file.

use std::sync::Arc;

use tenon_protocol::clock::Millis;
use tenon_protocol::{Generation, InstanceId, JobId, OperationId, ServiceName};

use super::{Deed, InstanceEntry, InstancePhase, JobEntry, Ledger, LedgerError, Moving, Note};

fn service() -> ServiceName {
    ServiceName::new("S").unwrap()
}

fn entry(id: &str) -> InstanceEntry {
    InstanceEntry {
        id: InstanceId::new(id).unwrap(),
        generation: Generation::FIRST,
        operation: OperationId::random(),
        recorded: true,
        phase: InstancePhase::Present,
        plan: "free".to_owned(),
        version: "1".to_owned(),
        created: Millis::now(),
        changed: Millis::now(),
        credentials: None,
        failure: None,
        moving: Moving::default(),
    }
}

async fn put(ledger: &Ledger, id: &str) -> Result<(), LedgerError> {
    let entry = entry(id);
    ledger.update(move |book| book.put_instance(&service(), &entry)).await
}

fn ids(ledger: &Ledger, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(|id| InstanceId::new(id).unwrap());
    let page = ledger.read(|view| view.instances(&service(), after.as_ref(), limit)).unwrap();
    page.into_iter().map(|entry| entry.id.to_string()).collect()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_process_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("l")).unwrap();
    put(&ledger, "d1").await.unwrap();
    // Copied while it is open, as a crash would leave it: nothing is flushed or closed.
    let copy = dir.path().join("copy");
    #[expect(clippy::disallowed_methods, reason = "a test makes a crash's file")]
    std::fs::copy(dir.path().join("l"), &copy).unwrap();
    let reopened = Ledger::open(&copy).unwrap();
    assert_eq!(ids(&reopened, None, 10), ["d1"]);
}

#[tokio::test]
async fn many_at_once_are_all_durable() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(&dir.path().join("l")).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let ledger = Arc::clone(&ledger);
        tasks.spawn(async move { put(&ledger, &format!("d{number:03}")).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(ids(&ledger, None, 1_000).len(), 200);
    assert_eq!(ids(&ledger, Some("d003"), 2), ["d004", "d005"]);
}

#[tokio::test]
async fn an_update_that_fails_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("l")).unwrap();
    let good = entry("d1");
    let failed = ledger.update(move |book| {
        book.put_instance(&service(), &good)?;
        Err::<(), _>(LedgerError::Closed)
    });
    assert!(matches!(failed.await, Err(LedgerError::Closed)));
    assert!(ids(&ledger, None, 10).is_empty());
    put(&ledger, "d2").await.unwrap();
    assert_eq!(ids(&ledger, None, 10), ["d2"]);
}

#[test]
fn p40_a_ledger_that_is_in_use_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let _open = Ledger::open(&path).unwrap();
    let error = Ledger::open(&path).err().unwrap().to_string();
    assert_eq!(error, format!("the ledger {} cannot be opened", path.display()));
}

#[tokio::test]
async fn services_do_not_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("l")).unwrap();
    put(&ledger, "d1").await.unwrap();
    let other = ServiceName::new("S2").unwrap();
    assert!(ledger.read(|view| view.instances(&other, None, 10)).unwrap().is_empty());
}

#[tokio::test]
async fn what_was_noted_is_seen_at_once_and_written_with_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("l")).unwrap();
    let noted = entry("d1");
    ledger.note(Note::Instance(service(), noted.clone())).await.unwrap();
    let seen = ledger.instance(&service(), &noted.id).unwrap();
    assert_eq!(seen.unwrap().operation, noted.operation);
    put(&ledger, "d2").await.unwrap();
    assert_eq!(ids(&ledger, None, 10), ["d1", "d2"]);
}

#[tokio::test]
async fn what_was_noted_alone_is_written_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("l")).unwrap();
    ledger.note(Note::Instance(service(), entry("d1"))).await.unwrap();
    while ids(&ledger, None, 10).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_note_that_was_overtaken_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("l")).unwrap();
    let mut changed = entry("d1");
    ledger.note(Note::Instance(service(), changed.clone())).await.unwrap();
    changed.phase = InstancePhase::Gone;
    ledger.put(Note::Instance(service(), changed.clone())).await.unwrap();
    let seen = ledger.instance(&service(), &changed.id).unwrap().unwrap();
    assert_eq!(seen.phase, InstancePhase::Gone);
}

#[tokio::test]
async fn p31_the_last_job_of_an_instance_is_known_as_long_as_the_instance() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("l")).unwrap();
    let (instance, other) = (entry("d1").id, entry("d2").id);
    let (first, second) = (JobId::random(), JobId::random());
    let deed = |instance: &InstanceId, job: &JobId| {
        ledger.read(|view| view.deed(&service(), instance, job)).unwrap()
    };
    assert_eq!(deed(&instance, &first), None);
    for job in [&first, &second] {
        let entry =
            JobEntry { instance: instance.clone(), job: job.clone(), deed: Deed::RolledBack };
        ledger.update(move |book| book.put_job(&service(), &entry)).await.unwrap();
        assert_eq!(deed(&instance, job), Some(Deed::RolledBack));
    }
    assert_eq!(deed(&instance, &first), None);
    assert_eq!(deed(&other, &second), None);
    let gone = instance.clone();
    ledger.update(move |book| book.forget_instance(&service(), &gone)).await.unwrap();
    assert_eq!(deed(&instance, &second), None);
}
