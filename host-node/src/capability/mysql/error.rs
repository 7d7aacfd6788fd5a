//! What can go wrong on a server, and what a guest hears of it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use mysql_async::{DriverError, Error, IoError, LocalInfileError, ServerError};
use tenon_protocol::chain;

use crate::guest::bindings::tenon::host::mysql::Failure;

/// Why a call of the interface failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum MysqlError {
    /// The operator gave this guest no databases.
    #[error("mysql is not granted")]
    NotGranted,
    /// Guest's: the text says what is allowed.
    #[error("{0}")]
    BadName(String),
    /// Guest's: an account, or one of its names, is somebody else's.
    #[error("user {0} is not one of this database")]
    ForeignAccount(String),
    /// Guest's: a database, account, session or version that is not there.
    #[error("it is not there")]
    NotFound,
    /// Guest's: beyond a bound of the interface.
    #[error("{0}")]
    Limit(String),
    /// The server's or the network's: no answer, or none in time.
    #[error("the server of version {version} does not answer")]
    Away {
        version: String,
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server's: the statement was refused.
    #[error("the server refuses: {code} ({state}): {message}")]
    Server { code: u16, state: String, message: String },
    /// The dump's.
    #[error("the dump cannot be loaded: {0}")]
    Corrupt(String),
    /// A load of the same database has not ended.
    #[error("another load of the database has not ended")]
    Busy,
    /// The call is over, or something did not end in time.
    #[error("{0}")]
    Interrupted(&'static str),
    /// The node's own disk or programs.
    #[error("{what} fails")]
    Node {
        what: String,
        #[source]
        source: io::Error,
    },
}

/// A server that takes longer is treated as one that is away.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
pub(super) struct NoAnswer(pub(super) Duration);

/// Error numbers, which every version of every server shares.
pub(super) mod code {
    pub(crate) const TOO_MANY_CONNECTIONS: u16 = 1040;
    pub(crate) const NO_RIGHT_TO_DATABASE: u16 = 1044;
    pub(crate) const ACCESS_DENIED: u16 = 1045;
    pub(crate) const NO_DATABASE: u16 = 1049;
    pub(crate) const SHUTDOWN: u16 = 1053;
    pub(crate) const NO_SUCH_THREAD: u16 = 1094;
    pub(crate) const NO_SUCH_STATEMENT: u16 = 1957;
    pub(crate) const OUT_OF_RESOURCES: u16 = 1041;
    pub(crate) const USER_LIMIT: u16 = 1226;
    pub(crate) const USER_CONNECTIONS: u16 = 1203;
    pub(crate) const LOCK_WAIT: u16 = 1205;
    pub(crate) const DEADLOCK: u16 = 1213;
    pub(crate) const CONNECTION_KILLED: u16 = 1927;
    pub(crate) const STATEMENT_TIME: u16 = 1969;
    pub(crate) const EXECUTION_TIME: u16 = 3024;
}

impl MysqlError {
    /// An error of the driver, on the server of `version`.
    pub(super) fn of_driver(version: &str, error: Error) -> Self {
        match error {
            Error::Server(error) => Self::of_server(version, error),
            Error::Driver(error) => Self::of_protocol(version, error),
            Error::Io(IoError::Io(error)) if is_too_large(&error) => Self::too_large(),
            Error::Io(_) | Error::Other(_) | Error::Url(_) => Self::away(version, error),
        }
    }

    pub(super) fn away(version: &str, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Away { version: version.to_owned(), source: Box::new(source) }
    }

    fn of_server(version: &str, error: ServerError) -> Self {
        match error.code {
            code::TOO_MANY_CONNECTIONS
            | code::OUT_OF_RESOURCES
            | code::SHUTDOWN
            | code::USER_LIMIT
            | code::USER_CONNECTIONS
            | code::LOCK_WAIT
            | code::DEADLOCK
            | code::CONNECTION_KILLED => Self::away(version, error),
            code::STATEMENT_TIME | code::EXECUTION_TIME => {
                Self::Limit("the statement took too long".to_owned())
            }
            other => {
                let ServerError { state, message, .. } = error;
                Self::Server { code: other, state, message: without_literals(&message) }
            }
        }
    }

    fn of_protocol(version: &str, error: DriverError) -> Self {
        let refused = |code, state: &str, message: &str| Self::Server {
            code,
            state: state.to_owned(),
            message: message.to_owned(),
        };
        match error {
            DriverError::PacketTooLarge => Self::too_large(),
            DriverError::StmtParamsMismatch { .. }
            | DriverError::MixedParams
            | DriverError::Params(_) => refused(1210, "HY000", "Incorrect arguments to EXECUTE"),
            DriverError::StmtParamsNumberExceedsLimit { .. } => {
                Self::Limit("the statement has too many parameters".to_owned())
            }
            // MySQL asks for any of its plugins when there is no such account.
            DriverError::UnknownAuthPlugin { .. } => {
                refused(code::ACCESS_DENIED, "28000", "Access denied")
            }
            DriverError::LocalInfile(LocalInfileError::NoHandler) => {
                refused(1148, "42000", "The used command is not allowed: LOAD DATA LOCAL")
            }
            error @ (DriverError::CantParseServerVersion { .. }
            | DriverError::ConnectionClosed
            | DriverError::FromValue { .. }
            | DriverError::FromRow { .. }
            | DriverError::NestedTransaction
            | DriverError::PacketOutOfOrder
            | DriverError::PoolDisconnected
            | DriverError::ReadOnlyTransNotSupported
            | DriverError::UnexpectedPacket { .. }
            | DriverError::BadCompressedPacketHeader
            | DriverError::NamedPipesDisabled
            | DriverError::MysqlOldPasswordDisabled
            | DriverError::LocalInfile(_)
            | DriverError::NoKeyFound
            | DriverError::NoClientSslFlagFromServer
            | DriverError::CleartextPluginDisabled
            | DriverError::InvalidParsecSalt
            | DriverError::BulkExecute(_)) => Self::away(version, error),
        }
    }

    fn too_large() -> Self {
        Self::Limit("a row or statement is too large".to_owned())
    }

    pub(super) fn node(what: impl Into<String>, source: io::Error) -> Self {
        Self::Node { what: what.into(), source }
    }

    /// Whether the server refused with this number.
    pub(super) fn is(&self, number: u16) -> bool {
        matches!(self, Self::Server { code, .. } if *code == number)
    }

    /// What the guest hears. Causes name addresses and paths: they go to the node's log only.
    pub(super) fn into_failure(self) -> Failure {
        let text = self.to_string();
        match self {
            Self::NotGranted | Self::ForeignAccount(_) => Failure::NotGranted(text),
            Self::BadName(_) => Failure::BadName(text),
            Self::NotFound => Failure::NotFound,
            Self::Limit(_) => Failure::Limit(text),
            Self::Away { .. } => {
                tracing::warn!(error = %chain(&self), "a MySQL server is away");
                Failure::Unavailable(text)
            }
            Self::Server { code, state, message } => {
                Failure::Sql((u32::from(code), state, message))
            }
            Self::Corrupt(_) => Failure::Corrupt(text),
            Self::Busy | Self::Interrupted(_) => Failure::Unavailable(text),
            Self::Node { .. } => {
                tracing::error!(error = %chain(&self), "the mysql capability fails");
                Failure::Unavailable(text)
            }
        }
    }
}

/// The driver gives the codec's own error a type that it does not export.
fn is_too_large(error: &io::Error) -> bool {
    let cause = error.get_ref().map(ToString::to_string);
    cause.is_some_and(|cause| cause == "Packet is larger than max_allowed_packet")
}

/// A server's message without what a tenant wrote.
///
/// From the first quotation mark to the last: a literal may hold any mark itself.
pub(super) fn without_literals(message: &str) -> String {
    let is_quote = |letter| matches!(letter, '\'' | '"');
    match (message.find(is_quote), message.rfind(is_quote)) {
        (Some(first), Some(last)) if first < last => {
            let before = message.get(..first).unwrap_or_default();
            let after = message.get(last + 1..).unwrap_or_default();
            format!("{before}'...'{after}")
        }
        (Some(first), _) => format!("{}...", message.get(..first).unwrap_or_default()),
        (None, _) => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_their_literals() {
        for (message, expected) in [
            ("Unknown column", "Unknown column"),
            ("Duplicate entry 'x' for key 'PRIMARY'", "Duplicate entry '...'"),
            ("near 'it's \"secret\"' at line 1", "near '...' at line 1"),
            ("near 'cut", "near ..."),
            ("Table `d1f`.`t` is full", "Table `d1f`.`t` is full"),
            ("'", "..."),
        ] {
            assert_eq!(without_literals(message), expected);
        }
    }

    fn server(code: u16) -> MysqlError {
        let error = ServerError { code, message: "m 'x'".to_owned(), state: "42000".to_owned() };
        MysqlError::of_driver("10.11", Error::Server(error))
    }

    #[test]
    fn every_error_has_its_failure() {
        let io = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let failure = |error: MysqlError| error.into_failure();
        assert!(matches!(failure(MysqlError::NotGranted), Failure::NotGranted(_)));
        let foreign = MysqlError::ForeignAccount("u1".to_owned());
        assert!(matches!(failure(foreign), Failure::NotGranted(_)));
        assert!(matches!(failure(MysqlError::BadName(String::new())), Failure::BadName(_)));
        assert!(matches!(failure(MysqlError::NotFound), Failure::NotFound));
        assert!(matches!(failure(MysqlError::Limit(String::new())), Failure::Limit(_)));
        assert!(matches!(failure(MysqlError::Corrupt(String::new())), Failure::Corrupt(_)));
        assert!(matches!(failure(MysqlError::Busy), Failure::Unavailable(_)));
        assert!(matches!(failure(MysqlError::Interrupted("x")), Failure::Unavailable(_)));
        assert!(matches!(failure(MysqlError::node("disk", io())), Failure::Unavailable(_)));
        let Failure::Unavailable(text) = failure(MysqlError::away("10.11", io())) else { panic!() };
        assert_eq!(text, "the server of version 10.11 does not answer");
        let Failure::Sql((1064, state, message)) = failure(server(1064)) else { panic!() };
        assert_eq!((&*state, &*message), ("42000", "m '...'"));
    }

    #[test]
    fn a_server_that_is_busy_or_stopping_is_away() {
        for code in [1040, 1053, 1205, 1213, 1226, 1927] {
            assert!(matches!(server(code), MysqlError::Away { .. }), "{code}");
        }
        assert!(matches!(server(1969), MysqlError::Limit(_)));
    }
}
