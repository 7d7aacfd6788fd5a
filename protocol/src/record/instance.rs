//! The record of an instance.

use serde::{Deserialize, Serialize};

use super::Life;
use crate::clock::Millis;
use crate::id::{InstanceId, ServiceName};

/// `inst.<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// [`super::RECORD_VERSION`] of the writer.
    pub v: u32,
    /// The instance.
    pub id: InstanceId,
    /// The offering's service name.
    pub service: ServiceName,
    /// Name of its plan.
    pub plan: String,
    /// Its version.
    pub version: String,
    /// The user's parameters as JSON text; empty when there are none.
    #[serde(default)]
    pub parameters: String,
    /// When the intent was written.
    pub created: Millis,
    /// Where it is in its life.
    pub life: Life,
}
