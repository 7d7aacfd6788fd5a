//! Snapshots as the classic API shows them. Reference, sections 1.6 and 1.8.

use serde::{Deserialize, Serialize};

use crate::id::SnapshotId;

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotView {
    /// Its number, as text.
    pub snapshot_id: SnapshotId,
    /// When it was taken, ISO 8601 in UTC.
    pub date: String,
    /// Bytes in the store.
    pub size: u64,
    /// The user's name for it.
    pub name: String,
}

/// `GET .../snapshots`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SnapshotList {
    /// All of one instance.
    pub snapshots: Vec<SnapshotView>,
}
