//! Bind: gateway to node, and cloud controller to gateway.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Object;

/// `S.bind.N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindRequest {
    /// The instance.
    pub name: String,
    /// The platform's options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_opts: Option<Object>,
    /// Credentials to use again (recover, migration).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Object>,
}

/// `POST /gateway/v1/configurations/:service_id/handles`. Reference, section 1.3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindHandleRequest {
    /// The instance; must be the one of the path.
    pub service_id: String,
    /// Not used.
    pub label: String,
    /// Not used.
    pub email: String,
    /// Required, and not null.
    pub binding_options: Value,
    /// The application; cloud controllers send it since 2014. Not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<Value>,
}
