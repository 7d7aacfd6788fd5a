//! The record of a restore that was asked for of late: by it a repetition is known.

use serde::{Deserialize, Serialize};

use crate::id::OperationId;

/// `restore.<service>.<instance>`: the last restore that was asked for without a name of its own.
/// Written by a gateway, and goes by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRecord {
    /// [`super::RECORD_VERSION`] of the writer.
    pub v: u32,
    /// What is loaded.
    pub backup_path: String,
    /// What the node knows it by.
    pub operation: OperationId,
}
