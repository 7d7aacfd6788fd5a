//! Backup: copies of all instances' data, for the day when this node is lost.
//!
//! Taken when one is due, or when an operator asks (SIGUSR1); one instance after the other, beside
//! what applications do. Rotation follows each look.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::{Fault, InstanceId};
use tokio_util::sync::CancellationToken;

use super::moving::blocking;
use crate::backups::rotation::{Served, is_due, surplus};
use crate::backups::{BackupStore, InstanceBackups, Taken};
use crate::duties::Duty;
use crate::guest::{CallFacts, Snapshot, TimeLimit};
use crate::ledger::{InstanceEntry, InstancePhase, LedgerError};
use crate::offering::Offering;

/// How often it is looked which backups are due.
const LOOK: Duration = Duration::from_secs(300);

/// Which instances a look backs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Due,
}

/// What a look came to.
#[derive(Debug, Default)]
struct Tally {
    taken: usize,
    failed: usize,
    removed: usize,
}

/// Backs up what is due, and everything when asked, until `stop`.
pub(crate) async fn keep_backups(
    offering: Arc<Offering>,
    store: BackupStore,
    stop: CancellationToken,
) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        let which = tokio::select! {
            () = stop.cancelled() => return,
            () = offering.backup_wanted.notified() => Which::All,
            _ = look.tick() => Which::Due,
        };
        let tally = tokio::select! {
            () = stop.cancelled() => return,
            tally = look_once(&offering, &store, which) => tally,
        };
        match tally {
            Ok(Tally { taken: 0, failed: 0, removed: 0 }) if which == Which::Due => {}
            Ok(Tally { taken, failed, removed }) => {
                offering.duties.performed(Duty::Backup);
                let offering = &offering.config.label;
                tracing::info!(offering, taken, failed, removed, "backed up");
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), "the ledger cannot be read: nothing is backed up");
            }
        }
    }
}

async fn look_once(
    offering: &Offering,
    store: &BackupStore,
    which: Which,
) -> Result<Tally, LedgerError> {
    let mut tally = Tally::default();
    let offers = offering.plugin.current().is_some_and(|plugin| plugin.offers_snapshots());
    if !offers || (which == Which::Due && store.every_seconds == 0) {
        return Ok(tally);
    }
    let mut there = Vec::new();
    let is_there = |entry: &InstanceEntry| entry.phase == InstancePhase::Present;
    offering.for_each_instance(|entry| {
        if is_there(entry) {
            there.push(entry.id.clone());
        }
    })?;
    for id in &there {
        match back_up_one(offering, store, id, which).await {
            Ok(taken) => tally.taken += usize::from(taken),
            Err(fault) => {
                tally.failed += 1;
                tracing::error!(instance = %id, %fault, "an instance was not backed up");
            }
        }
    }
    for (id, known) in rotated(offering, store, there).await {
        match rotate(offering, store, &id, known).await {
            Ok(removed) => tally.removed += removed,
            Err(fault) => tracing::error!(instance = %id, %fault, "old backups stay"),
        }
    }
    Ok(tally)
}

/// Backs up one instance. `false` when it is not due, or went away or moves.
async fn back_up_one(
    offering: &Offering,
    store: &BackupStore,
    id: &InstanceId,
    which: Which,
) -> Result<bool, Fault> {
    let _beside = offering.locks.shared(id).await;
    let found = offering.ledger.instance(offering.service(), id);
    let found = found.map_err(crate::offering::ledger_fault)?;
    let Some(entry) = found.filter(|entry| entry.phase == InstancePhase::Present) else {
        return Ok(false);
    };
    let (to, service, instance) = (store.clone(), offering.service().clone(), id.clone());
    let place = blocking(move || to.make_instance(&service, &instance)).await?;
    let (now, reader) = (Millis::now().as_millis() / 1_000, place.clone());
    let taken = blocking(move || reader.taken()).await?;
    let due = which == Which::All || is_due(&taken, now, store.every_seconds);
    if entry.is_suspended() || !due || taken.contains(&now) {
        return Ok(false);
    }
    take(offering, store, &place, entry, now).await?;
    Ok(true)
}

async fn take(
    offering: &Offering,
    store: &BackupStore,
    place: &InstanceBackups,
    entry: InstanceEntry,
    epoch: u64,
) -> Result<(), Fault> {
    let writer = place.clone();
    let aside = blocking(move || writer.begin(epoch)).await?;
    let call = Snapshot {
        instance: offering.instance_ref(&entry),
        dir: Arc::clone(&aside),
        file: InstanceBackups::raw().to_owned(),
        max_bytes: store.max_bytes,
    };
    let facts = CallFacts { limit: TimeLimit::Job, ..CallFacts::internal(entry.id.as_str()) };
    // What a guest stages in a snapshot is for snapshots that are recorded.
    let called = offering.call(&facts, call).await.map_err(|failure| failure.to_fault())?;
    offering.crash.point("backup.called");
    let format = called.output.format;
    let taken = Taken { plan: entry.plan, version: entry.version, format };
    let (writer, node) = (place.clone(), offering.node().clone());
    blocking(move || writer.keep(epoch, &aside, taken, &node)).await
}

