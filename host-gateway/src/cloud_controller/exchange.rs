//! One request to the platform and its answer: bounded in time and size, TLS verified.
//!
//! Redirects are not followed: the next host would be handed the token.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};

use super::{ClientError, CloudControllerError};

/// For one request, whatever its size.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A longer answer is refused.
pub(super) const MAX_BODY: usize = 256 << 20;

/// A client for the platform's servers.
pub(super) fn client() -> Result<Client, ClientError> {
    Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .build()
        .map_err(ClientError)
}

/// Sends `request`, which goes to `url`.
///
/// # Errors
///
/// [`CloudControllerError::Away`], and [`CloudControllerError::Refused`] unless it succeeded.
pub(super) async fn send(
    url: &str,
    request: RequestBuilder,
) -> Result<Response, CloudControllerError> {
    let away = |source| CloudControllerError::Away { url: url.to_owned(), source };
    let response = request.send().await.map_err(away)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(CloudControllerError::Refused { url: url.to_owned(), status })
}

/// The whole body.
///
/// # Errors
///
/// [`CloudControllerError`] when it is cut off, or too long.
pub(super) async fn read(
    url: &str,
    mut response: Response,
) -> Result<Vec<u8>, CloudControllerError> {
    let away = |source| CloudControllerError::Away { url: url.to_owned(), source };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(CloudControllerError::TooLong { url: url.to_owned() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
