//! The record of a snapshot: written by the node once its data is safe in the store.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::{InstanceId, JobId, NodeId, ServiceName, SnapshotId};
use crate::message::{SnapshotState, SnapshotV2, SnapshotView};

/// `snap.<service>.<node>.<instance>.<id>` in the bucket that gateways and nodes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// [`super::RECORD_VERSION`] of the writer.
    pub v: u32,
    /// The snapshot.
    pub id: SnapshotId,
    /// The instance that it is of.
    pub instance: InstanceId,
    /// The offering's service name.
    pub service: ServiceName,
    /// The node that took it.
    pub node: NodeId,
    /// The instance's plan.
    pub plan: String,
    /// The instance's version.
    pub version: String,
    /// The guest's tag for the form of the data.
    pub format: String,
    /// Bytes in the store.
    pub size: u64,
    /// Hex SHA-256 of those bytes.
    pub sha256: String,
    /// When it was taken.
    pub created: Millis,
    /// The user's name for it.
    pub name: String,
    /// What users download, once it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
}

/// A snapshot packed for download, beside the snapshot in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Bytes in the store.
    pub size: u64,
    /// Hex SHA-256 of those bytes.
    pub sha256: String,
}

/// `order.<service>.<instance>.<id>`: a snapshot that was ordered by the second version of the
/// API, which has a state for one that has no data yet. Written by a gateway, and goes by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotOrder {
    /// [`super::RECORD_VERSION`] of the writer.
    pub v: u32,
    /// The snapshot.
    pub id: SnapshotId,
    /// The user's name for it.
    pub name: String,
    /// The job that takes it.
    pub job: JobId,
}

impl SnapshotRecord {
    /// The snapshot as the classic API shows it.
    #[must_use]
    pub fn view(&self) -> SnapshotView {
        SnapshotView {
            snapshot_id: self.id.clone(),
            date: self.created.to_iso8601(),
            size: self.size,
            name: self.name.clone(),
        }
    }

    /// The snapshot as the second version of the API shows it.
    #[must_use]
    pub fn view_v2(&self) -> SnapshotV2 {
        SnapshotV2 {
            snapshot_id: self.id.clone(),
            name: self.name.clone(),
            state: SnapshotState::Ready,
            size: self.size,
            created_time: Some(self.created.to_iso8601()),
        }
    }
}
