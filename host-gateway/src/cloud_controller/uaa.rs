//! Tokens of a UAA: fetched when they are needed, kept, and renewed before they expire.
//!
//! Knows both grants: of a client, and of a user as in 2013. Reference, section 2.3.2.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use tenon_protocol::Secret;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::exchange;
use crate::config::{Grant, UaaConfig};

/// A token is renewed so long before it expires, or after nine tenths of a short life.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);
/// Of what the UAA answers.
const MAX_ANSWER: usize = 64 << 10;
const FORM: &str = "application/x-www-form-urlencoded;charset=utf-8";
const JSON: &str = "application/json;charset=utf-8";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UaaError {
    /// It is away, or too slow, or its certificate is not trusted.
    #[error("{url} did not answer")]
    Away {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// It refused; name, secret or scopes are wrong.
    #[error("{url} answered {status}")]
    Refused { url: String, status: StatusCode },
    /// The answer has no token that can be used. It is not shown: it may have one.
    #[error("the answer of {url} {problem}")]
    Garbled { url: String, problem: &'static str },
}

/// Where tokens come from. Clones share theirs.
#[derive(Clone)]
pub(super) struct Uaa {
    client: Client,
    config: Arc<UaaConfig>,
    kept: Arc<Mutex<Option<Kept>>>,
    /// One asks; those that wait find what it got.
    asking: Arc<Semaphore>,
}

/// What goes into the header `Authorization`.
#[derive(Clone, PartialEq)]
pub(super) struct Token(HeaderValue);

struct Kept {
    token: Token,
    /// `None` when the UAA did not say how long it is good.
    renew_at: Option<Instant>,
}

impl Uaa {
    /// The one that `config` names.
    pub(super) fn new(client: Client, config: UaaConfig) -> Self {
        let (kept, asking) = (Arc::default(), Arc::new(Semaphore::new(1)));
        Self { client, config: Arc::new(config), kept, asking }
    }

    /// A token that is not known to be bad.
    ///
    /// # Errors
    ///
    /// [`UaaError`] when there is none, and none can be had.
    pub(super) async fn token(&self) -> Result<Token, UaaError> {
        self.token_except(None).await
    }

    /// A token other than `rejected`.
    ///
    /// # Errors
    ///
    /// [`UaaError`] when none can be had.
    pub(super) async fn renewed(&self, rejected: &Token) -> Result<Token, UaaError> {
        self.token_except(Some(rejected)).await
    }

    async fn token_except(&self, rejected: Option<&Token>) -> Result<Token, UaaError> {
        if let Some(token) = self.kept_except(rejected) {
            return Ok(token);
        }
        let permit = self.asking.acquire().await;
        // Somebody else may have asked meanwhile.
        if let Some(token) = self.kept_except(rejected) {
            return Ok(token);
        }
        let grant = match &self.config.grant {
            Grant::ClientCredentials { secret } => self.as_client(secret).await,
            Grant::Implicit { username, password, redirect_uri } => {
                self.as_user(username, password, redirect_uri).await
            }
        };
        let kept = grant?.keep(&self.config.url)?;
        let token = kept.token.clone();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        drop(permit);
        Ok(token)
    }

    fn kept_except(&self, rejected: Option<&Token>) -> Option<Token> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref().filter(|kept| Some(&kept.token) != rejected)?;
        let is_fresh = kept.renew_at.is_none_or(|renew_at| Instant::now() < renew_at);
        is_fresh.then(|| kept.token.clone())
    }

    async fn as_client(&self, secret: &Secret) -> Result<Granted, UaaError> {
        let url = format!("{}/oauth/token", self.config.url);
        let form = form(&[("grant_type", "client_credentials"), ("response_type", "token")]);
        let request = self.client.post(&url);
        let request = request.basic_auth(&self.config.client_id, Some(secret.reveal()));
        let response = send(&url, posted(request, form)).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(UaaError::Refused { url, status });
        }
        let body = body(&url, response).await?;
        let garbled = |_not_shown| UaaError::Garbled { url, problem: "is not a token" };
        serde_json::from_slice(&body).map_err(garbled)
    }

    async fn as_user(
        &self,
        username: &str,
        password: &Secret,
        redirect_uri: &str,
    ) -> Result<Granted, UaaError> {
        let state = format!("{:032x}", rand::random::<u128>());
        let query = form(&[
            ("client_id", &self.config.client_id),
            ("response_type", "token"),
            ("redirect_uri", redirect_uri),
            ("state", &state),
        ]);
        let url = format!("{}/oauth/authorize", self.config.url);
        let form = form(&[
            ("username", username),
            ("password", password.reveal()),
            ("source", "credentials"),
        ]);
        let request = self.client.post(format!("{url}?{query}"));
        let response = send(&url, posted(request, form)).await?;
        let status = response.status();
        if status != StatusCode::FOUND {
            return Err(UaaError::Refused { url, status });
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let granted = redirected(location.unwrap_or_default(), redirect_uri, &state);
        granted.map_err(|problem| UaaError::Garbled { url, problem })
    }
}

fn posted(request: RequestBuilder, form: String) -> RequestBuilder {
    request.header(ACCEPT, JSON).header(CONTENT_TYPE, FORM).body(form)
}

async fn send(url: &str, request: RequestBuilder) -> Result<Response, UaaError> {
    request.send().await.map_err(|error| away(url, error))
}

async fn body(url: &str, response: Response) -> Result<Vec<u8>, UaaError> {
    match exchange::body(response, MAX_ANSWER).await {
        Ok(Some(body)) => Ok(body),
        Ok(None) => Err(UaaError::Garbled { url: url.to_owned(), problem: "is too long" }),
        Err(error) => Err(away(url, error)),
    }
}

/// The URL is said once, and without its query.
fn away(url: &str, error: reqwest::Error) -> UaaError {
    UaaError::Away { url: url.to_owned(), source: error.without_url() }
}

/// What a UAA grants; the names are the standard's.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default = "bearer")]
    token_type: String,
    expires_in: Option<u64>,
}

