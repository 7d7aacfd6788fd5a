//! Unprovision: gateway to node.

use serde::{Deserialize, Serialize};

use super::Object;

/// `S.unprovision.N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnprovisionRequest {
    /// The instance.
    pub name: String,
    /// Credentials of its bindings.
    pub bindings: Vec<Object>,
}
