//! What a service answers when it cannot do what it was asked. Knows every capability's failures.

use std::fmt;
use std::time::Duration;

use crate::bindings::imports::tenon::service::types;
use crate::{ErrorKind, blob, files, mysql, state};

/// The result of everything that a service does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal: whose fault it is, a number for programs and a sentence for people.
///
/// Failures of capabilities turn into one with `?`. The kind decides the HTTP status, whether the
/// platform repeats the operation, and whom the node blames.
///
/// ```
/// use tenon_guest::{Error, ErrorKind};
///
/// let error = Error::not_found(31002, "Mysql configuration d1f not found.");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    kind: ErrorKind,
    code: u32,
    message: String,
    retry_after: Option<Duration>,
}

impl Error {
    /// An error of any kind. `code` is its number in the catalogue of errors, 31000 and above for
    /// services; 0 lets the node choose. `message` is shown to the user and must hold no secret.
    pub fn new(kind: ErrorKind, code: u32, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), retry_after: None }
    }

    /// The caller's fault; the same request will fail again.
    pub fn invalid_input(code: u32, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, code, message)
    }

    /// What the request is about does not exist.
    pub fn not_found(code: u32, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, code, message)
    }

    /// It exists already, or another operation is at work on it.
    pub fn conflict(code: u32, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, message)
    }

    /// More than the plan or the node allows.
    pub fn quota_exceeded(code: u32, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::QuotaExceeded, code, message)
    }

    /// A passing condition: the platform may repeat the same operation.
    pub fn unavailable(code: u32, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, code, message)
    }

    /// A snapshot or an import that cannot be read.
    pub fn corrupt_data(code: u32, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::CorruptData, code, message)
    }

    /// The service's own fault, or its operator's.
    pub fn internal(code: u32, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, code, message)
    }

    /// The same error, asking not to be repeated before `wait` is over.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Whose fault it is, coarsely.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Number in the catalogue of errors; 0 when the node is to choose.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// One sentence for the user.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind,
            code: error.code,
            message: error.message,
            // More than 49 days is as good as never.
            retry_after_ms: error
                .retry_after
                .map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
        }
    }
}

impl From<mysql::Failure> for Error {
    fn from(failure: mysql::Failure) -> Self {
        use mysql::Failure;
        let (kind, message) = match failure {
            Failure::NotGranted(what) => {
                (ErrorKind::NotGranted, format!("mysql not granted: {what}"))
            }
            Failure::BadName(rule) => {
                (ErrorKind::InvalidInput, format!("name not allowed: {rule}"))
            }
            Failure::NotFound => {
                (ErrorKind::NotFound, "no such server, database or account".to_owned())
            }
            Failure::Limit(which) => (ErrorKind::QuotaExceeded, format!("beyond a limit: {which}")),
            Failure::Unavailable(why) => {
                (ErrorKind::Unavailable, format!("database server unavailable: {why}"))
            }
            Failure::Sql((number, state, text)) => {
                (ErrorKind::Internal, format!("database error {number} ({state}): {text}"))
            }
            Failure::Corrupt(why) => (ErrorKind::CorruptData, format!("dump not usable: {why}")),
        };
        Self::new(kind, 0, message)
    }
}

impl From<files::Failure> for Error {
    fn from(failure: files::Failure) -> Self {
        use files::Failure;
        let (kind, message) = match failure {
            Failure::NotGranted => (ErrorKind::NotGranted, "files not granted"),
            Failure::BadPath => (ErrorKind::InvalidInput, "label or path not allowed"),
            Failure::Exists => (ErrorKind::Conflict, "file or directory exists"),
            Failure::NotFound => (ErrorKind::NotFound, "no such file or directory"),
            Failure::Quota => (ErrorKind::QuotaExceeded, "directory is full"),
            Failure::NotEmpty => (ErrorKind::Conflict, "directory is not empty"),
            Failure::Unavailable => (ErrorKind::Unavailable, "file system unavailable"),
            Failure::Corrupt => (ErrorKind::CorruptData, "archive not usable"),
        };
        Self::new(kind, 0, message)
    }
}

impl From<state::Failure> for Error {
    fn from(failure: state::Failure) -> Self {
        use state::Failure;
        let (kind, message) = match failure {
            Failure::NotFound => (ErrorKind::NotFound, "no such key"),
            Failure::RevisionMismatch => (ErrorKind::Conflict, "state was changed by another call"),
            Failure::TooLarge => (ErrorKind::QuotaExceeded, "state key or value is too large"),
            Failure::Quota => (ErrorKind::QuotaExceeded, "state of the service is full"),
            Failure::Unavailable => (ErrorKind::Unavailable, "state unavailable"),
        };
        Self::new(kind, 0, message)
    }
}

