//! Long-running work as the classic API shows it. Reference, sections 1.5 and 6.2.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::JobId;

/// How far a job is.
///
/// ```text
/// queued ──▶ working ──▶ completed
///    │          ├──────▶ failed
///    └──────────┴──────▶ killed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Waits for its node.
    Queued,
    /// The node works on it; after a crash, again.
    Working,
    /// Done; the result is there.
    Completed,
    /// Not done; the result is a numbered error.
    Failed,
    /// Stopped because somebody asked for it, as the original's job library could. Never said by
    /// us: a job beyond its time has failed, there as here.
    Killed,
}

impl JobStatus {
    /// Whether a job may go from this status to `to`. A job that is worked on may start again.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        match self {
            Self::Queued => matches!(to, Self::Working | Self::Failed | Self::Killed),
            Self::Working => {
                matches!(to, Self::Working | Self::Completed | Self::Failed | Self::Killed)
            }
            Self::Completed | Self::Failed | Self::Killed => false,
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Working => false,
            Self::Completed | Self::Failed | Self::Killed => true,
        }
    }
}

/// Answer of every route that starts or shows a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// 32 hex digits.
    pub job_id: JobId,
    /// How far it is.
    pub status: JobStatus,
    /// When it was ordered, as Ruby writes a time.
    pub start_time: String,
    /// For people; the original says `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_time: Option<String>,
    /// The snapshot, `{"result":"ok"}`, or `{"code","description"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_job_stays_as_it_is() {
        use JobStatus::{Completed, Failed, Killed, Queued, Working};
        let all = [Queued, Working, Completed, Failed, Killed];
        for from in all {
            for to in all {
                let allowed = matches!(
                    (from, to),
                    (Queued, Working | Failed | Killed)
                        | (Working, Working | Completed | Failed | Killed)
                );
                assert_eq!(from.may_become(to), allowed, "{from:?} -> {to:?}");
            }
        }
    }
}
