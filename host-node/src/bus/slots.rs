//! Room for what is asked at once of one offering.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Incoming;

/// Requests at once; more are told that the node is busy.
const MAX_REQUESTS: usize = 512;

/// Pages of the inventory that are asked for at once; more are told the same.
const MAX_INVENTORIES: usize = 32;

/// Room for requests that are under way, for one offering.
pub(super) struct Slots {
    requests: Arc<Semaphore>,
    /// Apart, so that who looks at everything does not keep others from ordering something.
    inventories: Arc<Semaphore>,
}

impl Slots {
    /// All of it.
    pub(super) fn new() -> Self {
        Self {
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            inventories: Arc::new(Semaphore::new(MAX_INVENTORIES)),
        }
    }

    /// Room for `incoming`; `None` when there is none, which it is told.
    pub(super) fn take(&self, incoming: &Incoming) -> Option<OwnedSemaphorePermit> {
        let slots = match incoming {
            Incoming::Inventory(_) => &self.inventories,
            Incoming::Request(..)
            | Incoming::Orphans(_)
            | Incoming::Discover(_)
            | Incoming::CheckOrphan => &self.requests,
        };
        Arc::clone(slots).try_acquire_owned().ok()
    }
}
