//! Purge orphan: what nobody ordered goes, after some time in quarantine.
//!
//! A purge is the one command that removes what was ordered if its sender is mistaken. So it names
//! generations, is refused when the sender's records are not the ones that this node obeys or when
//! it names much of what is here, and what it removes is kept for some time yet.

mod share;

use futures_util::{StreamExt, stream};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    Object, OrphanItem, OrphanOutcome, PurgeBinding, PurgeInstance, PurgeOrder, PurgeOrphanRequest,
    PurgeRun, UnbindRequest,
};
use tenon_protocol::record::StoreMark;
use tenon_protocol::{BindingId, Code, Fault, Generation, InstanceId};

use self::share::check_share;
use super::quarantine::{admit, period, remove};
use super::{Task, internal_order, unbind};
use crate::credentials::user_of;
use crate::ledger::{BindingPhase, InstancePhase, KnownBy, QuarantineEntry};
use crate::offering::{Offering, ledger_fault};

/// Items that are worked on at once.
const AT_ONCE: usize = 16;

/// Obeys, or tells what it would do: what became of each item.
///
/// # Errors
///
/// 30302 when other records are obeyed, 30303 when it names too much; nothing was done then.
pub(crate) async fn purge(
    offering: &Offering,
    store: &StoreMark,
    order: &PurgeOrder,
) -> Result<Vec<OrphanItem>, Fault> {
    let known = offering.store.heard(store).await.map_err(ledger_fault)?;
    if !known.is_trusted() {
        return Err(other_store(offering));
    }
    check_share(offering, order)?;
    let strangers = order.strangers.iter().cloned();
    let strangers = strangers.map(|id| PurgeInstance { id, generation: Generation::default() });
    let instances = order.instances.iter().cloned().map(|orphan| (orphan, KnownBy::Ledger));
    let all: Vec<_> = instances.chain(strangers.map(|orphan| (orphan, KnownBy::Guest))).collect();
    let mut items: Vec<OrphanItem> = stream::iter(all)
        .map(|(orphan, known_by)| purge_instance(offering, orphan, known_by, order.run))
        .buffered(AT_ONCE)
        .collect()
        .await;
    for binding in &order.bindings {
        items.push(purge_binding(offering, binding, order.run).await);
    }
    Ok(items)
}

fn other_store(offering: &Offering) -> Fault {
    let text = format!(
        "Node {} obeys other records: accept these (POST /orphans/store) if they are right",
        offering.node()
    );
    Fault::new(Code::OTHER_STORE, text)
}

async fn purge_instance(
    offering: &Offering,
    orphan: PurgeInstance,
    known_by: KnownBy,
    run: PurgeRun,
) -> OrphanItem {
    let _alone = offering.locks.exclusive(&orphan.id).await;
    if let Some(entry) = offering.quarantine.get(&orphan.id) {
        return in_quarantine(&entry);
    }
    let found = match offering.ledger.instance(offering.service(), &orphan.id) {
        Ok(found) => found.map(|entry| (entry.phase, entry.generation)),
        Err(error) => return failed(orphan.id, ledger_fault(error)),
    };
    if let Some(outcome) = decide(found, orphan.generation, known_by) {
        return OrphanItem::of(orphan.id, outcome);
    }
    let period = period(offering);
    let since = Millis::now();
    let entry = QuarantineEntry {
        // The service alone knows a stranger: whatever is ordered by its id later is newer.
        generation: found.map_or(Generation::default(), |(_, generation)| generation),
        instance: orphan.id,
        since,
        until: since.after(period),
        known_by,
    };
    match run {
        PurgeRun::Dry if period.is_zero() => OrphanItem::of(entry.instance, OrphanOutcome::Removed),
        PurgeRun::Dry => in_quarantine(&entry),
        PurgeRun::Real => {
            let id = entry.instance.clone();
            let done = if period.is_zero() {
                let removed = remove(offering, &entry).await;
                removed.map(|()| OrphanItem::of(id.clone(), OrphanOutcome::Removed))
            } else {
                admit(offering, entry.clone()).await.map(|()| in_quarantine(&entry))
            };
            done.unwrap_or_else(|fault| failed(id, fault))
        }
    }
}

/// What becomes of an instance that is not purged.
fn decide(
    found: Option<(InstancePhase, Generation)>,
    named: Generation,
    known_by: KnownBy,
) -> Option<OrphanOutcome> {
    match (found, known_by) {
        (Some((InstancePhase::Gone, _)) | None, KnownBy::Ledger) => Some(OrphanOutcome::Gone),
        (Some((InstancePhase::Removing, _)), KnownBy::Ledger) => Some(OrphanOutcome::Removed),
        (Some((InstancePhase::Provisioning | InstancePhase::Present, fence)), KnownBy::Ledger) => {
            (fence > named).then_some(OrphanOutcome::Newer)
        }
        (Some((InstancePhase::Gone, _)) | None, KnownBy::Guest) => None,
        // It was ordered by that id since the service was asked.
        (Some(_), KnownBy::Guest) => Some(OrphanOutcome::Newer),
    }
}

