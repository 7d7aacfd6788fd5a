//! What routes read of a request. Whatever is wrong with it is a numbered error in JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{BodyDataStream, Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tenon_protocol::{Code, Fault};

use super::rest::discard;
use super::{Answer, Front};
use crate::config::OfferingConfig;
use crate::sender::Sender;

/// A body that comes slower is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON object of the form `T`.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Front>> for Json<T> {
    type Rejection = Answer;

    async fn from_request(request: Request, front: &Arc<Front>) -> Result<Self, Answer> {
        let parsed = match read(request, front.max_body).await {
            Ok(body) => parse(&body),
            Err(wrong) => Err(wrong),
        };
        parsed.map(Self).map_err(|wrong| {
            let fault = wrong.fault();
            front.refusals.at_the_door(&Sender::current(), &fault, &wrong);
            fault.into()
        })
    }
}

/// What is wrong with a body, without a word of what it is: that may be a secret.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("the body is too long")]
    TooLong,
    #[error("the body came too slowly")]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error("the body is no JSON object")]
    NoObject,
    /// The name is one of the route's.
    #[error("the body has a {0}")]
    Missing(String),
    #[error("the body is wrong at line {line}, column {column}: {class}")]
    Form { class: &'static str, line: usize, column: usize },
}

impl Wrong {
    fn of(error: &serde_json::Error) -> Self {
        let class = match error.classify() {
            Category::Io | Category::Syntax => "it is no JSON",
            Category::Data => "a field does not have its form",
            Category::Eof => "it ends too soon",
        };
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        match text.split_once(" at line ") {
            Some((what, _place)) if what.starts_with("missing field `") => {
                Self::Missing(what.to_owned())
            }
            Some(_) | None => Self::Form { class, line, column },
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::TooLong => Fault::new(Code::TOO_LARGE, "Request body too large"),
            Self::TooSlow
            | Self::BrokenOff
            | Self::NoObject
            | Self::Missing(_)
            | Self::Form { .. } => Fault::malformed(),
        }
    }
}

async fn read(request: Request, most: usize) -> Result<Bytes, Wrong> {
    let too_long = request.body().size_hint().lower() > most as u64;
    if too_long && request.headers().contains_key(EXPECT) {
        // It waits to be told to go on.
        return Err(Wrong::TooLong);
    }
    let mut body = request.into_body().into_data_stream();
    let read = if too_long {
        Err(Wrong::TooLong)
    } else {
        let read = tokio::time::timeout(READ_TIMEOUT, collect(&mut body, most)).await;
        read.unwrap_or(Err(Wrong::TooSlow))
    };
    if matches!(read, Err(Wrong::TooLong)) {
        discard(body).await;
    }
    read
}

async fn collect(body: &mut BodyDataStream, most: usize) -> Result<Bytes, Wrong> {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_broken| Wrong::BrokenOff)?;
        if all.len() + chunk.len() > most {
            return Err(Wrong::TooLong);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
    // An array would do for a struct, its fields in order: no platform means that.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Wrong::NoObject);
    }
    serde_json::from_slice(body).map_err(|error| Wrong::of(&error))
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

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Front>> for Names<T> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, front: &Arc<Front>) -> Result<Self, Answer> {
        match Path::<T>::from_request_parts(parts, front).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(_not_text) => {
                let fault = Fault::not_found(&crate::operations::shown(parts.uri.path()));
                let why = "the path is not text";
                front.refusals.at_the_door(&Sender::current(), &fault, &why);
                Err(fault.into())
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
        let parsed: Result<ProvisionServiceRequest, Wrong> = parse(body.as_bytes());
        assert_eq!(parsed.unwrap_err().fault().msg.code, 30001, "{body}");
    }

    fn check_told(body: &str, expected: &str) {
        let parsed: Result<ProvisionServiceRequest, Wrong> = parse(body.as_bytes());
        assert_eq!(parsed.unwrap_err().to_string(), expected, "{body}");
    }

    #[test]
    fn the_class_of_a_mistake_is_told_and_not_what_was_sent() {
        check_told("\"secret\"", "the body is no JSON object");
        check_told("{\"secret", "the body is wrong at line 1, column 8: it ends too soon");
        check_told("{secret}", "the body is wrong at line 1, column 2: it is no JSON");
        check_told(r#"{"unique_id":"secret"}"#, "the body has a missing field `name`");
        check_told(
            r#"{"unique_id":["secret"]}"#,
            "the body is wrong at line 1, column 13: a field does not have its form",
        );
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
        let parsed: Result<ProvisionServiceRequest, Wrong> = parse(body);
        assert_eq!(parsed.ok().unwrap().email, None);
    }
}
