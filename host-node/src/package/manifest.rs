//! What a package says of its content.

use serde::{Deserialize, Serialize};

/// The only version there ever was.
pub(super) const VERSION: u64 = 1;

/// `manifest`. What the original wrote has the first four fields; it ignores the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u64,
    /// Of the service. The original lost it when its gateway had been restarted (P34).
    #[serde(default)]
    pub(super) service_version: Option<String>,
    #[serde(default)]
    pub(super) plan: Option<String>,
    #[serde(default)]
    pub(super) provider: Option<String>,
    /// The guest's tag, where the content is as the guest wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<String>,
    /// Of that content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
}
