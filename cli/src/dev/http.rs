//! Whether something answers over HTTP. Nothing here needs TLS: all of it is on this machine.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tenon_protocol::Secret;

/// One probe takes no longer; the next one may succeed.
const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub(crate) struct HttpClient(reqwest::Client);

impl HttpClient {
    pub(crate) fn new() -> Self {
        // An error says that one is installed already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build();
        Self(client.expect("a client without certificates has nothing to fail on"))
    }

    /// Whether `url` answers with a success.
    pub(crate) async fn answers(&self, url: &str) -> bool {
        let response = self.0.get(url).send().await;
        response.is_ok_and(|response| response.status().is_success())
    }

    /// What `url` answers, to the holder of `token` if there is one; `None` when it does not
    /// answer, or something else.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        url: &str,
        token: Option<&Secret>,
    ) -> Option<T> {
        let request = self.0.get(url);
        let request = match token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        };
        request.send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }
}
