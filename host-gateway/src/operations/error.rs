//! Why an operation failed, who has to act on it, and what the platform is told.

use tenon_protocol::{Blame, Code, Fault, InstanceId, NodeId, SealError};

use crate::cloud_controller::CloudControllerError;
use crate::config::Extension;
use crate::placement::PlacementError;
use crate::state::StateError;

/// What stands where 30804 names a URL: a package that is uploaded has none yet.
const UPLOADED: &str = "upload";

/// Why an operation failed that has no reason of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    /// The bus is away; nothing was begun.
    #[error("the bus is away")]
    Away,
    /// Caller's fault: there is no such thing, or not any more.
    #[error("{0} is not there")]
    NotFound(String),
    /// Caller's fault.
    #[error("the request is malformed")]
    Malformed,
    /// Caller's fault: the plan does not allow it.
    #[error("the plan does not have the extension {}", .0.as_str())]
    NoExtension(Extension),
    /// Another job of the instance waits or runs, or it is moving to another node.
    #[error("another job works on {0}")]
    Busy(InstanceId),
    /// Caller's fault.
    #[error("a snapshot cannot have this name: {0}")]
    SnapshotName(String),
    /// Caller's fault: the link is not ours, or has expired.
    #[error("the link does not allow it")]
    Forbidden,
    /// As many downloads as may be are on their way.
    #[error("too many downloads at once")]
    Crowded,
    /// The store of snapshots failed.
    #[error("the store of snapshots cannot be read or written")]
    Store(#[source] std::io::Error),
    /// The store of snapshots has no room.
    #[error("the store of snapshots is full")]
    NoSpace(#[source] std::io::Error),
    /// Caller's fault.
    #[error("the upload has {size} bytes, at most {most} are taken")]
    TooLarge { size: u64, most: u64 },
    /// Caller's fault: the platform knows what is to be purged.
    #[error("{0} is no orphan")]
    NoOrphan(String),
    /// What is to be compared is not all there: nothing is concluded from it (P8).
    #[error("{0}")]
    Incomplete(String),
    /// The same request came before, and what it made is gone or going.
    #[error("{0} was removed")]
    Removed(InstanceId),
    /// The node refused, for its own reasons.
    #[error("node {node} refused")]
    Node {
        node: NodeId,
        #[source]
        fault: Fault,
    },
    /// The node did not answer in time.
    #[error("node {0} did not answer in time")]
    Silent(NodeId),
    /// Caller's fault: the thing is not where it would have to be.
    #[error("{0}")]
    Conflict(String),
    /// Original nodes cannot be told of all its bindings; nothing was begun.
    #[error("{0} has more bindings than a message to an original node holds")]
    TooManyBindings(InstanceId),
    /// No node can take an instance that is to move.
    #[error("no node of plan {plan} can take it")]
    NotPlaced {
        plan: String,
        #[source]
        why: PlacementError,
    },
    /// It takes longer than the platform waits, and goes on.
    #[error("{0} is not moved yet")]
    Unfinished(InstanceId),
    /// The platform was not told; it is told again.
    #[error("the cloud controller was not told")]
    Untold(#[from] CloudControllerError),
    /// Nothing is known of its instances yet.
    #[error("the handles of the cloud controller have not been taken over")]
    Unadopted,
    /// It took too long, and another gateway took the work over.
    #[error("somebody else took over {0}")]
    Overtaken(String),
    /// Bindings of an instance that is going keep coming.
    #[error("bindings of {0} keep changing")]
    Contended(InstanceId),
    /// The store failed.
    #[error("records cannot be read or written")]
    State(#[from] StateError),
    /// Credentials cannot be opened.
    #[error("credentials in a record cannot be opened")]
    Seal(#[from] SealError),
}

impl From<&OperationError> for Fault {
    fn from(error: &OperationError) -> Self {
        match error {
            OperationError::Away
            | OperationError::Contended(_)
            | OperationError::Unfinished(_)
            | OperationError::Unadopted
            | OperationError::Untold(_) => Self::unavailable(),
            OperationError::Conflict(text) => Self::new(Code::CONFLICT, text.clone()),
            OperationError::TooManyBindings(id) => Self::message_too_long(id.as_str()),
            OperationError::NotPlaced { plan, why } => not_placed(plan, *why),
            OperationError::NotFound(what) => Self::not_found(what),
            OperationError::Malformed => Self::malformed(),
            OperationError::Removed(id) => {
                let text = format!("{id} was made by this request before, and removed");
                Self::new(Code::CONFLICT, text)
            }
            OperationError::NoExtension(extension) => Self::no_extension(extension.as_str()),
            OperationError::Busy(_) => Self::busy(),
            OperationError::SnapshotName(why) => Self::snapshot_name(why),
            OperationError::Forbidden => Self::new(Code::FORBIDDEN, "Forbidden"),
            OperationError::Crowded | OperationError::Store(_) => Self::unavailable(),
            OperationError::NoSpace(_) => Self::new(Code::NO_SPACE, "The snapshot store is full"),
            OperationError::TooLarge { size, most } => {
                Self::package_too_large(UPLOADED, *size, *most)
            }
            OperationError::Incomplete(what) => {
                Self::new(Code::INCOMPLETE, format!("Not everything is known: {what}"))
            }
            OperationError::NoOrphan(id) => {
                Self::new(Code::CONFLICT, format!("{id} is no orphan: it was ordered"))
            }
            OperationError::Node { fault, .. } => fault.clone(),
            OperationError::Silent(_) | OperationError::Overtaken(_) => Self::gateway_timeout(),
            OperationError::State(error) => error.into(),
            OperationError::Seal(_) => Self::internal(),
        }
    }
}

fn not_placed(plan: &str, why: PlacementError) -> Fault {
    match why {
        PlacementError::NoNode | PlacementError::NoVersion => {
            Fault::new(Code::NO_NODE, format!("No node of plan {plan} is there"))
        }
        PlacementError::Full => {
            Fault::new(Code::NO_CAPACITY, format!("All nodes of plan {plan} are full"))
        }
    }
}

/// Who has to act on an error.
pub(crate) trait Blamed: std::error::Error + 'static {
    /// Drives the log level.
    fn blame(&self) -> Blame;
    /// What the platform is told.
    fn fault(&self) -> Fault;
}

impl Blamed for OperationError {
    fn blame(&self) -> Blame {
        const SERVER_ERROR: u16 = 500;
        match self {
            Self::NotFound(_)
            | Self::Malformed
            | Self::NoExtension(_)
            | Self::NoOrphan(_)
            | Self::Conflict(_)
            | Self::SnapshotName(_)
            | Self::Forbidden
            | Self::TooLarge { .. }
            | Self::Removed(_) => Blame::Caller,
            Self::Node { fault, .. } if fault.status < SERVER_ERROR => Blame::Caller,
            Self::Node { .. } => Blame::Guest,
            Self::Away
            | Self::Silent(_)
            | Self::Overtaken(_)
            | Self::Contended(_)
            | Self::NotPlaced { .. }
            | Self::TooManyBindings(_)
            | Self::Unfinished(_)
            | Self::Untold(_)
            | Self::Unadopted
            | Self::Crowded
            | Self::Incomplete(_)
            | Self::Store(_)
            | Self::NoSpace(_)
            | Self::Busy(_) => Blame::Platform,
            Self::State(StateError::Away | StateError::TimedOut | StateError::Refused(_)) => {
                Blame::Platform
            }
            Self::State(StateError::Damaged { .. } | StateError::TooNew { .. }) | Self::Seal(_) => {
                Blame::Host
            }
        }
    }

    fn fault(&self) -> Fault {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_number_and_somebody_to_act() {
        let id = || InstanceId::new("d1").unwrap();
        let node = || NodeId::new("n1").unwrap();
        let refused = |status| OperationError::Node {
            node: node(),
            fault: Fault::numbered(status, 31001, "Node disk is full."),
        };
        let damaged = || {
            let source = serde_json::from_str::<u8>("x").unwrap_err();
            OperationError::State(StateError::Damaged { key: "inst.d1".to_owned(), source })
        };
        let table = [
            (OperationError::Away, 30600, Blame::Platform),
            (OperationError::NotFound("x".to_owned()), 30300, Blame::Caller),
            (OperationError::Malformed, 30001, Blame::Caller),
            (OperationError::Removed(id()), 30301, Blame::Caller),
            (OperationError::NoExtension(Extension::Snapshot), 30501, Blame::Caller),
            (OperationError::Busy(id()), 30807, Blame::Platform),
            (OperationError::SnapshotName(String::new()), 30808, Blame::Caller),
            (OperationError::Forbidden, 30200, Blame::Caller),
            (OperationError::Crowded, 30600, Blame::Platform),
            (OperationError::Store(std::io::ErrorKind::Other.into()), 30600, Blame::Platform),
            (
                OperationError::NoSpace(std::io::ErrorKind::StorageFull.into()),
                30603,
                Blame::Platform,
            ),
            (OperationError::TooLarge { size: 2, most: 1 }, 30804, Blame::Caller),
            (OperationError::Incomplete(String::new()), 30602, Blame::Platform),
            (OperationError::NoOrphan("d1".to_owned()), 30301, Blame::Caller),
            (refused(500), 31001, Blame::Guest),
            (refused(404), 31001, Blame::Caller),
            (OperationError::Silent(node()), 30700, Blame::Platform),
            (OperationError::Overtaken("inst.d1".to_owned()), 30700, Blame::Platform),
            (OperationError::Contended(id()), 30600, Blame::Platform),
            (OperationError::Conflict(String::new()), 30301, Blame::Caller),
            (OperationError::TooManyBindings(id()), 30305, Blame::Platform),
            (OperationError::Unfinished(id()), 30600, Blame::Platform),
            (OperationError::Unadopted, 30600, Blame::Platform),
            (StateError::Away.into(), 30600, Blame::Platform),
            (StateError::TimedOut.into(), 30600, Blame::Platform),
            (StateError::Refused(String::new()).into(), 30600, Blame::Platform),
            (damaged(), 30500, Blame::Host),
            (SealError::CannotOpen.into(), 30500, Blame::Host),
        ];
        for (error, code, blame) in table {
            assert_eq!((error.fault().msg.code, error.blame()), (code, blame), "{error}");
        }
    }
}
