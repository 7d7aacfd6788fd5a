//! The platform's side: a cloud controller of version 1 or 2. Reference, sections 2.2 and 2.3.
//!
//! One face for both. Speaks HTTP. Knows no record: what a handle means is decided by
//! `operations/adopt_handles.rs`.

mod exchange;
#[cfg(test)]
mod platform;
mod v1;

use reqwest::StatusCode;
use tenon_protocol::IdError;
use tenon_protocol::message::Handle;

use self::exchange::MAX_BODY;
use self::v1::V1;
use crate::config::{Api, CloudControllerConfig, OfferingConfig};

/// Why the cloud controller did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloudControllerError {
    /// It is away, or too slow.
    #[error("{url} did not answer")]
    Away {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// It refused.
    #[error("{url} answered {status}")]
    Refused { url: String, status: StatusCode },
    /// The answer is not one.
    #[error("the answer of {url} cannot be read")]
    Garbled {
        url: String,
        #[source]
        source: serde_json::Error,
    },
    /// A handle without an id that can stand in a path.
    #[error("a handle cannot be named")]
    Unnameable(#[from] IdError),
    /// The answer does not end.
    #[error("the answer of {url} is longer than {MAX_BODY} bytes")]
    TooLong { url: String },
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client can be made for the cloud controller")]
pub(crate) struct ClientError(#[source] reqwest::Error);

/// Whether an offering can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    Leaving,
}

/// Handles that could be read, and how many could not.
pub(crate) struct Fetched {
    pub(crate) handles: Vec<Handle>,
    pub(crate) unreadable: usize,
}

/// A cloud controller.
#[derive(Clone)]
pub(crate) enum CloudController {
    V1(V1),
}

impl CloudController {
    /// The one that `config` names. It is told that this gateway listens at `own_url`.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the machine's TLS roots cannot be used.
    pub(crate) fn new(config: &CloudControllerConfig, own_url: &str) -> Result<Self, ClientError> {
        let client = exchange::client()?;
        let url = config.url.trim_end_matches('/').to_owned();
        match config.api {
            Api::V1 => Ok(Self::V1(V1::new(client, url, own_url.to_owned()))),
        }
    }

    /// Tells that `offering` can be ordered, or not any more.
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`]; to be told again later.
    pub(crate) async fn notify(
        &self,
        offering: &OfferingConfig,
        presence: Presence,
    ) -> Result<(), CloudControllerError> {
        match self {
            Self::V1(v1) => v1.notify(offering, presence).await,
        }
    }

    /// All handles of `offering`.
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`] when they did not come whole (P8).
    pub(crate) async fn handles(
        &self,
        offering: &OfferingConfig,
    ) -> Result<Fetched, CloudControllerError> {
        match self {
            Self::V1(v1) => v1.handles(offering).await,
        }
    }

    /// Makes `handle` what the cloud controller knows of an instance or binding that it has (P10).
    ///
    /// Can be repeated: the whole handle is sent.
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`]; a 404 in it says that it has no such instance or binding.
    #[expect(dead_code, reason = "migration and recovery are about to call it")]
    pub(crate) async fn update_handle(
        &self,
        offering: &OfferingConfig,
        handle: &Handle,
    ) -> Result<(), CloudControllerError> {
        match self {
            Self::V1(v1) => v1.update_handle(offering, handle).await,
        }
    }
}
