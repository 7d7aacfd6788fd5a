//! Snapshots of a tenant's instances: taken, named, gone back to, handed over and given up.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::SnapshotId;
use tenon_protocol::job::{JobStatus, JobView};
use tenon_tests::{Classic, wait_until};

use super::Tenant;
use crate::ask::End;
use crate::told::Snapshot;

/// A snapshot of the second version is taken by then, or has failed.
const TAKEN: Duration = Duration::from_secs(150);
/// Some gateway hands a package out by then.
const DOWNLOAD: Duration = Duration::from_secs(60);

impl Tenant<'_> {
    pub(super) async fn take_snapshot(&mut self, id: &str) {
        let Some(value) = self.read(id).await else { return };
        let request = self.request();
        let call = async |classic: &Classic| classic.take_snapshot(id).await;
        let begun = self.client.asks(&request, call).await;
        let Some(result) = self.result(id, &request, begun).await else { return };
        if let Some(number) = self.text(&request, &result, "snapshot_id") {
            let name = result["name"].as_str().map(str::to_owned);
            self.told.kept(id, &number, Snapshot { value, name });
        }
    }

    /// As the second version of the API does: it answers before the snapshot is taken.
    pub(super) async fn take_snapshot_v2(&mut self, id: &str) {
        let Some(value) = self.read(id).await else { return };
        let (request, name) = (self.request(), format!("nightly-{value}"));
        let path = format!("/gateway/v2/configurations/{id}/snapshots");
        let body = json!({ "name": name });
        let call =
            async |classic: &Classic| classic.send::<Value>(Method::POST, &path, &body).await;
        let made = match self.client.asks(&request, call).await {
            End::Done(made) => made,
            End::Refused(refusal, _) => {
                return self.told.complains(format!("{request} of {id}: {refusal}"));
            }
            End::Unknown => return,
        };
        let Some(number) = self.text(&request, &made, "snapshot_id") else { return };
        match self.state_v2(&path, &number).await.as_deref() {
            Some("ready") => {
                self.told.kept(id, &number, Snapshot { value, name: Some(name) });
            }
            Some("failed") => eprintln!("snapshot {number} of {id} failed"),
            other => self.told.complains(format!("snapshot {number} of {id} is {other:?}")),
        }
    }

    /// What a snapshot of the second version has become.
    async fn state_v2(&self, path: &str, number: &str) -> Option<String> {
        let state = wait_until("a snapshot's state", TAKEN, async || {
            for classic in &self.client.gateways {
                let list = classic.send::<Value>(Method::GET, path, &Value::Null).await;
                // That gateway is not there, or its bus.
                let Ok(list) = list else { continue };
                let all = list["snapshots"].as_array().cloned().unwrap_or_default();
                let one = all.into_iter().find(|one| one["snapshot_id"] == number);
                let state = one.and_then(|one| one["state"].as_str().map(str::to_owned));
                return state.filter(|state| state != "empty");
            }
            None
        });
        state.await.ok()
    }

    pub(super) async fn roll_back(&mut self, id: &str) {
        let Some((number, Snapshot { value, .. })) = self.some_snapshot(id) else { return };
        let request = self.request();
        self.told.may_have_written(id, value);
        let snapshot = SnapshotId::new(number.as_str()).unwrap();
        let call = async |classic: &Classic| classic.roll_back(id, &snapshot).await;
        let begun = self.client.asks(&request, call).await;
        if self.result(id, &request, begun).await.is_some() {
            self.told.wrote(id, value);
        }
    }

    pub(super) async fn name_snapshot(&mut self, id: &str) {
        let Some((number, _)) = self.some_snapshot(id) else { return };
        let request = self.request();
        let path = format!("/gateway/v1/configurations/{id}/snapshots/{number}/name");
        let body = json!({ "name": request });
        let call =
            async |classic: &Classic| classic.send::<Value>(Method::POST, &path, &body).await;
        match self.client.asks(&request, call).await {
            End::Done(_) => self.told.named(id, &number, Some(request)),
            End::Refused(refusal, _) => {
                self.told.complains(format!("{request} of {id}/{number}: {refusal}"));
            }
            End::Unknown => self.told.named(id, &number, None),
        }
    }

    pub(super) async fn delete_snapshot(&mut self, id: &str) {
        let Some((number, _)) = self.some_snapshot(id) else { return };
        let request = self.request();
        self.told.lost_sight_of_snapshot(id, &number);
        let path = format!("/gateway/v1/configurations/{id}/snapshots/{number}");
        let call = async |classic: &Classic| {
            classic.send::<JobView>(Method::DELETE, &path, &json!({})).await
        };
        let begun = self.client.asks(&request, call).await;
        if self.result(id, &request, begun).await.is_some() {
            self.told.deleted(id, &number);
        }
    }

    /// Has a package made of a snapshot, downloads it, and imports it into one of its instances.
    pub(super) async fn hand_over(&mut self, id: &str) {
        let Some((number, Snapshot { value, .. })) = self.some_snapshot(id) else { return };
        let request = self.request();
        let path = format!("/gateway/v1/configurations/{id}/serialized/url/snapshots/{number}");
        let call = async |classic: &Classic| {
            classic.send::<JobView>(Method::POST, &path, &json!({})).await
        };
        let begun = self.client.asks(&request, call).await;
        if self.result(id, &request, begun).await.is_none() {
            return;
        }
        let Some(url) = self.download(&path).await else {
            return self.told.complains(format!("{request}: nobody hands out {id}/{number}"));
        };
        let living: Vec<String> = self.told.living.keys().cloned().collect();
        let to = self.dice.one_of(&living).clone();
        let (request, body) = (self.request(), json!({ "url": url }));
        let path = format!("/gateway/v1/configurations/{to}/serialized/url");
        let call =
            async |classic: &Classic| classic.send::<JobView>(Method::PUT, &path, &body).await;
        let begun = self.client.asks(&request, call).await;
        let Some(result) = self.result(&to, &request, begun).await else { return };
        if let Some(imported) = self.text(&request, &result, "snapshot_id") {
            let name = result["name"].as_str().map(str::to_owned);
            self.told.kept(&to, &imported, Snapshot { value, name });
        }
    }

    /// Fetches a package from whichever gateway is there; where it was had.
    async fn download(&self, path: &str) -> Option<String> {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let had = wait_until("a package", DOWNLOAD, async || {
            for classic in &self.client.gateways {
                let link = classic.send::<Value>(Method::GET, path, &Value::Null).await;
                let Ok(link) = link else { continue };
                let url = link["url"].as_str()?.to_owned();
                let Ok(answer) = http.get(&url).send().await else { continue };
                let Ok(answer) = answer.error_for_status() else { continue };
                let Ok(package) = answer.bytes().await else { continue };
                if package.starts_with(b"PK") {
                    return Some(url);
                }
            }
            None
        });
        had.await.ok()
    }

    fn some_snapshot(&mut self, id: &str) -> Option<(String, Snapshot)> {
        let known: Vec<_> = self.told.living[id].snapshots.clone().into_iter().collect();
        if known.is_empty() { None } else { Some(self.dice.one_of(&known).clone()) }
    }

    fn text(&mut self, request: &str, object: &Value, key: &str) -> Option<String> {
        let text = object[key].as_str().map(str::to_owned);
        if text.is_none() {
            self.told.complains(format!("{request}: no {key} in {object}"));
        }
        text
    }

    /// What a job came to when it was completed. One that fails for good is a complaint.
    async fn result(&mut self, id: &str, request: &str, begun: End<JobView>) -> Option<Value> {
        let begun = match begun {
            End::Done(view) => view,
            End::Refused(refusal, _) => {
                self.told.complains(format!("{request} of {id}: {refusal}"));
                return None;
            }
            End::Unknown => return None,
        };
        let view = self.client.ended(id, &begun).await?;
        let result = view.result.unwrap_or_default();
        if view.status == JobStatus::Completed {
            return Some(result);
        }
        let what = format!("{request}, job {} of {id}", view.job_id);
        eprintln!("{what} ended as {:?}: {result}", view.status);
        self.told.job_failed(&what, result["code"].as_u64().unwrap_or_default());
        None
    }
}
