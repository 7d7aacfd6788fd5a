//! The HTTP client of the harness: plain, without a proxy, and not patient for ever.

use std::time::Duration;

use reqwest::Client;

use crate::error::HarnessError;

/// Longer than any answer may take: a start of a child is the longest.
const TIMEOUT: Duration = Duration::from_secs(200);

/// Clients need it, plain as they are; a test may make one of its own before the harness does.
pub(crate) fn install_tls() {
    // An error says that one is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// A client with connections of its own.
pub(crate) fn client() -> Result<Client, HarnessError> {
    install_tls();
    Ok(Client::builder().no_proxy().timeout(TIMEOUT).build()?)
}