/// Whose backups are looked through: those of instances here, and those of instances that were
/// here last. What another node backs up is that node's matter, also when it is lost.
async fn rotated(
    offering: &Offering,
    store: &BackupStore,
    there: Vec<InstanceId>,
) -> Vec<(InstanceId, Known)> {
    let (from, service, node) =
        (store.clone(), offering.service().clone(), offering.node().clone());
    let served = there.clone();
    let ours = blocking(move || {
        let mut ours = Vec::new();
        for id in from.instances(&service)? {
            if served.contains(&id) {
                continue;
            }
            let Some(place) = from.instance(&service, &id)? else { continue };
            if place.taken_last_by()?.as_ref() == Some(&node) {
                ours.push(id);
            }
        }
        Ok(ours)
    });
    let away = ours.await.unwrap_or_default().into_iter().map(|id| {
        let entry = offering.ledger.instance(offering.service(), &id).ok().flatten();
        (id, known(entry.as_ref()))
    });
    there.into_iter().map(|id| (id, Known::There)).chain(away).collect()
}

/// What the ledger says of an instance that has backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    There,
    /// It was removed, and did not move away.
    Ended,
    /// Nothing, or not enough.
    Nothing,
}

fn known(entry: Option<&InstanceEntry>) -> Known {
    let Some(entry) = entry else { return Known::Nothing };
    match entry.phase {
        InstancePhase::Present => Known::There,
        InstancePhase::Provisioning | InstancePhase::Removing => Known::Nothing,
        // Shut off before it was removed it went to another node.
        InstancePhase::Gone if entry.is_suspended() || entry.failure.is_some() => Known::Nothing,
        InstancePhase::Gone => Known::Ended,
    }
}

async fn rotate(
    offering: &Offering,
    store: &BackupStore,
    id: &InstanceId,
    known: Known,
) -> Result<usize, Fault> {
    let (from, service, id) = (store.clone(), offering.service().clone(), id.clone());
    blocking(move || {
        let Some(place) = from.instance(&service, &id)? else { return Ok(0) };
        let now = Millis::now().as_millis() / 1_000;
        let old = surplus(&place.taken()?, now, served(&place, known, now)?);
        for epoch in &old {
            place.remove(*epoch)?;
        }
        Ok(old.len())
    })
    .await
}

/// When it ended is kept beside the backups: tombs are not kept as long, and a ledger may be lost.
fn served(place: &InstanceBackups, known: Known, now: u64) -> io::Result<Served> {
    match known {
        Known::There => place.set_there().map(|()| Served::Yes),
        Known::Ended | Known::Nothing => match place.ended()? {
            Some(since) => Ok(Served::Ended { since }),
            None if known == Known::Ended => {
                place.set_ended(now).map(|()| Served::Ended { since: now })
            }
            None => Ok(Served::Yes),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Task;
    use super::*;
    use crate::ledger::{Access, Moving};
    use InstancePhase::{Gone, Present, Provisioning, Removing};
    use tenon_protocol::ServiceName;

    fn entry(phase: InstancePhase, access: Access, failure: Option<Fault>) -> InstanceEntry {
        let moving = Moving { access, ..Moving::default() };
        let entry = Task::of_test("any", 1, true).first_entry(phase, "", "");
        InstanceEntry { failure, moving, ..entry }
    }

    #[test]
    fn only_what_was_removed_here_has_ended() {
        let known = |phase, access, failure| known(Some(&entry(phase, access, failure)));
        for access in [Access::Open, Access::Suspended] {
            assert_eq!(known(Present, access, None), Known::There);
            assert_eq!(known(Provisioning, access, None), Known::Nothing);
            assert_eq!(known(Removing, access, None), Known::Nothing);
        }
        assert_eq!(known(Gone, Access::Open, None), Known::Ended);
        assert_eq!(known(Gone, Access::Suspended, None), Known::Nothing);
        assert_eq!(known(Gone, Access::Open, Some(Fault::internal())), Known::Nothing);
        assert_eq!(super::known(None), Known::Nothing);
    }

    #[test]
    fn an_end_is_remembered_without_a_tomb_until_the_instance_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = BackupStore::open(dir.path(), 1 << 20, 0).unwrap();
        let service = ServiceName::new("MyaaS").unwrap();
        let place = store.make_instance(&service, &InstanceId::new("d1").unwrap()).unwrap();
        assert_eq!(served(&place, Known::Nothing, 5).unwrap(), Served::Yes);
        assert_eq!(served(&place, Known::Ended, 6).unwrap(), Served::Ended { since: 6 });
        for known in [Known::Ended, Known::Nothing] {
            assert_eq!(served(&place, known, 7).unwrap(), Served::Ended { since: 6 });
        }
        assert_eq!(place.taken().unwrap(), [0; 0]);
        assert_eq!(served(&place, Known::There, 8).unwrap(), Served::Yes);
        assert_eq!(served(&place, Known::Nothing, 9).unwrap(), Served::Yes);
    }
}
