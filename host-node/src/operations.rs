//! What a node does, one file for each operation, named as on the gateway.
//!
//! All have the same shape: take the lock, *begin* (a pure decision on the ledger's entry, and the
//! intent made durable), call the guest, *record* (result and the guest's state made durable),
//! answer. A crash at any line leaves an entry that the next start or the next attempt finishes.

pub(crate) mod backup;
pub(crate) mod bind;
pub(crate) mod check_orphan;
pub(crate) mod cleanupnfs_instance;
pub(crate) mod create_serialized_url;
pub(crate) mod create_snapshot;
pub(crate) mod delete_snapshot;
pub(crate) mod disable_instance;
pub(crate) mod enable_instance;
pub(crate) mod forget_snapshots;
pub(crate) mod handles;
pub(crate) mod import_from_url;
pub(crate) mod import_instance;
pub(crate) mod inventory;
mod moving;
pub(crate) mod provision;
pub(crate) mod purge_orphan;
pub(crate) mod quarantine;
pub(crate) mod restore;
pub(crate) mod resume;
pub(crate) mod rollback_snapshot;
pub(crate) mod unbind;
pub(crate) mod unprovision;
pub(crate) mod update_instance;

use tenon_protocol::clock::Millis;
use tenon_protocol::{Code, Fault, Generation, InstanceId, OperationId, Order};

use crate::ledger::{InstanceEntry, InstancePhase, Moving};

/// Times that a call is made again because others changed the same state of the plugin.
const STATE_RETRIES: u32 = 4;

/// An order, and whether a gateway of ours keeps a record behind it.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) order: Order,
    /// `false`: an original gateway asks. There is no fence, and nobody asks again after a crash.
    pub(crate) recorded: bool,
}

impl Task {
    /// The instance's entry as this order begins it, if it is the first to do so.
    fn first_entry(&self, phase: InstancePhase, plan: &str, version: &str) -> InstanceEntry {
        let now = Millis::now();
        InstanceEntry {
            id: self.order.instance.clone(),
            generation: self.order.generation,
            operation: self.order.operation.clone(),
            recorded: self.recorded,
            phase,
            plan: plan.to_owned(),
            version: version.to_owned(),
            created: now,
            changed: now,
            credentials: None,
            failure: None,
            moving: Moving::default(),
        }
    }
}

#[cfg(test)]
impl Task {
    /// An order about the instance `d1`.
    pub(crate) fn of_test(operation: &str, generation: u64, recorded: bool) -> Self {
        let (instance, operation) = (InstanceId::new("d1"), OperationId::new(operation));
        let (instance, operation) = (instance.unwrap(), operation.unwrap());
        let generation = Generation::new(generation);
        Self { order: Order::of(instance, operation, generation, Millis::default()), recorded }
    }
}

/// An order that nobody sent: the node's own decision about an instance.
fn internal_order(instance: &InstanceId, generation: Generation) -> Order {
    Order::of(instance.clone(), OperationId::random(), generation, Millis::now())
}

fn fenced() -> Fault {
    Fault::new(Code::FENCED, "A newer command for the same object was seen")
}

fn conflict(id: &str) -> Fault {
    Fault::new(Code::CONFLICT, format!("{id} exists already"))
}

fn full() -> Fault {
    Fault::new(Code::NO_CAPACITY, "The node is full")
}
