//! How much of what a node has one purge may name.

use tenon_protocol::message::{PurgeOrder, PurgeShare};
use tenon_protocol::{Code, Fault};

use crate::ledger::BindingPhase;
use crate::offering::{Offering, ledger_fault};

/// So many may go whatever their share: small nodes have orphans too.
const ALWAYS: usize = 5;

/// Refuses to purge much of what is here, counting what is in quarantine already.
///
/// # Errors
///
/// 30303 when it is too much; `Service unavailable` when the ledger cannot be read.
pub(super) fn check_share(offering: &Offering, order: &PurgeOrder) -> Result<(), Fault> {
    if order.share == PurgeShare::Any {
        return Ok(());
    }
    let ids = order.instances.iter().map(|orphan| &orphan.id).chain(&order.strangers);
    let again = ids.filter(|id| offering.quarantine.get(id).is_some()).count();
    let quarantine = Quarantine { all: offering.quarantine.len(), of_this_batch: again };
    let percent = offering.config.purge_share_percent;
    for part in parts(order, quarantine, Have::count(offering)?) {
        if is_too_much(part.named, part.have, percent) {
            let Part { named, have, what } = part;
            let node = offering.node();
            let text = format!("A purge of {named} of the {have} {what} of node {node} is refused");
            return Err(Fault::new(Code::LARGE_PURGE, text));
        }
    }
    Ok(())
}

/// How many instances are in quarantine, and how many of them a batch names.
#[derive(Debug, Clone, Copy)]
struct Quarantine {
    all: usize,
    of_this_batch: usize,
}

/// What would be gone of all that there was, of one kind.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    named: usize,
    have: usize,
    what: &'static str,
}

/// The same for each batch of a purge, however many went before it: once the first is done, a
/// refusal would leave half a purge.
fn parts(order: &PurgeOrder, quarantine: Quarantine, have: Have) -> [Part; 2] {
    let instances = order.instances_in_all.max(order.instances.len() + order.strangers.len());
    // What was purged before is counted once, as this purge's own or as another's.
    let own = order.before.quarantined.min(instances).max(quarantine.of_this_batch);
    let others = quarantine.all.saturating_sub(own);
    let bindings = order.bindings_in_all.max(order.bindings.len());
    let removed = order.before.removed.min(instances);
    let bindings_removed = order.before.bindings_removed.min(bindings);
    [
        Part {
            named: instances.saturating_add(others),
            have: have.instances.saturating_add(removed),
            what: "instances",
        },
        Part {
            named: bindings,
            have: have.bindings.saturating_add(bindings_removed),
            what: "bindings",
        },
    ]
}

fn is_too_much(named: usize, have: usize, percent: u32) -> bool {
    let allowed = have.saturating_mul(usize::try_from(percent).unwrap_or(usize::MAX)) / 100;
    named > ALWAYS.max(allowed)
}

/// How much this node has.
#[derive(Debug, Clone, Copy)]
struct Have {
    instances: usize,
    bindings: usize,
}

impl Have {
    fn count(offering: &Offering) -> Result<Self, Fault> {
        let mut ids = Vec::new();
        let listed = offering.for_each_instance(|entry| {
            if entry.phase.takes_room() {
                ids.push(entry.id.clone());
            }
        });
        listed.map_err(ledger_fault)?;
        let mut have = Self { instances: ids.len(), bindings: 0 };
        for id in &ids {
            let bindings = offering.ledger.read(|view| view.bindings(offering.service(), id));
            let bindings = bindings.map_err(ledger_fault)?;
            let there = bindings.iter().filter(|binding| binding.phase != BindingPhase::Gone);
            have.bindings += there.count();
        }
        Ok(have)
    }
}

#[cfg(test)]
mod tests {
    use tenon_protocol::message::PurgedBefore;

    use super::*;

    #[test]
    fn p08_a_purge_of_much_of_a_node_is_too_much() {
        assert!(!is_too_much(5, 5, 20), "small nodes have orphans too");
        assert!(is_too_much(6, 6, 20));
        assert!(!is_too_much(20, 100, 20));
        assert!(is_too_much(21, 100, 20));
        assert!(!is_too_much(100, 100, 100));
        assert!(is_too_much(6, 0, 0));
    }

    #[test]
    fn p08_a_purge_in_batches_is_judged_as_a_whole_by_each_of_them() {
        let whole = |quarantined, removed, bindings_removed| PurgeOrder {
            instances_in_all: 300,
            bindings_in_all: 40,
            before: PurgedBefore { quarantined, removed, bindings_removed },
            ..PurgeOrder::default()
        };
        let check = |order: &PurgeOrder, (all, of_this_batch), (instances, bindings)| {
            let quarantine = Quarantine { all, of_this_batch };
            let [ours, theirs] = parts(order, quarantine, Have { instances, bindings });
            assert_eq!((ours.named, ours.have), (300 + 7, 1_800), "seven are another purge's");
            assert_eq!((theirs.named, theirs.have), (40, 90));
        };
        check(&whole(0, 0, 0), (7, 0), (1_800, 90));
        // In quarantine they still are instances of the node.
        check(&whole(200, 0, 0), (207, 0), (1_800, 90));
        check(&whole(300, 0, 20), (307, 0), (1_800, 70));
        // A node without quarantine has fewer of them with each batch.
        check(&whole(0, 200, 40), (7, 0), (1_600, 50));
        // A gateway of an older release does not say it.
        check(&whole(0, 0, 0), (207, 200), (1_800, 90));
        // Nobody has more of a purge behind him than it names.
        let absurd = whole(usize::MAX, usize::MAX, usize::MAX);
        let have = Have { instances: 10, bindings: 10 };
        let [ours, _] = parts(&absurd, Quarantine { all: 900, of_this_batch: 0 }, have);
        assert_eq!((ours.named, ours.have), (900, 310));
    }
}
