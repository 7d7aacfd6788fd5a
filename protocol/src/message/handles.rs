//! Handles: the records that a v1 cloud controller keeps. Reference, section 2.2.3.

use serde::{Deserialize, Serialize};

use super::{Configuration, Object};

/// An instance, if `service_id` equals `credentials.name`; else a binding of instance
/// `credentials.name`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// Instance id, or handle id.
    pub service_id: String,
    /// What the gateway gave the platform to keep.
    #[serde(default)]
    pub configuration: Configuration,
    /// What the application got; a secret.
    pub credentials: Object,
}

impl Handle {
    /// `credentials.name`: the instance that this is, or belongs to.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.credentials.get("name").and_then(|name| name.as_str())
    }

    /// Whether this is an instance rather than a binding.
    #[must_use]
    pub fn is_instance(&self) -> bool {
        self.instance() == Some(self.service_id.as_str())
    }
}

/// `GET /services/v1/offerings/<label>/handles`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct HandleList {
    /// Instances and bindings, mixed. Kept as JSON: one bad entry must not hide the others.
    pub handles: Vec<serde_json::Value>,
}
