//! Unbind: gateway to node, and cloud controller to gateway.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Object;

/// `S.unbind.N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnbindRequest {
    /// Credentials of the binding: they name it.
    pub credentials: Object,
}

/// `DELETE /gateway/v1/configurations/:service_id/handles/:handle_id`. Reference, section 1.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnbindHandleRequest {
    /// The instance; must be the one of the path.
    pub service_id: String,
    /// The binding; must be the one of the path.
    pub handle_id: String,
    /// Required, and not null.
    pub binding_options: Value,
}
