//! What routes read of a request. Whatever is wrong with it is a numbered error in JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tenon_protocol::{Code, Fault};

use super::Answer;
use crate::config::OfferingConfig;
use crate::sender::Sender;

/// A body that comes slower is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON object of the form `T`.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Answer;

    async fn from_request(request: Request, state: &S) -> Result<Self, Answer> {
        let reading = tokio::time::timeout(READ_TIMEOUT, Bytes::from_request(request, state));
        let body = match reading.await {
            Ok(Ok(body)) => body,
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(Fault::new(Code::TOO_LARGE, "Request body too large").into());
            }
            Ok(Err(_)) | Err(_) => return Err(Fault::malformed().into()),
        };
        parse(&body).map(Self)
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    // An array would do for a struct, its fields in order: no platform means that.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    let parsed = if is_object { serde_json::from_slice(body).ok() } else { None };
    parsed.ok_or_else(|| Fault::malformed().into())
}

/// The offering whose token the request had.
pub(super) struct Caller(pub(super) Arc<OfferingConfig>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Answer> {
        let offering = parts.extensions.get::<Arc<OfferingConfig>>();
        offering.cloned().map(Self).ok_or_else(|| Fault::not_authorized().into())
    }
}

/// The names in the path.
pub(super) struct Names<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Answer> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(_not_text) => {
                Err(Fault::not_found(&crate::operations::shown(parts.uri.path())).into())
            }
        }
    }
}

/// `X-VCAP-Request-ID`; `None` when the platform sends none.
pub(super) struct RequestId(pub(super) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Answer;

    async fn from_request_parts(_parts: &mut Parts, _state: &S) -> Result<Self, Answer> {
        Ok(Self(Sender::current().request.map(String::from)))
    }
}

#[cfg(test)]
mod tests {
    use tenon_protocol::message::ProvisionServiceRequest;

    use super::*;

    fn check_refused(body: &str) {
        let parsed: Result<ProvisionServiceRequest, Answer> = parse(body.as_bytes());
        match parsed {
            Err(Answer::Refused(fault)) => assert_eq!(fault.msg.code, 30001, "{body}"),
            Err(Answer::Done(_)) | Ok(_) => panic!("{body} was accepted"),
        }
    }

    #[test]
    fn what_is_not_an_object_of_the_right_form_is_malformed() {
        for body in ["", "null", "[]", "{bad", "{}", "\"x\"", "1", r#"["u","n"]"#] {
            check_refused(body);
        }
        check_refused(r#"{"unique_id":"u","name":5}"#);
        check_refused(r#"{"unique_id":"u"}"#);
        check_refused(r#"{"unique_id":"u","name":"n"} x"#);
    }

    #[test]
    fn unknown_fields_and_nulls_are_accepted() {
        let body = br#" {"unique_id":"u","name":"n","x":1,"email":null}"#;
        let parsed: Result<ProvisionServiceRequest, Answer> = parse(body);
        assert_eq!(parsed.ok().unwrap().email, None);
    }
}
