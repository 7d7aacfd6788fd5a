//! What the stand-in answers when it refuses: the original's statuses and numbers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::book::BookError;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It was told to be away.
    #[error("the stand-in was told to be unavailable")]
    Unavailable,
    /// Token missing or wrong.
    #[error("You are not authorized to perform the requested action")]
    NotAuthorized,
    /// No offering of that label was named to `tenon dev`.
    #[error("The service could not be found: {0}")]
    UnknownService(String),
    /// An update names nothing.
    #[error("The service handle could not be found: {0}")]
    UnknownHandle(String),
    /// An update names nothing.
    #[error("The object could not be found: {0}")]
    UnknownObject(String),
    /// A token of the UAA is missing, or none of its.
    #[error("Invalid Auth Token")]
    BadToken,
    /// The UAA does not know the client, or has another secret.
    #[error("Bad credentials")]
    BadClient,
    /// A list without its filter.
    #[error("The query parameter is invalid")]
    BadQuery,
    /// There is one of that name.
    #[error("The name is taken")]
    Taken(u32),
    /// The book cannot be written.
    #[error(transparent)]
    Book(#[from] BookError),
}

impl Refusal {
    pub(super) fn unknown(guid: &str) -> Self {
        Self::UnknownObject(guid.to_owned())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 10001),
            Self::NotAuthorized => (StatusCode::FORBIDDEN, 10003),
            Self::UnknownService(_) => (StatusCode::NOT_FOUND, 120_003),
            Self::UnknownHandle(_) | Self::UnknownObject(_) => (StatusCode::NOT_FOUND, 10000),
            Self::BadToken | Self::BadClient => (StatusCode::UNAUTHORIZED, 1000),
            Self::BadQuery => (StatusCode::BAD_REQUEST, 10005),
            Self::Taken(code) => (StatusCode::BAD_REQUEST, *code),
            Self::Book(_) => (StatusCode::INTERNAL_SERVER_ERROR, 10001),
        };
        let body = json!({ "code": code, "description": self.to_string() });
        (status, Json(body)).into_response()
    }
}
