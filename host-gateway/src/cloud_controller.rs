//! The platform's side: a version 1 cloud controller. Reference, section 2.2.
//!
//! Speaks HTTP. Knows no record: what a handle means is decided by `operations/adopt_handles.rs`.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tenon_protocol::message::{Deactivation, Handle, HandleList, OfferingNotice};

use crate::config::{CloudControllerConfig, OfferingConfig};

/// For one request, whatever its size.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A longer list of handles is refused.
const MAX_BODY: usize = 256 << 20;

/// Why the cloud controller did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloudControllerError {
    /// It is away, or too slow.
    #[error("{url} did not answer")]
    Away {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// It refused.
    #[error("{url} answered {status}")]
    Refused { url: String, status: StatusCode },
    /// The answer is not one.
    #[error("the answer of {url} cannot be read")]
    Garbled {
        url: String,
        #[source]
        source: serde_json::Error,
    },
    /// The answer does not end.
    #[error("the answer of {url} is longer than {MAX_BODY} bytes")]
    TooLong { url: String },
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client can be made for the cloud controller")]
pub(crate) struct ClientError(#[source] reqwest::Error);

/// Whether an offering can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    Leaving,
}

/// Handles that could be read, and how many could not.
pub(crate) struct Fetched {
    pub(crate) handles: Vec<Handle>,
    pub(crate) unreadable: usize,
}

/// A version 1 cloud controller.
#[derive(Clone)]
pub(crate) struct CloudController {
    client: Client,
    url: String,
    own_url: String,
}

impl CloudController {
    /// The one that `config` names. It is told that this gateway listens at `own_url`.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the machine's TLS roots cannot be used.
    pub(crate) fn new(config: &CloudControllerConfig, own_url: &str) -> Result<Self, ClientError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(ClientError)?;
        let url = config.url.trim_end_matches('/').to_owned();
        Ok(Self { client, url, own_url: own_url.to_owned() })
    }

    /// Tells that `offering` can be ordered, or not any more.
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`]; to be told again later.
    pub(crate) async fn notify(
        &self,
        offering: &OfferingConfig,
        presence: Presence,
    ) -> Result<(), CloudControllerError> {
        let url = format!("{}/services/v1/offerings", self.url);
        let notice = notice(offering, &self.own_url);
        let request = self.client.post(&url);
        let request = match presence {
            Presence::Here => request.json(&notice),
            Presence::Leaving => request.json(&Deactivation::from(notice)),
        };
        send(&url, with_token(request, offering)).await.map(drop)
    }

    /// All handles of `offering`.
    ///
    /// # Errors
    ///
    /// [`CloudControllerError`] when they did not come whole.
    pub(crate) async fn handles(
        &self,
        offering: &OfferingConfig,
    ) -> Result<Fetched, CloudControllerError> {
        let url = self.handles_url(offering);
        let response = send(&url, with_token(self.client.get(&url), offering)).await?;
        let body = read(&url, response).await?;
        let list: HandleList = serde_json::from_slice(&body)
            .map_err(|source| CloudControllerError::Garbled { url, source })?;
        Ok(sort_out(list))
    }

    fn handles_url(&self, offering: &OfferingConfig) -> String {
        let label = offering.classic_label();
        match offering.provider.as_str() {
            "core" => format!("{}/services/v1/offerings/{label}/handles", self.url),
            provider => format!("{}/services/v1/offerings/{label}/{provider}/handles", self.url),
        }
    }
}

fn with_token(request: RequestBuilder, offering: &OfferingConfig) -> RequestBuilder {
    request
        .header("Content-Type", "application/json")
        .header("X-VCAP-Service-Token", offering.token.reveal())
}

async fn send(url: &str, request: RequestBuilder) -> Result<Response, CloudControllerError> {
    let away = |source| CloudControllerError::Away { url: url.to_owned(), source };
    let response = request.send().await.map_err(away)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    Err(CloudControllerError::Refused { url: url.to_owned(), status })
}

async fn read(url: &str, mut response: Response) -> Result<Vec<u8>, CloudControllerError> {
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

/// One bad entry must not hide the others (P9).
fn sort_out(list: HandleList) -> Fetched {
    let all = list.handles.len();
    let handles: Vec<Handle> = list.handles.into_iter().filter_map(read_handle).collect();
    let unreadable = all - handles.len();
    Fetched { handles, unreadable }
}

fn read_handle(value: Value) -> Option<Handle> {
    match serde_json::from_value(value) {
        Ok(handle) => Some(handle),
        Err(error) => {
            tracing::warn!(%error, "a handle of the cloud controller cannot be read");
            None
        }
    }
}

/// The notice, with the fields of the original's. Reference, section 2.2.1.
fn notice(offering: &OfferingConfig, own_url: &str) -> OfferingNotice {
    OfferingNotice {
        label: offering.classic_label(),
        url: own_url.to_owned(),
        supported_versions: offering.supported_versions.clone(),
        version_aliases: offering.version_aliases.clone(),
        description: Some(offering.description.clone()),
        provider: Some(offering.provider.clone()),
        plans: Some(offering.plans.iter().map(|plan| plan.name.clone()).collect()),
        cf_plan_id: None,
        default_plan: Some(offering.default_plan.clone()),
        tags: Some(offering.tags.clone()),
        active: Some(true),
        acls: None,
        // The platform waits longer than this gateway, which waits longer than its nodes.
        timeout: Some(offering.node_timeout.as_secs().saturating_mul(3)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn offering() -> OfferingConfig {
        let text = include_str!("../testdata/gateway.toml");
        Config::parse(text, Path::new("gw.toml")).unwrap().offerings.remove(0)
    }

    #[test]
    fn the_notice_has_what_the_original_sent() {
        let notice = serde_json::to_value(notice(&offering(), "http://127.0.0.1:15001")).unwrap();
        let expected = json!({
            "label": "mysql-10.11", "description": "MySQL database", "provider": "core",
            "url": "http://127.0.0.1:15001", "plans": ["free", "large"], "default_plan": "free",
            "tags": ["mysql"], "active": true, "supported_versions": ["10.11"],
            "version_aliases": { "current": "10.11" }, "timeout": 15,
        });
        assert_eq!(notice, expected);
    }

    #[test]
    fn a_handle_that_cannot_be_read_is_counted_and_the_others_are_kept() {
        let good = json!({ "service_id": "d1", "credentials": { "name": "d1" }, "type": "new" });
        let list = HandleList { handles: vec![json!({ "x": 1 }), good, json!(null)] };
        let fetched = sort_out(list);
        assert_eq!((fetched.handles.len(), fetched.unreadable), (1, 2));
    }

    #[test]
    fn another_provider_has_its_own_handles() {
        let config = CloudControllerConfig {
            url: "http://cc/".to_owned(),
            api: crate::config::Api::V1,
            heartbeat_interval_seconds: 1,
            handle_fetch_interval_seconds: 1,
        };
        crate::gateway::install_tls();
        let cc = CloudController::new(&config, "http://gw").unwrap();
        let mut offering = offering();
        assert_eq!(
            cc.handles_url(&offering),
            "http://cc/services/v1/offerings/mysql-10.11/handles"
        );
        "acme".clone_into(&mut offering.provider);
        assert!(cc.handles_url(&offering).ends_with("/mysql-10.11/acme/handles"));
    }
}
