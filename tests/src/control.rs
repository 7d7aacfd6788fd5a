//! Orders to a running `tenon dev`: start and stop a child, let the cloud controller be away.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tenon::dev::DevFile;
use tenon_protocol::message::{Handle, OfferingNotice};

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
        self.set("availability", availability).await
    }

    /// Lets the stand-in's UAA answer 503, or serve again.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when `tenon dev` does not run.
    pub async fn set_uaa(&self, availability: Availability) -> Result<(), HarnessError> {
        self.set("uaa", availability).await
    }

    async fn set(&self, what: &str, availability: Availability) -> Result<(), HarnessError> {
        let available = availability == Availability::Serving;
        let request = self.http.put(self.stand_in(what)).json(&json!({ "available": available }));
        good(format!("{what}: {availability:?}"), request).await.map(drop)
    }

    /// Lets every token that the stand-in's UAA gave be refused.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when `tenon dev` does not run.
    pub async fn revoke_tokens(&self) -> Result<(), HarnessError> {
        let request = self.http.delete(self.stand_in("tokens"));
        good("revoke tokens".to_owned(), request).await.map(drop)
    }

    /// Lets tokens of the stand-in's UAA be good for so long, from the next one on.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when `tenon dev` does not run.
    pub async fn set_token_life(&self, life: Duration) -> Result<(), HarnessError> {
        let body = json!({ "seconds": life.as_secs() });
        let request = self.http.put(self.stand_in("tokens")).json(&body);
        good("set the life of tokens".to_owned(), request).await.map(drop)
    }

    /// The last requests of gateways to the cloud controller and its UAA: `GET /v2/services`.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when `tenon dev` does not run.
    pub async fn requests(&self) -> Result<Vec<String>, HarnessError> {
        let text = good("show requests".to_owned(), self.http.get(self.stand_in("requests")));
        let text = text.await?;
        serde_json::from_str(&text).map_err(|error| HarnessError::Form(text, error))
    }

    /// How often gateways told the cloud controller that `label` is not offered any more.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when `tenon dev` does not run.
    pub async fn withdrawals(&self, label: &str) -> Result<u64, HarnessError> {
        let shown =
            good("show withdrawals".to_owned(), self.http.get(self.stand_in("withdrawals")));
        let text = shown.await?;
        let counts: Value =
            serde_json::from_str(&text).map_err(|error| HarnessError::Form(text, error))?;
        Ok(counts.get(label).and_then(Value::as_u64).unwrap_or_default())
    }

    /// Writes a handle down, as a cloud controller does after a provision or bind.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when there is no such offering.
    pub async fn put_handle(&self, label: &str, handle: &Handle) -> Result<(), HarnessError> {
        let url = self.stand_in(&format!("handles/{label}/{}", handle.service_id));
        good("put a handle".to_owned(), self.http.put(url).json(handle)).await.map(drop)
    }

    /// Forgets a handle, as a cloud controller does after an unprovision or unbind.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when there is no such offering.
    pub async fn remove_handle(&self, label: &str, id: &str) -> Result<(), HarnessError> {
        let url = self.stand_in(&format!("handles/{label}/{id}"));
        good("remove a handle".to_owned(), self.http.delete(url)).await.map(drop)
    }

    /// All handles that the cloud controller has, by label and id.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Control`] when `tenon dev` does not run.
    pub async fn handles(&self) -> Result<serde_json::Value, HarnessError> {
        let text = good("show handles".to_owned(), self.http.get(self.stand_in("handles"))).await?;
        serde_json::from_str(&text).map_err(|error| HarnessError::Form(text, error))
    }

    fn stand_in(&self, route: &str) -> String {
        format!("{}/_stand_in/{route}", self.file.cloud_controller.url)
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
