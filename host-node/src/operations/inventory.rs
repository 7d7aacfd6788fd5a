//! Inventory: what this node has, for gateways that compare it with their records.

use tenon_protocol::Fault;
use tenon_protocol::message::{
    InventoryBinding, InventoryInstance, InventoryPage, InventoryRequest,
};

use crate::ledger::{BindingPhase, InstanceEntry, LedgerError};
use crate::offering::{Offering, ledger_fault};

/// Instances on one page: well below the bus's payload limit, bindings included.
const PAGE: usize = 500;

/// Bindings on one page; an instance with more fills a page alone.
const MAX_BINDINGS: usize = 4_000;

/// One page of what the ledger has.
///
/// # Errors
///
/// `Service unavailable` when the ledger cannot be read.
pub(crate) fn inventory(
    offering: &Offering,
    request: &InventoryRequest,
) -> Result<InventoryPage, Fault> {
    page(offering, request).map_err(ledger_fault)
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
                let found = instance(entry, view.bindings(service, &entry.id)?);
                bindings += found.bindings.len();
                page.instances.push(found);
            }
        }
        page.next = last.filter(|_| more);
        Ok(page)
    })
}

fn instance(
    entry: &InstanceEntry,
    bindings: Vec<crate::ledger::BindingEntry>,
) -> InventoryInstance {
    let there = bindings.into_iter().filter(|binding| binding.phase != BindingPhase::Gone);
    InventoryInstance {
        id: entry.id.clone(),
        generation: entry.generation,
        created: entry.created,
        bindings: there
            .map(|binding| InventoryBinding { id: binding.id, generation: binding.generation })
            .collect(),
    }
}
