//! Downloads: a package of a snapshot, streamed from the store. What users' own tools fetch, so
//! that it asks for no token of a platform and no content type, only for a link.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderName, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use tenon_protocol::chain;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::Instant;

use super::Front;
use super::answer::refuse;
use super::body::Names;
use super::range::{Part, part};
use super::routes::Shared;
use super::run::refusal;
use crate::metrics::Verb;
use crate::operations::Blamed;
use crate::operations::download_snapshot::download_snapshot;
use crate::packages::OpenPackage;

/// The route, as the original's download server had it.
pub(super) const PATH: &str = "/serialized/{service}/{name}/snapshots/{snapshot}";
/// Whatever begins like this is for users, not for a platform.
pub(super) const BELOW: &str = "/serialized/";

/// Bytes that are read at once.
const CHUNK: usize = 128 << 10;
/// Chunks of one download that wait to be sent.
const AHEAD: usize = 2;

/// `GET` and `HEAD`.
pub(super) async fn on_download(
    State(front): Shared,
    Names((service, name, snapshot)): Names<(String, String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let begun = Instant::now();
    let token = token(&uri).unwrap_or_default();
    let found = download_snapshot(&front.ops, (&service, &name, &snapshot), token).await;
    let status = found.as_ref().map_or_else(|error| error.fault().status, |_| 200);
    front.metrics.done(Verb::DownloadSnapshot, status, begun.elapsed());
    let open = match found {
        Ok(open) => open,
        Err(error) => return refuse(&refusal(&error, &front.refusals)),
    };
    tracing::info!(service, instance = name, snapshot, "a snapshot is downloaded");
    deliver(&front, open, &method, &headers)
}

/// Sends a package, or the part of it that `headers` ask for.
pub(super) fn deliver(
    front: &Front,
    open: OpenPackage,
    method: &Method,
    headers: &HeaderMap,
) -> Response<Body> {
    let tag = format!("\"{}\"", open.tag);
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let part = part(text(RANGE), text(IF_RANGE), &tag, open.size);
    let (mut response, sent) = head(&open, &tag, part);
    if let Some(span) = sent.filter(|_| method != Method::HEAD) {
        let (to, from) = mpsc::channel(AHEAD);
        front.ops.tasks.spawn(feed(open, span, to));
        *response.body_mut() = body(from);
    }
    response
}

/// The value of `token` in the query. It is letters, digits and a dash, which are never encoded.
pub(super) fn token(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// Bytes of a file.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u64,
    length: u64,
}

/// The response without its body, and what the body is.
fn head(open: &OpenPackage, tag: &str, part: Part) -> (Response<Body>, Option<Span>) {
    let size = open.size;
    let (status, span, range) = match part {
        Part::Whole => (StatusCode::OK, Some(Span { from: 0, length: size }), None),
        Part::Range { from, length } => {
            let range = format!("bytes {from}-{}/{size}", from + length - 1);
            (StatusCode::PARTIAL_CONTENT, Some(Span { from, length }), Some(range))
        }
        Part::Unsatisfiable => {
            (StatusCode::RANGE_NOT_SATISFIABLE, None, Some(format!("bytes */{size}")))
        }
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let name = format!("attachment; filename=\"{}\"", open.file_name);
    let length = span.map_or(0, |span| span.length).to_string();
    let values = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_DISPOSITION, &name),
        (CONTENT_LENGTH, &length),
        (ACCEPT_RANGES, "bytes"),
        (ETAG, tag),
        (CACHE_CONTROL, "private"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let range = range.iter().map(|range| (CONTENT_RANGE, range.as_str()));
    for (name, value) in values.into_iter().chain(range) {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    (response, span)
}

/// Reads `span` of a package into `to`, as fast as the client takes it.
async fn feed(open: OpenPackage, span: Span, to: Sender<io::Result<Bytes>>) {
    let OpenPackage { file, slot, .. } = open;
    let file = Arc::new(file);
    let mut left = span;
    while left.length > 0 {
        let reader = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || read_chunk(&reader, left)).await;
        let read = read.unwrap_or_else(|panicked| Err(panicked.into()));
        match &read {
            Ok(bytes) => {
                let length = bytes.len() as u64;
                left = Span { from: left.from + length, length: left.length - length };
            }
            Err(error) => {
                tracing::error!(
                    error = %chain(error),
                    "a package cannot be read"
                );
                left.length = 0;
            }
        }
        // The client went away, or took nothing for so long that its connection is closed.
        if to.send(read).await.is_err() {
            break;
        }
    }
    drop(slot);
}

/// The beginning of `span`, at least a byte.
fn read_chunk(mut file: &File, span: Span) -> io::Result<Bytes> {
    let length = usize::try_from(span.length).unwrap_or(CHUNK).min(CHUNK);
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(span.from))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

fn body(from: Receiver<io::Result<Bytes>>) -> Body {
    Body::from_stream(futures_util::stream::unfold(from, |mut from| async move {
        let chunk = from.recv().await?;
        Some((chunk, from))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_wherever_it_stands() {
        let find = |text: &str| token(&text.parse().unwrap()).map(str::to_owned);
        assert_eq!(find("/serialized/a?token=1-ab").as_deref(), Some("1-ab"));
        assert_eq!(find("/serialized/a?x=1&token=1-ab&y").as_deref(), Some("1-ab"));
        assert_eq!(find("/serialized/a?xtoken=1-ab"), None);
        assert_eq!(find("/serialized/a"), None);
    }
}
