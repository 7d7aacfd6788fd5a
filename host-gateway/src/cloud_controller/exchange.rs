//! One request to the platform and its answer: bounded in time and size, TLS verified.
//!
//! Redirects are not followed: the next host would be handed the token.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Proxy, RequestBuilder, Response};

use super::{ClientError, CloudControllerError};
use crate::config::CloudControllerConfig;
use crate::sender::{REQUEST_ID, Sender};

/// For one request, whatever its size.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A longer answer is refused.
pub(super) const MAX_BODY: usize = 256 << 20;

/// A client for the platform's servers.
///
/// # Errors
///
/// [`ClientError`] when the trusted certificates cannot be used.
pub(super) fn client(config: &CloudControllerConfig) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy();
    if let Some(ca) = &config.ca {
        let certificates = Certificate::from_pem_bundle(ca).map_err(ClientError)?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(proxy) = &config.proxy {
        let asked = Proxy::all(&proxy.url).map_err(ClientError)?;
        builder = builder.proxy(match &proxy.login {
            Some((user, password)) => asked.basic_auth(user, password.reveal()),
            None => asked,
        });
    }
    builder.build().map_err(ClientError)
}

/// Sends `request`, which goes to `url`, under the name of the platform's request behind it.
///
/// # Errors
///
/// [`CloudControllerError::Away`], and [`CloudControllerError::Refused`] unless it succeeded.
pub(super) async fn send(
    url: &str,
    mut request: RequestBuilder,
) -> Result<Response, CloudControllerError> {
    if let Some(id) = Sender::current().request {
        request = request.header(REQUEST_ID, id.as_str());
    }
    let response = request.send().await.map_err(|error| away(url, error))?;
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
pub(super) async fn read(url: &str, response: Response) -> Result<Vec<u8>, CloudControllerError> {
    match body(response, MAX_BODY).await {
        Ok(Some(body)) => Ok(body),
        Ok(None) => Err(CloudControllerError::TooLong { url: url.to_owned() }),
        Err(error) => Err(away(url, error)),
    }
}

/// The URL is said once.
fn away(url: &str, error: reqwest::Error) -> CloudControllerError {
    CloudControllerError::Away { url: url.to_owned(), source: error.without_url() }
}

/// The whole body; `None` when it is longer than `limit`.
///
/// # Errors
///
/// What cut it off.
pub(super) async fn body(
    mut response: Response,
    limit: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(announced.unwrap_or_default().min(limit));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
