//! Words that gateway and nodes share: ids, messages, subjects, numbered errors, records.
//!
//! Knows the classic wire format and what Tenon adds to it in message headers. Does no I/O,
//! knows no runtime, and depends on no other crate of the workspace.

pub mod chain;
pub mod clock;
pub mod complaints;
pub mod download;
pub mod fault;
pub mod id;
pub mod job;
pub mod link;
pub mod message;
pub mod order;
pub mod position;
pub mod process;
pub mod record;
pub mod seal;
pub mod secret;
pub mod subject;
pub mod upload;

pub use chain::{Chain, chain};
pub use fault::{Blame, Code, Fault};
pub use id::{
    BindingId, GatewayId, Generation, IdError, InstanceId, JobId, NodeId, OperationId, RequestId,
    ServiceName, SnapshotId, StoreEpoch,
};
pub use order::Order;
pub use seal::{SealError, SealKey, Sealed};
pub use secret::Secret;
