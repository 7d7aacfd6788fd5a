//! Why nothing was provisioned.

use tenon_protocol::{Blame, Code, Fault, SealError};

use crate::operations::{Blamed, OperationError, shown};
use crate::state::StateError;

/// Why nothing was provisioned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProvisionError {
    /// Caller's fault.
    #[error("no plan has this unique_id")]
    UnknownUniqueId,
    /// Caller's fault: not configured, or not the plan of the unique id.
    #[error("plan {0} is not the one of the unique_id")]
    UnknownPlan(String),
    /// Caller's fault.
    #[error("version {0} is not served")]
    UnsupportedVersion(String),
    /// No node of the plan is alive.
    #[error("no node of plan {0} is there")]
    NoNode(String),
    /// Every node of the plan said "full", or is.
    #[error("all nodes of plan {0} are full")]
    Full(String),
    /// Common to all operations.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl From<StateError> for ProvisionError {
    fn from(error: StateError) -> Self {
        Self::Operation(error.into())
    }
}

impl From<SealError> for ProvisionError {
    fn from(error: SealError) -> Self {
        Self::Operation(error.into())
    }
}

impl From<&ProvisionError> for Fault {
    fn from(error: &ProvisionError) -> Self {
        match error {
            ProvisionError::UnknownUniqueId => Self::unknown_unique_id(),
            ProvisionError::UnknownPlan(plan) => Self::unknown_plan(&shown(plan)),
            ProvisionError::UnsupportedVersion(version) => {
                Self::unsupported_version(&shown(version))
            }
            ProvisionError::NoNode(plan) => {
                Self::new(Code::NO_NODE, format!("No node of plan {plan} is there"))
            }
            ProvisionError::Full(plan) => {
                Self::new(Code::NO_CAPACITY, format!("All nodes of plan {plan} are full"))
            }
            ProvisionError::Operation(error) => error.into(),
        }
    }
}

impl Blamed for ProvisionError {
    fn blame(&self) -> Blame {
        match self {
            Self::UnknownUniqueId | Self::UnknownPlan(_) | Self::UnsupportedVersion(_) => {
                Blame::Caller
            }
            Self::NoNode(_) | Self::Full(_) => Blame::Platform,
            Self::Operation(error) => error.blame(),
        }
    }

    fn fault(&self) -> Fault {
        self.into()
    }
}
