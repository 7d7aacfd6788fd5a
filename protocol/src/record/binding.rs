//! The record of a binding.

use serde::{Deserialize, Serialize};

use super::Life;
use crate::clock::Millis;
use crate::id::{BindingId, InstanceId, ServiceName};
use crate::message::Object;

/// `bind.<instance>.<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRecord {
    /// [`super::RECORD_VERSION`] of the writer.
    pub v: u32,
    /// The binding.
    pub id: BindingId,
    /// Its instance.
    pub instance: InstanceId,
    /// The offering's service name.
    pub service: ServiceName,
    /// `binding_options` of the platform.
    #[serde(default)]
    pub options: Object,
    /// When the intent was written.
    pub created: Millis,
    /// Where it is in its life.
    pub life: Life,
}
