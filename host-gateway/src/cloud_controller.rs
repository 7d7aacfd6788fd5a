//! The platform's side: a cloud controller of version 1 or 2. Reference, sections 2.2 and 2.3.
//!
//! One face for both. Speaks HTTP. Knows no record: what a handle means is decided by
//! `operations/adopt_handles.rs`.

mod exchange;
mod fetched;
mod odd;
mod uaa;
mod v1;
mod v2;

use reqwest::StatusCode;
use tenon_protocol::IdError;
use tenon_protocol::message::Handle;

use self::exchange::MAX_BODY;
pub(crate) use self::fetched::Fetched;
pub(crate) use self::odd::{Odd, Oddity};
use self::uaa::UaaError;
use self::v1::V1;
use self::v2::V2;
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
    /// No token for it can be had.
    #[error("the UAA gave no token")]
    NoToken(#[from] UaaError),
    /// A list of it cannot be whole.
    #[error("the list at {url} {problem}")]
    Incomplete { url: String, problem: &'static str },
    /// Its catalog has this offering already, as somebody else's.
    #[error("{label} of {provider} is another gateway's: its unique_id is {unique_id}")]
    Taken { label: String, provider: String, unique_id: String },
    /// The answer does not end.
    #[error("the answer of {url} is longer than {MAX_BODY} bytes")]
    TooLong { url: String },
}

impl CloudControllerError {
    /// Whether it says that it has no such thing.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
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

/// A cloud controller.
#[derive(Clone)]
pub(crate) enum CloudController {
    V1(V1),
    V2(V2),
}

impl CloudController {
    /// The one that `config` names. It is told that this gateway listens at `own_url`.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the trusted certificates cannot be used.
    pub(crate) fn new(config: &CloudControllerConfig, own_url: &str) -> Result<Self, ClientError> {
        let client = exchange::client(config)?;
        let (url, own_url) = (config.url.clone(), own_url.to_owned());
        Ok(match &config.api {
            Api::V1 => Self::V1(V1::new(client, url, own_url)),
            Api::V2(uaa) => Self::V2(V2::new(client, url, own_url, uaa.clone())),
        })
    }

    /// Tells that `offering` can be ordered, or not any more. `kept` are plans besides those that
    /// are configured: without them, a version 1 cloud controller removes their instances (P34).
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`]; to be told again later.
    pub(crate) async fn notify(
        &self,
        offering: &OfferingConfig,
        presence: Presence,
        kept: &[String],
    ) -> Result<(), CloudControllerError> {
        match self {
            Self::V1(v1) => v1.notify(offering, presence, kept).await,
            // It keeps plans that it is not told of.
            Self::V2(v2) => v2.notify(offering, presence).await,
        }
    }

    /// All handles of `offering`. What is odd about them is told.
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
            Self::V2(v2) => v2.handles(offering).await,
        }
    }

    /// Tells what turned out to be odd about handles of `offering` that it gave.
    pub(crate) fn tell(&self, offering: &OfferingConfig, odd: &Odd) {
        let remarks = match self {
            Self::V1(v1) => v1.remarks(),
            Self::V2(v2) => v2.remarks(),
        };
        remarks.tell(&offering.classic_label(), odd);
    }

    /// Makes `handle` what the cloud controller knows of an instance or binding that it has (P10).
    ///
    /// Can be repeated: the whole handle is sent.
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`]; a 404 in it says that it has no such instance or binding.
    pub(crate) async fn update_handle(
        &self,
        offering: &OfferingConfig,
        handle: &Handle,
    ) -> Result<(), CloudControllerError> {
        match self {
            Self::V1(v1) => v1.update_handle(offering, handle).await,
            Self::V2(v2) => v2.update_handle(offering, handle).await,
        }
    }
}

#[cfg(test)]
mod tests;
