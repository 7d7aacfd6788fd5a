//! The HTTP client of the harness: plain, without a proxy, and not patient for ever.

use std::time::Duration;

use reqwest::Client;

use crate::error::HarnessError;

/// Longer than any answer may take: a start of a child is the longest.
const TIMEOUT: Duration = Duration::from_secs(200);

/// A client with connections of its own.
pub(crate) fn client() -> Result<Client, HarnessError> {
    // An error says that one is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    Ok(Client::builder().no_proxy().timeout(TIMEOUT).build()?)
}
