//! What a platform asks about the snapshots of one instance.

use std::time::Duration;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tenon_protocol::job::JobView;
use tenon_tests::{Classic, HarnessError, Refusal};

/// Longer than anything that is due takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The snapshots of an instance.
pub(crate) struct Shelf {
    pub(crate) classic: Classic,
    pub(crate) instance: String,
}

impl Shelf {
    pub(crate) fn of(classic: &Classic, instance: &str) -> Self {
        Self { classic: classic.clone(), instance: instance.to_owned() }
    }

    /// A request below the instance, whatever comes of it.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, HarnessError> {
        let path = format!("/gateway/v1/configurations/{}/{path}", self.instance);
        self.classic.send(method, &path, body).await
    }

    /// A request that is refused: status, number and words.
    pub(crate) async fn refused(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (u16, u64, String) {
        match self.ask::<Value>(method, path, body).await {
            Err(HarnessError::Refused(Refusal { status, code, description })) => {
                (status, code, description)
            }
            other => panic!("{path}: {other:?}"),
        }
    }

    /// Orders a job.
    pub(crate) async fn order(&self, method: Method, path: &str, body: &Value) -> JobView {
        self.ask(method, path, body).await.unwrap()
    }

    /// The result of a job that is ordered and completes.
    pub(crate) async fn done(&self, method: Method, path: &str, body: &Value) -> Value {
        let job = self.order(method, path, body).await;
        let view = self.classic.completed(&self.instance, &job).await.unwrap();
        view.result.unwrap()
    }

    /// Number and words of a job that is ordered and fails.
    pub(crate) async fn failed(&self, method: Method, path: &str, body: &Value) -> (u64, String) {
        let job = self.order(method, path, body).await;
        let view = self.classic.ended(&self.instance, &job).await.unwrap();
        let result = view.result.unwrap();
        let code = result["code"].as_u64().unwrap_or_else(|| panic!("{result}"));
        (code, result["description"].as_str().unwrap().to_owned())
    }

    /// A new snapshot's number.
    pub(crate) async fn take(&self) -> String {
        text(&self.done(Method::POST, "snapshots", &json!({})).await, "snapshot_id")
    }

    /// A link to the package of a snapshot, as its job tells.
    pub(crate) async fn link(&self, snapshot: &str) -> String {
        let path = format!("serialized/url/snapshots/{snapshot}");
        text(&self.done(Method::POST, &path, &json!({})).await, "url")
    }

    /// The number of the snapshot that a package becomes.
    pub(crate) async fn import(&self, url: &str) -> String {
        let result = self.done(Method::PUT, "serialized/url", &json!({ "url": url })).await;
        text(&result, "snapshot_id")
    }

    /// Rolls back.
    pub(crate) async fn roll_back(&self, snapshot: &str) {
        let path = format!("snapshots/{snapshot}");
        assert_eq!(self.done(Method::PUT, &path, &json!({})).await, json!({"result": "ok"}));
    }

    /// Numbers of the snapshots that are listed.
    pub(crate) async fn numbers(&self) -> Vec<String> {
        let list: Value = self.ask(Method::GET, "snapshots", &json!({})).await.unwrap();
        let all = list["snapshots"].as_array().unwrap();
        all.iter().map(|one| text(one, "snapshot_id")).collect()
    }
}

/// A text of an object.
pub(crate) fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_else(|| panic!("no {key} in {object}")).to_owned()
}
