//! Snapshots as the classic API shows them. Reference, sections 1.6 to 1.13
//! and 1.21.

use serde::{Deserialize, Serialize};

use crate::id::SnapshotId;
use crate::secret::Secret;

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

/// `POST .../snapshots/<id>/name`, and of the second version of the API `POST .../snapshots`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotName {
    /// The user's name for it.
    pub name: String,
}

/// `PUT .../serialized/url`, and the answer of `GET .../serialized/url/snapshots/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SerializedUrl {
    /// Where the package is. It holds a token.
    pub url: Secret,
}

/// How far a snapshot of the second version of the API is.
///
/// The original knew the first word only: it never took a snapshot in this version.
///
/// ```text
/// empty ──▶ ready
///   └─────▶ failed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotState {
    /// Ordered; there is no data yet.
    Empty,
    /// It can be rolled back to.
    Ready,
    /// It was not taken.
    Failed,
}

/// One snapshot, in the second version of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotV2 {
    /// Its number, as text.
    pub snapshot_id: SnapshotId,
    /// The user's name for it.
    pub name: String,
    /// How far it is.
    pub state: SnapshotState,
    /// Bytes in the store.
    pub size: u64,
    /// When it was taken, ISO 8601 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
}

/// `GET .../snapshots` of the second version of the API.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SnapshotListV2 {
    /// All of one instance.
    pub snapshots: Vec<SnapshotV2>,
}
