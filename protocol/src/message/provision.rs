//! Provision: gateway to node, and cloud controller to gateway.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Configuration, Object};

/// `S.provision.N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionRequest {
    /// Must be the node's plan.
    pub plan: String,
    /// Credentials to use again (recover, migration).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Object>,
    /// Must be among the node's versions; absent is unsupported, as in the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// `POST /gateway/v1/configurations`. Reference, section 1.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionServiceRequest {
    /// The plan's unique id.
    pub unique_id: String,
    /// The user's alias.
    pub name: String,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Not used to place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Not used to place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Name of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Version ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Organization of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_guid: Option<String>,
    /// Space of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space_guid: Option<String>,
    /// The user's parameters: an object goes to the guest, anything else is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_option: Option<Value>,
}

/// Answer to provision and bind.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceResponse {
    /// Instance id, or handle id.
    pub service_id: String,
    /// What the platform hands back with later requests.
    pub configuration: Configuration,
    /// What the application needs; a secret.
    pub credentials: Object,
}