const fn failed(instance: InstanceId, fault: Fault) -> OrphanItem {
    OrphanItem {
        instance,
        binding: None,
        outcome: OrphanOutcome::Failed,
        until: None,
        error: Some(fault),
    }
}

fn in_quarantine(entry: &QuarantineEntry) -> OrphanItem {
    let item = OrphanItem::of(entry.instance.clone(), OrphanOutcome::Quarantined);
    OrphanItem { until: Some(entry.until), ..item }
}

/// Credentials can be made again: a binding needs no quarantine.
async fn purge_binding(offering: &Offering, orphan: &PurgeBinding, run: PurgeRun) -> OrphanItem {
    let mut item = OrphanItem::of(orphan.instance.clone(), OrphanOutcome::Removed);
    item.binding = Some(orphan.id.clone());
    let found = offering.ledger.binding(offering.service(), &orphan.instance, &orphan.id);
    match found {
        Ok(Some(entry)) if entry.phase != BindingPhase::Gone => {
            if entry.generation > orphan.generation {
                return OrphanItem { outcome: OrphanOutcome::Newer, ..item };
            }
        }
        // What the ledger does not know is not touched (P25).
        Ok(Some(_) | None) => return OrphanItem { outcome: OrphanOutcome::Gone, ..item },
        Err(error) => {
            return OrphanItem {
                binding: item.binding,
                ..failed(item.instance, ledger_fault(error))
            };
        }
    }
    if run == PurgeRun::Dry {
        return item;
    }
    let revoked = revoke(offering, &orphan.instance, Some(&orphan.id), Object::new()).await;
    match revoked {
        Ok(()) => item,
        Err(fault) => OrphanItem { binding: item.binding, ..failed(item.instance, fault) },
    }
}

async fn revoke(
    offering: &Offering,
    instance: &InstanceId,
    id: Option<&BindingId>,
    credentials: Object,
) -> Result<(), Fault> {
    let mut order = internal_order(instance, Generation::default());
    order.binding = id.cloned();
    let task = Task { order, recorded: false };
    unbind::unbind(offering, &task, &UnbindRequest { credentials }).await
}

/// The original's purge: one that fails does not keep the others, and nobody is told.
///
/// What the ledger does not know is not touched (P25).
///
/// # Errors
///
/// 30303 when it names too much; nothing was done then. Else the first error, after everything was
/// tried.
pub(crate) async fn purge_orphan(
    offering: &Offering,
    request: &PurgeOrphanRequest,
) -> Result<(), Fault> {
    let named = request.orphan_ins_list.iter();
    let ids = named.filter_map(|name| InstanceId::new(name.as_str()).ok());
    // Such a gateway knows no generation: it means what is here now.
    let instances = ids.map(|id| PurgeInstance { id, generation: Generation::new(u64::MAX) });
    let order = PurgeOrder {
        instances: instances.collect(),
        bindings_in_all: request.orphan_binding_list.len(),
        ..PurgeOrder::default()
    };
    check_share(offering, &order)?;
    let mut result = Ok(());
    for orphan in order.instances {
        let item = purge_instance(offering, orphan, KnownBy::Ledger, PurgeRun::Real).await;
        result = result.and(item.error.map_or(Ok(()), Err));
    }
    for credentials in &request.orphan_binding_list {
        result = result.and(purge_account(offering, credentials).await);
    }
    result
}

/// Original gateways name a binding by its instance and account.
async fn purge_account(offering: &Offering, credentials: &Object) -> Result<(), Fault> {
    let name = credentials.get("name").and_then(|value| value.as_str());
    let id = InstanceId::new(name.unwrap_or_default());
    let id = id.map_err(|_not_an_id| Fault::malformed())?;
    user_of(credentials).ok_or_else(Fault::malformed)?;
    revoke(offering, &id, None, credentials.clone()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        phase: Option<InstancePhase>,
        named: u64,
        known_by: KnownBy,
        expected: Option<OrphanOutcome>,
    ) {
        let found = phase.map(|phase| (phase, Generation::new(2)));
        assert_eq!(decide(found, Generation::new(named), known_by), expected, "{phase:?}");
    }

    #[test]
    fn p24_what_was_ordered_anew_since_it_was_judged_stays() {
        use InstancePhase::{Gone, Present, Provisioning, Removing};
        for phase in [Present, Provisioning] {
            check(Some(phase), 2, KnownBy::Ledger, None);
            check(Some(phase), 1, KnownBy::Ledger, Some(OrphanOutcome::Newer));
            check(Some(phase), 0, KnownBy::Guest, Some(OrphanOutcome::Newer));
        }
        check(Some(Removing), 2, KnownBy::Ledger, Some(OrphanOutcome::Removed));
        check(Some(Removing), 2, KnownBy::Guest, Some(OrphanOutcome::Newer));
        check(Some(Gone), 2, KnownBy::Guest, None);
    }

    #[test]
    fn p25_what_the_ledger_does_not_know_is_not_purged_unless_named_as_a_stranger() {
        check(None, 2, KnownBy::Ledger, Some(OrphanOutcome::Gone));
        check(Some(InstancePhase::Gone), 2, KnownBy::Ledger, Some(OrphanOutcome::Gone));
        check(None, 0, KnownBy::Guest, None);
    }
}
