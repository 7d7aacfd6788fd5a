//! Uploads: a package in one field of a form, streamed into the store, as a cloud controller of
//! 2013 sends it; and what is behind the link that comes back. Reference, section 6.7.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName, Method, Response, Uri};
use axum::routing::{get, put};
use tenon_protocol::message::SerializedUrl;
use tenon_protocol::{Secret, chain};
use tokio::time::Instant;

use super::answer::refuse;
use super::body::Names;
use super::download::{deliver, token};
use super::paced::Paced;
use super::preflight::only;
use super::routes::Shared;
use super::run::refusal;
use super::{Answer, Front};
use crate::metrics::Verb;
use crate::operations::delete_upload::delete_upload;
use crate::operations::download_upload::download_upload;
use crate::operations::upload_package::{Begun, begin_upload, finish_upload};
use crate::operations::{Blamed, OperationError};
use crate::uploads::Part;

const TOKEN: HeaderName = HeaderName::from_static("x-vcap-sds-upload-token");
/// The field of the package.
const FILE: &str = "data_file";
/// The field that makes a `POST` a `PUT`, for clients that cannot send one.
const METHOD: &str = "_method";
/// Longest text of a field that is looked at.
const LONGEST_TEXT: usize = 8;
/// Bytes that a form may have besides its file.
const BESIDES: usize = 64 << 10;

/// The routes, which read their bodies themselves.
pub(super) fn table() -> Router<Arc<Front>> {
    const BASE: &str = "/serialized/{service}/{name}/serialized";
    Router::new()
        .route(&format!("{BASE}/data"), put(on_upload).post(on_upload))
        .route(&format!("{BASE}/file"), get(on_download).delete(on_delete))
        .layer(DefaultBodyLimit::disable())
}

async fn on_upload(
    State(front): Shared,
    Names((service, name)): Names<(String, String)>,
    request: Request,
) -> Answer {
    let begun = Instant::now();
    let done = receive(&front, (&service, &name), request).await;
    answer(&front, Verb::UploadPackage, begun, done, |url| Answer::of(&SerializedUrl { url }))
}

async fn on_delete(
    State(front): Shared,
    Names((service, name)): Names<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let begun = Instant::now();
    let link = token(&uri).unwrap_or_default();
    let done = delete_upload(&front.ops, (&service, &name), link, upload_token(&headers)).await;
    answer(&front, Verb::DeleteUpload, begun, done, |()| Answer::nothing())
}

/// `GET` and `HEAD`.
async fn on_download(
    State(front): Shared,
    Names((service, name)): Names<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let begun = Instant::now();
    let link = token(&uri).unwrap_or_default();
    let found = download_upload(&front.ops, (&service, &name), link).await;
    let status = found.as_ref().map_or_else(|error| error.fault().status, |_| 200);
    front.metrics.done(Verb::DownloadUpload, status, begun.elapsed());
    match found {
        Ok(open) => deliver(&front, open, &method, &headers),
        Err(error) => refuse(&refusal(&error, &front.refusals)),
    }
}

fn answer<T>(
    front: &Front,
    verb: Verb,
    begun: Instant,
    done: Result<T, OperationError>,
    say: impl FnOnce(T) -> Answer,
) -> Answer {
    let status = done.as_ref().map_or_else(|error| error.fault().status, |_| 200);
    front.metrics.done(verb, status, begun.elapsed());
    done.map_or_else(|error| refusal(&error, &front.refusals).into(), say)
}

fn upload_token(headers: &HeaderMap) -> &str {
    only(headers, &TOKEN).unwrap_or_default()
}

/// The link to what `request` brings.
async fn receive(
    front: &Front,
    names: (&str, &str),
    request: Request,
) -> Result<Secret, OperationError> {
    let mut begun = begin_upload(&front.ops, names, upload_token(request.headers())).await?;
    let method = request.method().clone();
    let announced = announced(request.headers());
    let (parts, body) = request.into_parts();
    let body = Paced::new(body);
    let request = Request::from_parts(parts, Body::from_stream(body.clone()));
    let filled = match announced {
        Some(size) if size > begun.uploads.max_bytes() + BESIDES as u64 => {
            Err(OperationError::TooLarge { size, most: begun.uploads.max_bytes() })
        }
        Some(_) | None => fill(request, &method, &body, front.stall, &mut begun).await,
    };
    match filled {
        Ok(()) => finish_upload(&front.ops, begun).await,
        Err(error) => {
            drop(begun);
            body.discard().await;
            Err(error)
        }
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Writes the file of the form, in the time that an upload has.
async fn fill(
    request: Request,
    method: &Method,
    body: &Paced,
    stall: Duration,
    begun: &mut Begun,
) -> Result<(), OperationError> {
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|_no_form| OperationError::Malformed)?;
    let timeout = begun.uploads.timeout();
    let reading = async {
        let mut seen = Seen { is_put: method == Method::PUT, has_file: false, besides: 0 };
        while let Some(field) = in_time(stall, form.next_field()).await? {
            seen.read(field, body, stall, &mut begun.part).await?;
        }
        if seen.is_put && seen.has_file { Ok(()) } else { Err(OperationError::Malformed) }
    };
    match tokio::time::timeout(timeout, reading).await {
        Ok(read) => read,
        Err(_elapsed) => {
            tracing::debug!("an upload takes too long");
            Err(OperationError::Malformed)
        }
    }
}

/// What was in a form so far.
struct Seen {
    is_put: bool,
    has_file: bool,
    /// Bytes of other fields.
    besides: usize,
}

impl Seen {
    async fn read(
        &mut self,
        mut field: Field<'_>,
        body: &Paced,
        stall: Duration,
        part: &mut Part,
    ) -> Result<(), OperationError> {
        let name = field.name().map(str::to_owned);
        let is_file = name.as_deref() == Some(FILE);
        if is_file && std::mem::replace(&mut self.has_file, true) {
            return Err(OperationError::Malformed);
        }
        let mut text = Vec::new();
        while let Some(bytes) = in_time(stall, field.chunk()).await? {
            body.given_out(bytes.len());
            if is_file {
                part.write(&bytes).await?;
                continue;
            }
            self.besides += bytes.len();
            if self.besides > BESIDES {
                return Err(OperationError::Malformed);
            }
            if text.len() < LONGEST_TEXT {
                text.extend(bytes.iter().take(LONGEST_TEXT));
            }
        }
        self.is_put |= name.as_deref() == Some(METHOD) && text.eq_ignore_ascii_case(b"put");
        Ok(())
    }
}

/// What comes next of a form, unless its sender stalls.
async fn in_time<T>(
    stall: Duration,
    next: impl Future<Output = Result<T, MultipartError>>,
) -> Result<T, OperationError> {
    match tokio::time::timeout(stall, next).await {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(error)) => {
            tracing::debug!(error = %chain(&error), "no form");
            Err(OperationError::Malformed)
        }
        Err(_elapsed) => {
            tracing::debug!("an upload stalled");
            Err(OperationError::Malformed)
        }
    }
}
