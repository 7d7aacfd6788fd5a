//! Inventory: what this node has, for gateways that compare it with their records.

use std::collections::HashSet;

use tenon_protocol::message::{
    InventoryBinding, InventoryInstance, InventoryPage, InventoryRequest, InventoryScope,
    Quarantined,
};
use tenon_protocol::{Fault, InstanceId};

use crate::guest::{CallFacts, GuestFailure, Inventory};
use crate::ledger::{BindingEntry, BindingPhase, InstanceEntry, LedgerError, QuarantineEntry};
use crate::offering::{Offering, ledger_fault};

/// Instances on one page: well below the bus's payload limit, bindings included.
const PAGE: usize = 500;

/// Bindings on one page; an instance with more fills a page alone.
const MAX_BINDINGS: usize = 4_000;

/// Pages asked of a guest, and strangers named; a guest that goes on is cut off.
const MAX_GUEST_PAGES: usize = 1_000;
const MAX_STRANGERS: usize = 1_000;

/// Bytes that what a guest finds may take; a guest that goes on is cut off.
const MAX_FOUND: usize = 64 << 20;

/// Longest name of a stranger: the page with all of them has to fit into a message.
const MAX_NAME: usize = 255;

/// One page of what the ledger has; with the last one, what only the service itself has.
///
/// # Errors
///
/// `Service unavailable` when the ledger cannot be read, or the guest's error.
pub(crate) async fn inventory(
    offering: &Offering,
    request: &InventoryRequest,
) -> Result<InventoryPage, Fault> {
    if let Some(mark) = &request.store {
        offering.store.heard(mark).await.map_err(ledger_fault)?;
    }
    let mut page = match request.scope {
        InventoryScope::Quarantine => quarantine(offering, request),
        InventoryScope::All => {
            let mut page = page(offering, request).map_err(ledger_fault)?;
            if page.next.is_none() {
                // All who ask at once share one look: it asks the guest for everything.
                let look = async || strangers(offering).await.map_err(|failure| failure.to_fault());
                page.strangers = offering.strangers.join(look).await?;
            }
            page
        }
    };
    let known = offering.store.known();
    page.trusts = if known.is_trusted() { None } else { known.trusted };
    Ok(page)
}

fn quarantine(offering: &Offering, request: &InventoryRequest) -> InventoryPage {
    let entries = offering.quarantine.page(request.after.as_ref(), PAGE);
    let last = entries.last().filter(|_| entries.len() == PAGE);
    InventoryPage {
        next: last.map(|entry| entry.instance.clone()),
        instances: entries.into_iter().map(quarantined_instance).collect(),
        ..InventoryPage::default()
    }
}

fn quarantined_instance(entry: QuarantineEntry) -> InventoryInstance {
    InventoryInstance {
        quarantined: Some(quarantined(&entry)),
        id: entry.instance,
        generation: entry.generation,
        created: entry.since,
        bindings: Vec::new(),
    }
}

const fn quarantined(entry: &QuarantineEntry) -> Quarantined {
    Quarantined { since: entry.since, until: entry.until }
}

fn page(offering: &Offering, request: &InventoryRequest) -> Result<InventoryPage, LedgerError> {
    let service = offering.service();
    offering.ledger.read(|view| {
        let entries = view.instances(service, request.after.as_ref(), PAGE)?;
        let more = entries.len() == PAGE;
        let mut page = InventoryPage::default();
        let mut bindings = 0;
        let mut last = None;
        for entry in &entries {
            if bindings >= MAX_BINDINGS {
                page.next = last;
                return Ok(page);
            }
            last = Some(entry.id.clone());
            if entry.phase.takes_room() {
                let mut found = instance(entry, view.bindings(service, &entry.id)?);
                found.quarantined = offering.quarantine.get(&entry.id).as_ref().map(quarantined);
                bindings += found.bindings.len();
                page.instances.push(found);
            }
        }
        page.next = last.filter(|_| more);
        Ok(page)
    })
}

fn instance(entry: &InstanceEntry, bindings: Vec<BindingEntry>) -> InventoryInstance {
    let there = bindings.into_iter().filter(|binding| binding.phase != BindingPhase::Gone);
    InventoryInstance {
        id: entry.id.clone(),
        generation: entry.generation,
        created: entry.created,
        bindings: there
            .map(|binding| InventoryBinding { id: binding.id, generation: binding.generation })
            .collect(),
        quarantined: None,
    }
}

/// Ids of instances that the guest finds and the ledger does not know.
///
/// The guest is asked first: what is provisioned meanwhile is in the ledger before it is there.
async fn strangers(offering: &Offering) -> Result<Vec<String>, GuestFailure> {
    let mut found = Vec::new();
    let (mut next, mut bytes) = (None, 0);
    for _ in 0..MAX_GUEST_PAGES {
        let call = Inventory { page: next };
        let page = offering.call(&CallFacts::internal("inventory"), call).await?.output;
        for name in page.instances.into_iter().filter(|name| is_sound(name)) {
            bytes += size_of::<String>() + name.len();
            found.push(name);
        }
        next = page.next.filter(|_| bytes <= MAX_FOUND);
        if next.is_none() {
            break;
        }
    }
    let mut known = HashSet::new();
    offering.for_each_instance(|entry| {
        if entry.phase.takes_room() {
            known.insert(entry.id.to_string());
        }
    })?;
    let is_in_quarantine =
        |id: &str| InstanceId::new(id).is_ok_and(|id| offering.quarantine.get(&id).is_some());
    found.retain(|id| !known.contains(id) && !is_in_quarantine(id));
    found.truncate(MAX_STRANGERS);
    Ok(found)
}

/// Whether the service may call something so.
fn is_sound(name: &str) -> bool {
    name.len() <= MAX_NAME && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_finds_has_a_name_that_fits_into_a_message() {
        for (name, expected) in
            [("d1", true), ("not an id", true), ("", true), ("a\nb", false), ("\u{0}", false)]
        {
            assert_eq!(is_sound(name), expected, "{name:?}");
        }
        assert!(is_sound(&"\"".repeat(MAX_NAME)) && !is_sound(&"d".repeat(MAX_NAME + 1)));
        let page = InventoryPage {
            strangers: vec!["\"".repeat(MAX_NAME); MAX_STRANGERS],
            ..InventoryPage::default()
        };
        assert!(serde_json::to_vec(&page).unwrap().len() < 600 << 10);
    }
}