impl Granted {
    fn keep(self, url: &str) -> Result<Kept, UaaError> {
        let header = HeaderValue::from_str(&format!("{} {}", self.token_type, self.access_token));
        let mut header = header.map_err(|_not_shown| UaaError::Garbled {
            url: url.to_owned(),
            problem: "has a token that cannot stand in a header",
        })?;
        header.set_sensitive(true);
        let renew_at = self.expires_in.and_then(|seconds| {
            let life = Duration::from_secs(seconds);
            Instant::now().checked_add(life.saturating_sub(RENEWED_BEFORE.min(life / 10)))
        });
        Ok(Kept { token: Token(header), renew_at })
    }
}

fn bearer() -> String {
    "bearer".to_owned()
}

/// What stands in the fragment of `location`, if that is ours. Pure.
fn redirected(location: &str, redirect_uri: &str, state: &str) -> Result<Granted, &'static str> {
    let (target, fragment) = location.split_once('#').unwrap_or((location, ""));
    if target != redirect_uri {
        return Err("redirects elsewhere");
    }
    let mut url = Url::parse("http://fragment").map_err(|_constant| "cannot be read")?;
    url.set_query(Some(fragment));
    let value = |name: &str| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    if value("state").as_deref() != Some(state) {
        return Err("has another state than was sent");
    }
    let access_token = value("access_token").ok_or("has no token")?;
    let token_type = value("token_type").unwrap_or_else(bearer);
    let expires_in = value("expires_in").and_then(|text| text.parse().ok());
    Ok(Granted { access_token, token_type, expires_in })
}

/// `pairs` as a form.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://form").expect("a constant that is a URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

impl Token {
    /// `request` with it.
    pub(super) fn on(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(AUTHORIZATION, self.0.clone())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

#[cfg(test)]
mod tests;
