//! Requests to a version 2 cloud controller: with a token, and page by page.
//!
//! A list came whole, or is an error (P8).

use std::collections::HashSet;

use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tenon_protocol::message::Object;

use super::catalog::Listed;
use crate::cloud_controller::CloudControllerError;
use crate::cloud_controller::exchange::{read, send};
use crate::cloud_controller::odd::{Odd, Remarks};
use crate::cloud_controller::uaa::Uaa;

/// Of one list; a longer one is refused.
const MAX_PAGES: usize = 20_000;
/// The most that a cloud controller of 2013 gives at once.
const PAGE: &str = "results-per-page=100";

/// Who asks, and where.
#[derive(Clone)]
pub(super) struct Session {
    client: Client,
    remarks: Remarks,
    url: String,
    uaa: Uaa,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page<'a> {
    total_results: Option<u64>,
    next_url: Option<String>,
    #[serde(borrow)]
    resources: Vec<&'a RawValue>,
}

impl Session {
    /// With the cloud controller at `url`, with tokens of `uaa`.
    pub(super) fn new(client: Client, url: String, uaa: Uaa) -> Self {
        Self { client, remarks: Remarks::new(&url), url, uaa }
    }

    pub(super) const fn remarks(&self) -> &Remarks {
        &self.remarks
    }

    /// Sends `body` to `path`. A token that is refused is renewed once (P12).
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`].
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Object>,
    ) -> Result<Response, CloudControllerError> {
        let url = self.url(path);
        let request = || {
            let request = self.client.request(method.clone(), &url);
            let request = request.header("Content-Type", "application/json");
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let token = self.uaa.token().await?;
        match send(&url, token.on(request())).await {
            Err(CloudControllerError::Refused { status: StatusCode::UNAUTHORIZED, .. }) => {
                let token = self.uaa.renewed(&token).await?;
                send(&url, token.on(request())).await
            }
            answered => answered,
        }
    }

    /// Hands every entry of the list at `path` to `take`, and says which cannot be read.
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`] when the list did not come whole; what was taken is worth nothing.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        mut take: impl FnMut(Listed<T>),
    ) -> Result<Odd, CloudControllerError> {
        let incomplete =
            |problem| CloudControllerError::Incomplete { url: self.url(path), problem };
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut next = Some(format!("{path}{joint}{PAGE}"));
        let mut seen = HashSet::new();
        let (mut count, mut total, mut odd) = (0, None, Odd::default());
        while let Some(path) = next {
            let response = self.send(Method::GET, &path, None).await?;
            let url = self.url(&path);
            let body = read(&url, response).await?;
            let page: Page<'_> = serde_json::from_slice(&body)
                .map_err(|source| CloudControllerError::Garbled { url, source })?;
            // What is removed while a list is read moves the rest forward, past the next page.
            if page.total_results < total {
                return Err(incomplete("became shorter while it was read"));
            }
            (count, total) = (count + page.resources.len() as u64, page.total_results);
            for resource in page.resources {
                match serde_json::from_str(resource.get()) {
                    Ok(entry) => take(entry),
                    Err(error) => odd.note_unreadable(resource.get(), &error),
                }
            }
            next =
                page.next_url.map(|next| self.own_path(&next)).transpose().map_err(incomplete)?;
            if !seen.insert(path) || seen.len() > MAX_PAGES {
                return Err(incomplete("does not end"));
            }
        }
        if total.is_some_and(|total| count < total) {
            return Err(incomplete("is shorter than it says"));
        }
        Ok(odd)
    }

    /// Where `path` is.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The path of a page. One of another server is refused: it would be handed the token.
    fn own_path(&self, next: &str) -> Result<String, &'static str> {
        if next.starts_with('/') && !next.starts_with("//") {
            return Ok(next.to_owned());
        }
        let elsewhere = "goes on elsewhere";
        let (own, other) = (Url::parse(&self.url).ok(), Url::parse(next).ok());
        let (Some(own), Some(other)) = (own, other) else { return Err(elsewhere) };
        if own.origin() != other.origin() {
            return Err(elsewhere);
        }
        let base = own.path().trim_end_matches('/');
        let path = other.path().strip_prefix(base).ok_or(elsewhere)?;
        let query = other.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(format!("{path}{query}"))
    }
}

#[cfg(test)]
mod tests;
