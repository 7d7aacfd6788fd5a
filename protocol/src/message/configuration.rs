//! `configuration` (v1) or `gateway_data` (v2): what a platform keeps for the gateway.

use serde::{Deserialize, Serialize};

use super::Object;

/// Plan and version of an instance; a binding adds its options.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// Name of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Version of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// For bindings: `{"binding_options": ...}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Object>,
}
