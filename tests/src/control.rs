//! Orders to a running `tenon dev`: start and stop a child, let the cloud controller be away.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tenon::dev::DevFile;
use tenon_protocol::message::OfferingNotice;

use crate::error::HarnessError;
use crate::http;

/// Speaks to `tenon dev` itself.
#[derive(Debug, Clone)]
pub struct Control {
    http: Client,
    file: DevFile,
}

impl Control {
    pub(crate) fn new(file: DevFile) -> Result<Self, HarnessError> {
        Ok(Self { http: http::client()?, file })
    }

    /// Starts `node-1` or the like, and waits until it is ready. With `crash_at` a gateway or node
    /// kills itself at that point.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when it runs already or does not start.
    pub async fn start(&self, child: &str, crash_at: Option<&str>) -> Result<(), HarnessError> {
        self.order("start", child, &json!({ "crash_at": crash_at })).await
    }

    /// Asks `node-1` or the like to stop, and waits until it has.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when it does not run.
    pub async fn stop(&self, child: &str) -> Result<(), HarnessError> {
        self.order("stop", child, &json!({})).await
    }

    async fn order(&self, verb: &str, child: &str, body: &Value) -> Result<(), HarnessError> {
        // There is one `nats`, without a number.
        let (kind, number) = child.split_once('-').unwrap_or((child, "1"));
        let url = format!("{}/_dev/{verb}/{kind}/{number}", self.file.control.url);
        let token = self.file.control.token.reveal();
        let request = self.http.post(url).bearer_auth(token).json(body);
        good(format!("{verb} {child}"), request).await.map(drop)
    }

    /// Lets the stand-in cloud controller answer 503, or serve again.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when `tenon dev` does not run.
    pub async fn set_cloud_controller(
        &self,
        availability: Availability,
    ) -> Result<(), HarnessError> {
        let available = availability == Availability::Serving;
        let url = format!("{}/_stand_in/availability", self.file.cloud_controller.url);
        let request = self.http.put(url).json(&json!({ "available": available }));
        good(format!("{availability:?}"), request).await.map(drop)
    }

    /// The offerings that gateways told the cloud controller.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when `tenon dev` does not run.
    pub async fn offerings(&self) -> Result<Vec<OfferingNotice>, HarnessError> {
        let url = format!("{}/_stand_in/offerings", self.file.cloud_controller.url);
        let text = good("show offerings".to_owned(), self.http.get(url)).await?;
        serde_json::from_str(&text).map_err(|error| HarnessError::Form(text, error))
    }
}

/// How the stand-in cloud controller behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// As it should.
    Serving,
    /// 503 on every classic route.
    Away,
}

async fn good(order: String, request: RequestBuilder) -> Result<String, HarnessError> {
    let response = request.send().await?;
    let is_good = response.status().is_success();
    let answer = response.text().await?;
    if is_good { Ok(answer) } else { Err(HarnessError::Control { order, answer }) }
}