impl From<blob::Failure> for Error {
    fn from(failure: blob::Failure) -> Self {
        use blob::Failure;
        let (kind, message) = match failure {
            Failure::Closed => (ErrorKind::Unavailable, "transfer was ended by the other side"),
            Failure::Limit => (ErrorKind::QuotaExceeded, "transfer is beyond its limit"),
            Failure::Corrupt => (ErrorKind::CorruptData, "transfer is damaged"),
            Failure::Unavailable => (ErrorKind::Unavailable, "transfer unavailable"),
        };
        Self::new(kind, 0, message)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check_error(failure: impl Into<Error>, expected: &Expect) {
        let error = failure.into();
        expected.assert_eq(&format!("{:?} {}: {error}", error.kind(), error.code()));
    }

    #[test]
    fn a_failure_of_mysql_keeps_whose_fault_it_is() {
        use mysql::Failure;
        check_error(
            Failure::NotGranted("server 8.4".to_owned()),
            &expect!["ErrorKind::NotGranted 0: mysql not granted: server 8.4"],
        );
        check_error(
            Failure::BadName("too long".to_owned()),
            &expect!["ErrorKind::InvalidInput 0: name not allowed: too long"],
        );
        check_error(
            Failure::NotFound,
            &expect!["ErrorKind::NotFound 0: no such server, database or account"],
        );
        check_error(
            Failure::Limit("rows".to_owned()),
            &expect!["ErrorKind::QuotaExceeded 0: beyond a limit: rows"],
        );
        check_error(
            Failure::Unavailable("connection refused".to_owned()),
            &expect!["ErrorKind::Unavailable 0: database server unavailable: connection refused"],
        );
        check_error(
            Failure::Sql((1064, "42000".to_owned(), "syntax".to_owned())),
            &expect!["ErrorKind::Internal 0: database error 1064 (42000): syntax"],
        );
        check_error(
            Failure::Corrupt("cut short".to_owned()),
            &expect!["ErrorKind::CorruptData 0: dump not usable: cut short"],
        );
    }

    #[test]
    fn a_failure_of_files_keeps_whose_fault_it_is() {
        use files::Failure;
        check_error(Failure::NotGranted, &expect!["ErrorKind::NotGranted 0: files not granted"]);
        check_error(
            Failure::BadPath,
            &expect!["ErrorKind::InvalidInput 0: label or path not allowed"],
        );
        check_error(Failure::Exists, &expect!["ErrorKind::Conflict 0: file or directory exists"]);
        check_error(
            Failure::NotFound,
            &expect!["ErrorKind::NotFound 0: no such file or directory"],
        );
        check_error(Failure::Quota, &expect!["ErrorKind::QuotaExceeded 0: directory is full"]);
        check_error(Failure::NotEmpty, &expect!["ErrorKind::Conflict 0: directory is not empty"]);
        check_error(
            Failure::Unavailable,
            &expect!["ErrorKind::Unavailable 0: file system unavailable"],
        );
        check_error(Failure::Corrupt, &expect!["ErrorKind::CorruptData 0: archive not usable"]);
    }

    #[test]
    fn a_failure_of_state_keeps_whose_fault_it_is() {
        use state::Failure;
        check_error(Failure::NotFound, &expect!["ErrorKind::NotFound 0: no such key"]);
        check_error(
            Failure::RevisionMismatch,
            &expect!["ErrorKind::Conflict 0: state was changed by another call"],
        );
        check_error(
            Failure::TooLarge,
            &expect!["ErrorKind::QuotaExceeded 0: state key or value is too large"],
        );
        check_error(
            Failure::Quota,
            &expect!["ErrorKind::QuotaExceeded 0: state of the service is full"],
        );
        check_error(Failure::Unavailable, &expect!["ErrorKind::Unavailable 0: state unavailable"]);
    }

    #[test]
    fn a_failure_of_a_transfer_keeps_whose_fault_it_is() {
        use blob::Failure;
        check_error(
            Failure::Closed,
            &expect!["ErrorKind::Unavailable 0: transfer was ended by the other side"],
        );
        check_error(
            Failure::Limit,
            &expect!["ErrorKind::QuotaExceeded 0: transfer is beyond its limit"],
        );
        check_error(Failure::Corrupt, &expect!["ErrorKind::CorruptData 0: transfer is damaged"]);
        check_error(
            Failure::Unavailable,
            &expect!["ErrorKind::Unavailable 0: transfer unavailable"],
        );
    }

    #[test]
    fn an_error_crosses_the_wall_with_its_wait_in_milliseconds() {
        let error = Error::unavailable(31006, "busy").retry_after(Duration::from_secs(2));
        let raw = types::Error::from(error);
        assert_eq!((raw.code, raw.retry_after_ms), (31006, Some(2_000)));
    }

    #[test]
    fn a_wait_too_long_to_count_is_as_long_as_can_be_counted() {
        let error = Error::unavailable(0, "gone").retry_after(Duration::MAX);
        assert_eq!(types::Error::from(error).retry_after_ms, Some(u32::MAX));
    }
}
