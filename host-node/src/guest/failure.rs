//! Why a guest's call did not succeed, and who has to act.

use std::time::Duration;

use tenon_protocol::{Blame, Code, Fault};
use wasmtime::{PoolConcurrencyLimitError, Trap};

use super::memory::OutOfMemory;
use super::meter::OutOfCpu;
use super::wit::{Error, ErrorKind};
use crate::ledger::LedgerError;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestFailure {
    /// The guest said no, in its own words.
    #[error("the guest refused: {} (number {})", .0.message, .0.code)]
    Refused(Error),
    /// The guest's code broke: a panic, a trap, or a bound of the sandbox.
    #[error("the guest failed: {0}")]
    Broken(String),
    /// The guest ran longer than its CPU budget.
    #[error("the guest used up its CPU budget")]
    OutOfCpu,
    /// The guest needs more memory than a call may have.
    #[error("the guest reached its memory ceiling")]
    OutOfMemory,
    /// Guest and host together took longer than the call may take.
    #[error("the call took longer than {0:?}")]
    OutOfTime(Duration),
    /// Its generation was replaced and did not finish in time; the call may be repeated.
    #[error("the guest was replaced while it worked")]
    Replaced,
    /// No plugin is loaded for the offering.
    #[error("no plugin is loaded")]
    NotLoaded,
    /// All slots were taken for as long as the caller could wait.
    #[error("all slots for guest calls are taken")]
    Busy,
    /// The component does not export this optional interface.
    #[error("the plugin does not offer {0}")]
    NotOffered(&'static str),
    /// Another call changed the same state, several times in a row.
    #[error("the plugin's state was changed by other calls")]
    StateConflict,
    /// The host failed: a bug, or a resource of the host.
    #[error("the host failed: {0}")]
    Host(String),
    /// The result could not be made durable.
    #[error("the result could not be recorded")]
    Ledger(#[from] LedgerError),
}

impl GuestFailure {
    /// Sorts what wasmtime reports.
    pub(super) fn from_wasmtime(error: &wasmtime::Error) -> Self {
        if error.is::<OutOfCpu>() {
            return Self::OutOfCpu;
        }
        if error.is::<OutOfMemory>() {
            return Self::OutOfMemory;
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::Busy;
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return Self::Broken(trap.to_string());
        }
        // Text and not chain: a backtrace of guest frames belongs into the debug log only.
        Self::Broken(error.root_cause().to_string())
    }

    /// Who has to act.
    pub(crate) const fn blame(&self) -> Blame {
        match self {
            Self::Refused(error) => match error.kind {
                ErrorKind::InvalidInput
                | ErrorKind::NotFound
                | ErrorKind::Conflict
                | ErrorKind::QuotaExceeded => Blame::Caller,
                ErrorKind::NotGranted | ErrorKind::Internal => Blame::Guest,
                ErrorKind::Unavailable | ErrorKind::Deadline | ErrorKind::CorruptData => {
                    Blame::Platform
                }
            },
            Self::Broken(_) | Self::OutOfCpu | Self::OutOfMemory | Self::OutOfTime(_) => {
                Blame::Guest
            }
            Self::NotOffered(_) => Blame::Caller,
            Self::Replaced | Self::NotLoaded | Self::Busy | Self::StateConflict => Blame::Platform,
            Self::Host(_) | Self::Ledger(_) => Blame::Host,
        }
    }

    /// Whether the same call may succeed if it is simply made again.
    pub(crate) const fn is_passing(&self) -> bool {
        match self {
            Self::Refused(error) => matches!(error.kind, ErrorKind::Unavailable),
            Self::Replaced | Self::NotLoaded | Self::Busy | Self::StateConflict => true,
            Self::Ledger(_) => true,
            Self::Broken(_)
            | Self::OutOfCpu
            | Self::OutOfMemory
            | Self::OutOfTime(_)
            | Self::NotOffered(_)
            | Self::Host(_) => false,
        }
    }

    /// What the gateway and the platform get.
    pub(crate) fn to_fault(&self) -> Fault {
        match self {
            Self::Refused(error) => refusal(error),
            Self::Broken(_) => Fault::new(Code::GUEST_FAILED, "The service failed"),
            Self::OutOfCpu => Fault::new(Code::GUEST_FAILED, "The service used up its CPU budget"),
            Self::OutOfMemory => {
                Fault::new(Code::GUEST_FAILED, "The service reached its memory ceiling")
            }
            Self::OutOfTime(_) => Fault::new(Code::NODE_TIMEOUT, "Node operation timeout"),
            Self::NotOffered(interface) => Fault::no_extension(interface),
            Self::Replaced
            | Self::NotLoaded
            | Self::Busy
            | Self::StateConflict
            | Self::Ledger(_) => Fault::unavailable(),
            Self::Host(_) => Fault::internal(),
        }
    }
}

fn refusal(error: &Error) -> Fault {
    let code = match error.kind {
        ErrorKind::InvalidInput => Code::MALFORMED,
        ErrorKind::NotFound => Code::NOT_FOUND,
        ErrorKind::Conflict => Code::CONFLICT,
        ErrorKind::Unavailable => Code::UNAVAILABLE,
        ErrorKind::Deadline => Code::NODE_TIMEOUT,
        ErrorKind::CorruptData => Code::SNAPSHOT_CORRUPT,
        ErrorKind::QuotaExceeded | ErrorKind::NotGranted | ErrorKind::Internal => {
            Code::GUEST_FAILED
        }
    };
    let number = if error.code == 0 { code.number } else { error.code };
    Fault::numbered(code.status, number, clean(&error.message))
}

/// A guest's text, for people: at most 500 characters, without control characters.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: ErrorKind, code: u32, message: &str) -> GuestFailure {
        let message = message.to_owned();
        GuestFailure::Refused(Error { kind, code, message, retry_after_ms: None })
    }

    #[test]
    fn a_guest_keeps_its_number_and_its_words() {
        let failure = refused(ErrorKind::NotFound, 31002, "Mysql configuration d1 not found.");
        assert_eq!(
            failure.to_fault(),
            Fault::numbered(404, 31002, "Mysql configuration d1 not found.")
        );
        assert_eq!(failure.blame(), Blame::Caller);
    }

    #[test]
    fn a_guest_cannot_break_out_of_its_line() {
        let failure = refused(ErrorKind::Internal, 0, &"a\nb\u{7}".repeat(400));
        let text = failure.to_fault().msg.description;
        assert!(text.starts_with("a b a b"));
        assert_eq!(text.chars().count(), 500);
    }

    #[test]
    fn a_trap_is_the_guests_fault() {
        let error = wasmtime::Error::from(Trap::UnreachableCodeReached);
        let failure = GuestFailure::from_wasmtime(&error);
        assert_eq!(failure.blame(), Blame::Guest);
        assert!(failure.to_fault().is(Code::GUEST_FAILED));
    }

    #[test]
    fn a_call_beyond_its_time_has_the_number_of_the_original() {
        let failure = GuestFailure::OutOfTime(Duration::from_secs(6));
        assert_eq!(failure.blame(), Blame::Guest);
        let fault = Fault::numbered(500, 30502, "Node operation timeout");
        assert_eq!(failure.to_fault(), fault);
    }
}
