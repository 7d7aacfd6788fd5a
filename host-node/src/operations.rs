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

/// Times that a call is made again because others changed the same state of the plugin.
const STATE_RETRIES: u32 = 4;

/// An order, and whether a gateway of ours keeps a record behind it.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) order: Order,
    /// `false`: an original gateway asks. There is no fence, and nobody asks again after a crash.
    pub(crate) recorded: bool,
}

/// An order that nobody sent: the node's own decision about an instance.
fn internal_order(instance: &InstanceId, generation: Generation) -> Order {
    Order {
        operation: OperationId::random(),
        generation,
        deadline: Millis::now(),
        instance: instance.clone(),
        binding: None,
        parameters: String::new(),
        traceparent: String::new(),
        request: None,
    }
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
