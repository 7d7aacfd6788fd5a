//! Classic messages between gateway and nodes, and of both with a cloud controller.
//!
//! Field names are the original's. Unknown fields are accepted (P9); a missing or wrong one is an
//! error. Source: reference, sections 1, 2.2 and 3.2.

mod announcement;
mod bind;
mod component;
mod configuration;
mod handles;
mod inventory;
mod migration;
mod offering;
mod orphan;
mod orphan_order;
mod provision;
mod reply;
mod snapshot;
mod unbind;
mod unprovision;

pub use announcement::{Announcement, DiscoverRequest};
pub use bind::{BindHandleRequest, BindRequest};
pub use component::{Capacities, Component, Varz};
pub use configuration::Configuration;
pub use handles::{Handle, HandleList};
pub use inventory::{
    InventoryBinding, InventoryInstance, InventoryPage, InventoryRequest, InventoryScope,
    Quarantined,
};
pub use migration::{HandlePage, HandlePair, Rest, RestoreRequest, UpdateReply};
pub use offering::{Deactivation, OfferingNotice};
pub use orphan::{
    NodeHandlesReport, OrphanBatch, OrphanBatches, PurgeOrphanRequest, orphan_batches,
};
pub use orphan_order::{
    OrphanAct, OrphanAnswer, OrphanItem, OrphanOrder, OrphanOutcome, PurgeBinding, PurgeInstance,
    PurgeOrder, PurgeRun, PurgeShare, PurgedBefore,
};
pub use provision::{ProvisionRequest, ProvisionServiceRequest, ServiceResponse};
pub use reply::{CredentialsReply, Reply};
pub use snapshot::{
    SerializedUrl, SnapshotList, SnapshotListV2, SnapshotName, SnapshotState, SnapshotV2,
    SnapshotView,
};
pub use unbind::{UnbindHandleRequest, UnbindRequest};
pub use unprovision::UnprovisionRequest;

/// A JSON object whose keys are the service's own: credentials, options.
pub type Object = serde_json::Map<String, serde_json::Value>;
