//! What a platform gets: JSON, always.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use tenon_protocol::Fault;

/// After how many seconds something that is away is asked for again.
const RETRY_SECONDS: &str = "2";
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer of a route.
pub(crate) enum Answer {
    /// 200, with this body.
    Done(Vec<u8>),
    /// The status and body of the error.
    Refused(Fault),
}

impl Answer {
    /// 200 with `value`.
    pub(crate) fn of<T: Serialize>(value: &T) -> Self {
        serde_json::to_vec(value)
            .map_or_else(|_not_json| Self::Refused(Fault::internal()), Self::Done)
    }

    /// 200 with nothing to say.
    pub(crate) fn nothing() -> Self {
        Self::Done(b"{}".to_vec())
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response<Body> {
        match self {
            Self::Done(body) => respond(StatusCode::OK, body),
            Self::Refused(fault) => refuse(&fault),
        }
    }
}

/// `{"code", "description"}` with the fault's status.
pub(crate) fn refuse(fault: &Fault) -> Response<Body> {
    // A node names the status: what is none becomes ours.
    let status = StatusCode::from_u16(fault.status).ok().filter(|status| status.as_u16() >= 400);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&fault.msg).unwrap_or_default();
    let mut response = respond(status, body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    }
    response
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

#[cfg(test)]
mod tests {
    use tenon_protocol::Code;

    use super::*;

    #[tokio::test]
    async fn an_error_has_the_classic_form() {
        let response = refuse(&Fault::not_authorized());
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/json");
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        assert_eq!(body, r#"{"code":30100,"description":"Not authorized"}"#);
    }

    #[test]
    fn what_is_away_says_when_to_come_back() {
        assert!(refuse(&Fault::unavailable()).headers().contains_key(RETRY_AFTER));
        assert!(refuse(&Fault::new(Code::NO_CAPACITY, "")).headers().contains_key(RETRY_AFTER));
        assert!(!refuse(&Fault::internal()).headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn a_node_cannot_make_an_error_look_like_success() {
        for status in [0, 99, 200, 302, 1000] {
            assert_eq!(refuse(&Fault::numbered(status, 1, "x")).status(), 500, "{status}");
        }
    }
}
