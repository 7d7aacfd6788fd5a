//! Heartbeat and deactivation to a v1 cloud controller. Reference, section 2.2.1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /services/v1/offerings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferingNotice {
    /// `name-version`.
    pub label: String,
    /// Where this gateway listens.
    pub url: String,
    /// Versions that can be ordered.
    pub supported_versions: Vec<String>,
    /// For example `{"current": "5.5"}`.
    pub version_aliases: BTreeMap<String, String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `core` unless configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Names of the plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<Vec<String>>,
    /// Plan to billing id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cf_plan_id: Option<Value>,
    /// Plan used when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_plan: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Whether it can be ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Who may order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acls: Option<Value>,
    /// Seconds that the cloud controller waits for the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// The same notice with `active: false`; kept as a type, so that nobody forgets the flag (P7).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Deactivation(OfferingNotice);

impl From<OfferingNotice> for Deactivation {
    fn from(mut notice: OfferingNotice) -> Self {
        notice.active = Some(false);
        Self(notice)
    }
}
