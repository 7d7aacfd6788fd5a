//! An operator's client of the gateway.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tenon_protocol::Secret;
use tenon_protocol::record::MoveStep;

use crate::classic::refusal;
use crate::error::HarnessError;
use crate::http;
use crate::platform::Platform;

/// Speaks to the routes for operators of one gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operator {
    http: Client,
    base: String,
    token: Secret,
}

impl Platform {
    /// An operator's client of the gateway with that number.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when there is no such gateway.
    pub fn operator(&self, gateway: usize) -> Result<Operator, HarnessError> {
        let file = self.dev_file()?;
        let missing = || HarnessError::NotRunning(format!("gateway-{gateway}"));
        let entry = file.gateways.get(gateway.saturating_sub(1)).ok_or_else(missing)?;
        let base = entry.admin_url.clone();
        Ok(Operator { http: http::client()?, base, token: file.admin.token })
    }
}

impl Operator {
    /// Begins to move an instance to `node`; returns the record of the move.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Refused`] for any answer but a success; [`HarnessError::Http`] without one.
    pub async fn begin_move(&self, instance: &str, node: &str) -> Result<Value, HarnessError> {
        let url = format!("{}/instances/{instance}/move", self.base);
        self.send(self.http.request(Method::POST, url).json(&json!({ "to": node }))).await
    }

    /// Where the last move of an instance is.
    ///
    /// # Errors
    ///
    /// As [`Self::begin_move`]; 404 when there was none. [`HarnessError::Form`] for another word.
    pub async fn move_step(&self, instance: &str) -> Result<MoveStep, HarnessError> {
        let url = format!("{}/instances/{instance}/move", self.base);
        let record = self.send(self.http.request(Method::GET, url)).await?;
        let step = record.get("step").cloned().unwrap_or_default();
        serde_json::from_value(step).map_err(|error| HarnessError::Form(record.to_string(), error))
    }

    /// Says that `node` is gone for good.
    ///
    /// # Errors
    ///
    /// As [`Self::begin_move`]; 409 while it announces itself.
    pub async fn forget_node(&self, node: &str) -> Result<Value, HarnessError> {
        let url = format!("{}/nodes/{node}/gone", self.base);
        self.send(self.http.request(Method::POST, url)).await
    }

    /// Any other request of an operator.
    ///
    /// # Errors
    ///
    /// As [`Self::begin_move`].
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, HarnessError> {
        let request = self.http.request(method, format!("{}{path}", self.base));
        self.send(request.json(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, HarnessError> {
        let response = request.bearer_auth(self.token.reveal()).send().await?;
        let status = response.status();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() { Ok(body) } else { Err(refusal(status.as_u16(), &body).into()) }
    }
}
