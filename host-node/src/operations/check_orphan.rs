//! Check orphan: the classic report of what a node has, in batches that fit into a message.

use serde_json::Value;
use tenon_protocol::Fault;
use tenon_protocol::message::{NodeHandlesReport, Object, OrphanBatch, orphan_batches};

use crate::credentials::Credentials;
use crate::ledger::{BindingEntry, BindingPhase};
use crate::offering::{Offering, ledger_fault};

/// All batches, at least one: a node that has nothing says so. Only what this node wrote down is
/// in them, whatever else is on its servers (P25), and nothing that was purged.
///
/// # Errors
///
/// `Service unavailable` when the ledger cannot be read.
pub(crate) fn reports(
    offering: &Offering,
    max_payload: usize,
) -> Result<Vec<NodeHandlesReport>, Fault> {
    let mut ids = Vec::new();
    let listed = offering.for_each_instance(|entry| {
        if entry.phase.takes_room() && offering.quarantine.get(&entry.id).is_none() {
            ids.push(entry.id.clone());
        }
    });
    listed.map_err(ledger_fault)?;
    let mut bindings = Vec::new();
    for id in &ids {
        let found = offering.ledger.read(|view| view.bindings(offering.service(), id));
        for entry in found.map_err(ledger_fault)? {
            if entry.phase != BindingPhase::Gone && !entry.user.is_empty() {
                bindings.push(fake_credentials(offering, &entry));
            }
        }
    }
    let cut = orphan_batches(ids.iter().map(ToString::to_string), bindings, max_payload);
    if cut.skipped > 0 {
        tracing::warn!(skipped = cut.skipped, "some of what this node has fits into no message");
    }
    Ok(cut.batches.into_iter().map(|batch| report(offering, batch)).collect())
}

fn report(offering: &Offering, batch: OrphanBatch) -> NodeHandlesReport {
    NodeHandlesReport {
        instances_list: batch.instances,
        bindings_list: batch.bindings,
        node_id: offering.node().clone(),
    }
}

/// What the original reports of a binding: where and as whom, and a password that is none.
fn fake_credentials(offering: &Offering, entry: &BindingEntry) -> Object {
    let place = format!("{}/{}", entry.instance, entry.id);
    let sealed = entry.credentials.as_ref();
    let opened = sealed.and_then(|sealed| offering.open(&place, Some(sealed)).ok());
    let mut object = opened.as_ref().map(Credentials::public).unwrap_or_default();
    let fields = [("name", entry.instance.as_str()), ("password", "fake-password")];
    for (key, text) in
        fields.into_iter().chain([("user", &*entry.user), ("username", &*entry.user)])
    {
        object.insert(key.to_owned(), Value::from(text));
    }
    object
}
