//! A cloud controller's client of the gateway: the classic routes, typed. Reference, section 1.

use std::time::Duration;

use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tenon_protocol::job::{JobStatus, JobView};
use tenon_protocol::message::{ServiceResponse, SnapshotList, SnapshotView};
use tenon_protocol::{JobId, Secret, SnapshotId};

use crate::error::HarnessError;
use crate::http;
use crate::wait::wait_until;

/// Longer than any job of a test may take.
const JOB_DEADLINE: Duration = Duration::from_secs(60);

/// A numbered error of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} / {code}: {description}")]
pub struct Refusal {
    /// Of HTTP.
    pub status: u16,
    /// Of the error catalogue; 0 when the body is none of the gateway's.
    pub code: u64,
    /// For people.
    pub description: String,
}

/// What a provision request orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// Label without version.
    pub label: String,
    /// The plan's unique id.
    pub plan_unique_id: String,
    /// The plan's name.
    pub plan: String,
    /// The version.
    pub version: String,
}

/// Speaks for a platform about one offering. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Classic {
    http: Client,
    base: String,
    token: Secret,
    ordered: Ordered,
    request: Option<String>,
}

impl Classic {
    /// A client of the gateway at `base`.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Http`] when the machine refuses a client.
    pub fn new(base: String, token: Secret, ordered: Ordered) -> Result<Self, HarnessError> {
        Ok(Self { http: http::client()?, base, token, ordered, request: None })
    }

    /// The same client, all of whose requests have one `X-VCAP-Request-ID`: a repeated one is
    /// the first.
    #[must_use]
    pub fn asking_as(&self, request: &str) -> Self {
        Self { request: Some(request.to_owned()), ..self.clone() }
    }

    /// The body of a provision request.
    #[must_use]
    pub fn order(&self) -> Value {
        let Ordered { label, plan_unique_id, plan, version } = &self.ordered;
        json!({
            "label": format!("{label}-{version}"),
            "unique_id": plan_unique_id,
            "name": "mine",
            "email": "user@example.org",
            "plan": plan,
            "version": version,
        })
    }

    /// A new instance.
    ///
    /// # Errors
    ///
    /// As [`Self::send`], and so for all that follow.
    pub async fn provision(&self) -> Result<ServiceResponse, HarnessError> {
        self.send(Method::POST, "/gateway/v1/configurations", &self.order()).await
    }

    /// Removes an instance with its bindings.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn unprovision(&self, instance: &str) -> Result<(), HarnessError> {
        let path = format!("/gateway/v1/configurations/{instance}");
        self.send::<Value>(Method::DELETE, &path, &json!({})).await.map(drop)
    }

    /// Access for an application.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn bind(&self, instance: &str) -> Result<ServiceResponse, HarnessError> {
        self.bind_with(instance, &json!({})).await
    }

    /// Access for an application, with these `binding_options`.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn bind_with(
        &self,
        instance: &str,
        options: &Value,
    ) -> Result<ServiceResponse, HarnessError> {
        let body = json!({
            "service_id": instance,
            "label": format!("{}-{}", self.ordered.label, self.ordered.version),
            "email": "user@example.org",
            "binding_options": options,
        });
        let path = format!("/gateway/v1/configurations/{instance}/handles");
        self.send(Method::POST, &path, &body).await
    }

    /// Takes an application's access away.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn unbind(&self, instance: &str, binding: &str) -> Result<(), HarnessError> {
        let body = json!({ "service_id": instance, "handle_id": binding, "binding_options": {} });
        let path = format!("/gateway/v1/configurations/{instance}/handles/{binding}");
        self.send::<Value>(Method::DELETE, &path, &body).await.map(drop)
    }

    /// Starts a snapshot.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn take_snapshot(&self, instance: &str) -> Result<JobView, HarnessError> {
        let path = format!("/gateway/v1/configurations/{instance}/snapshots");
        self.send(Method::POST, &path, &json!({})).await
    }

    /// All snapshots of an instance.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn snapshots(&self, instance: &str) -> Result<Vec<SnapshotView>, HarnessError> {
        let path = format!("/gateway/v1/configurations/{instance}/snapshots");
        let list: SnapshotList = self.send(Method::GET, &path, &json!({})).await?;
        Ok(list.snapshots)
    }

    /// Starts to replace an instance's data by a snapshot.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn roll_back(
        &self,
        instance: &str,
        snapshot: &SnapshotId,
    ) -> Result<JobView, HarnessError> {
        let path = format!("/gateway/v1/configurations/{instance}/snapshots/{snapshot}");
        self.send(Method::PUT, &path, &json!({})).await
    }

    /// How far a job is.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn job(&self, instance: &str, job: &JobId) -> Result<JobView, HarnessError> {
        let path = format!("/gateway/v1/configurations/{instance}/jobs/{job}");
        self.send(Method::GET, &path, &json!({})).await
    }

    /// Waits for the end of a job, whichever it is.
    ///
    /// # Errors
    ///
    /// As [`Self::send`], and [`HarnessError::TimedOut`].
    pub async fn ended(&self, instance: &str, job: &JobView) -> Result<JobView, HarnessError> {
        let what = format!("the end of job {}", job.job_id);
        let view = wait_until(&what, JOB_DEADLINE, async || {
            let view = self.job(instance, &job.job_id).await;
            let is_over = view.as_ref().map_or(true, |view| view.status.is_final());
            is_over.then_some(view)
        });
        view.await?
    }

    /// Waits for a job, and takes anything but its completion for an error.
    ///
    /// # Errors
    ///
    /// As [`Self::ended`]; [`HarnessError::Refused`] with the error of the job that failed.
    pub async fn completed(&self, instance: &str, job: &JobView) -> Result<JobView, HarnessError> {
        let view = self.ended(instance, job).await?;
        match view.status {
            JobStatus::Completed => Ok(view),
            JobStatus::Queued | JobStatus::Working | JobStatus::Failed | JobStatus::Killed => {
                Err(refusal(200, &view.result.unwrap_or_default()).into())
            }
        }
    }

    /// Sends a request as a cloud controller does, with a JSON body whatever the method.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Refused`] for any answer but 200; [`HarnessError::Http`] without a good one.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, HarnessError> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).json(body);
        if let Some(id) = &self.request {
            request = request.header("X-VCAP-Request-ID", id);
        }
        let response = request.header("X-VCAP-Service-Token", self.token.reveal()).send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        // The original takes anything but 200 for an error.
        if status != 200 {
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            return Err(refusal(status, &body).into());
        }
        serde_json::from_str(&text).map_err(|error| HarnessError::Form(text, error))
    }
}

pub(crate) fn refusal(status: u16, body: &Value) -> Refusal {
    let code = body.get("code").and_then(Value::as_u64).unwrap_or_default();
    let description = body.get("description").and_then(Value::as_str);
    let description = description.map_or_else(|| body.to_string(), str::to_owned);
    Refusal { status, code, description }
}
