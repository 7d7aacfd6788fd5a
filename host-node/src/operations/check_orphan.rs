//! Check orphan: the classic report of what a node has, in batches that fit into a message.

use serde_json::Value;
use tenon_protocol::Fault;
use tenon_protocol::message::{NodeHandlesReport, Object};

use crate::ledger::BindingPhase;
use crate::offering::{Offering, ledger_fault};

/// Bytes of ids and credentials in one batch. The original's limit is the bus's, less 200.
const BATCH: usize = 1_048_576 - 4_096;

/// All batches, at least one: a node that has nothing says so.
///
/// # Errors
///
/// `Service unavailable` when the ledger cannot be read.
pub(crate) fn reports(offering: &Offering) -> Result<Vec<NodeHandlesReport>, Fault> {
    let mut batches = Batches::new(offering);
    let mut ids = Vec::new();
    let listed = offering.for_each_instance(|entry| {
        if entry.phase.takes_room() {
            ids.push(entry.id.clone());
        }
    });
    listed.map_err(ledger_fault)?;
    ids.iter().for_each(|id| batches.instance(id.as_str()));
    for id in &ids {
        let bindings = offering.ledger.read(|view| view.bindings(offering.service(), id));
        for entry in bindings.map_err(ledger_fault)? {
            if entry.phase != BindingPhase::Gone && !entry.user.is_empty() {
                batches.binding(fake_credentials(id.as_str(), &entry.user));
            }
        }
    }
    Ok(batches.done)
}

/// What the original reports of a binding: its names, and a password that is none.
fn fake_credentials(instance: &str, user: &str) -> Object {
    let fields = [("name", instance), ("username", user), ("password", "fake-password")];
    fields.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}

struct Batches<'a> {
    offering: &'a Offering,
    size: usize,
    done: Vec<NodeHandlesReport>,
}

impl<'a> Batches<'a> {
    fn new(offering: &'a Offering) -> Self {
        let mut batches = Self { offering, size: 0, done: Vec::new() };
        batches.open();
        batches
    }

    fn open(&mut self) {
        self.size = 0;
        self.done.push(NodeHandlesReport {
            instances_list: Vec::new(),
            bindings_list: Vec::new(),
            node_id: self.offering.node().clone(),
        });
    }

    fn room_for(&mut self, bytes: usize) -> Option<&mut NodeHandlesReport> {
        if self.size + bytes > BATCH {
            self.open();
        }
        self.size += bytes;
        self.done.last_mut()
    }

    fn instance(&mut self, id: &str) {
        if let Some(report) = self.room_for(id.len() + 3) {
            report.instances_list.push(id.to_owned());
        }
    }

    fn binding(&mut self, credentials: Object) {
        let bytes = credentials.iter().map(|(key, value)| key.len() + value.to_string().len() + 8);
        if let Some(report) = self.room_for(bytes.sum()) {
            report.bindings_list.push(credentials);
        }
    }
}
