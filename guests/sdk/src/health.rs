//! Short ways to say how a service is.

use crate::HealthReport;
use crate::bindings::imports::tenon::service::types::Health;

impl HealthReport {
    /// It does what it is for.
    pub fn ok() -> Self {
        Self { status: Health::Ok, detail: String::new() }
    }

    /// It works, but not as it should.
    pub fn degraded(detail: impl Into<String>) -> Self {
        Self { status: Health::Degraded, detail: detail.into() }
    }

    /// It does not work.
    pub fn failed(detail: impl Into<String>) -> Self {
        Self { status: Health::Failed, detail: detail.into() }
    }
}
