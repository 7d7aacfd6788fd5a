//! A version 1 cloud controller. Reference, section 2.2.

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tenon_protocol::BindingId;
use tenon_protocol::message::{Deactivation, Handle, Object, OfferingNotice};

use super::exchange::{read, send};
use super::odd::Remarks;
use super::{CloudControllerError, Fetched, Presence};
use crate::config::OfferingConfig;

/// A client of one.
#[derive(Clone)]
pub(crate) struct V1 {
    client: Client,
    remarks: Remarks,
    url: String,
    own_url: String,
}

impl V1 {
    /// Speaks to the one at `url`, and tells it that this gateway listens at `own_url`.
    pub(super) fn new(client: Client, url: String, own_url: String) -> Self {
        Self { client, remarks: Remarks::new(&url), url, own_url }
    }

    pub(super) const fn remarks(&self) -> &Remarks {
        &self.remarks
    }

    /// Heartbeat and deactivation. A plan that is not in them is removed, with its instances.
    pub(super) async fn notify(
        &self,
        offering: &OfferingConfig,
        presence: Presence,
        kept: &[String],
    ) -> Result<(), CloudControllerError> {
        let url = format!("{}/services/v1/offerings", self.url);
        let notice = notice(offering, &self.own_url, kept);
        let request = self.client.post(&url);
        let request = match presence {
            Presence::Here => request.json(&notice),
            Presence::Leaving => request.json(&Deactivation::from(notice)),
        };
        send(&url, with_token(request, offering)).await.map(drop)
    }

    /// One list with all of them.
    pub(super) async fn handles(
        &self,
        offering: &OfferingConfig,
    ) -> Result<Fetched, CloudControllerError> {
        let url = self.handles_url(offering);
        let response = send(&url, with_token(self.client.get(&url), offering)).await?;
        let body = read(&url, response).await?;
        let fetched = Fetched::of_list(body);
        let fetched = fetched.map_err(|source| CloudControllerError::Garbled { url, source })?;
        self.remarks.tell(&offering.classic_label(), &fetched.odd);
        Ok(fetched)
    }

    /// A POST; the original meant to send it, and could not. Reference, section 2.2.4.
    pub(super) async fn update_handle(
        &self,
        offering: &OfferingConfig,
        handle: &Handle,
    ) -> Result<(), CloudControllerError> {
        // The original's path has no provider, whoever provides.
        let label = offering.classic_label();
        let id = BindingId::new(handle.service_id.as_str())?;
        let url = format!("{}/services/v1/offerings/{label}/handles/{id}", self.url);
        let request = self.client.post(&url).json(handle);
        send(&url, with_token(request, offering)).await.map(drop)
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

/// The notice, with the fields of the original's. Reference, section 2.2.1.
fn notice(offering: &OfferingConfig, own_url: &str, kept: &[String]) -> OfferingNotice {
    let configured = offering.plans.iter().map(|plan| &plan.name);
    let others = kept.iter().filter(|kept| offering.plans.iter().all(|plan| plan.name != **kept));
    OfferingNotice {
        label: offering.classic_label(),
        url: own_url.to_owned(),
        supported_versions: offering.supported_versions.clone(),
        version_aliases: offering.version_aliases.clone(),
        description: Some(offering.description.clone()),
        provider: Some(offering.provider.clone()),
        plans: Some(configured.chain(others).cloned().collect()),
        cf_plan_id: cf_plan_id(offering),
        default_plan: Some(offering.default_plan.clone()),
        tags: Some(offering.tags.clone()),
        active: Some(true),
        acls: offering.acls.clone(),
        timeout: Some(offering.platform_timeout.as_secs()),
    }
}

/// Billing ids by plan; `None` when no plan has one.
fn cf_plan_id(offering: &OfferingConfig) -> Option<Value> {
    let ids = offering.plans.iter().filter_map(|plan| {
        let id = plan.cf_plan_id.clone()?;
        Some((plan.name.clone(), Value::String(id)))
    });
    let ids: Object = ids.collect();
    (!ids.is_empty()).then_some(Value::Object(ids))
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use serde_json::json;
    use tenon_protocol::RequestId;

    use super::*;
    use crate::cloud_controller::odd::tests::logged;
    use crate::cloud_controller::tests::platform::{Platform, offering, plain_client};
    use crate::sender::Sender;

    fn client_of(url: &str) -> V1 {
        V1::new(plain_client(), url.to_owned(), "http://gw".to_owned())
    }

    #[test]
    fn the_notice_has_what_the_original_sent() {
        let notice = serde_json::to_value(notice(&offering(), "http://127.0.0.1:15001", &[]));
        let notice = notice.unwrap();
        let expected = json!({
            "label": "mysql-10.11", "description": "MySQL database", "provider": "core",
            "url": "http://127.0.0.1:15001", "plans": ["free", "large"], "default_plan": "free",
            "tags": ["mysql"], "active": true, "supported_versions": ["10.11"],
            "version_aliases": { "current": "10.11" }, "timeout": 15,
        });
        assert_eq!(notice, expected);
    }

    #[tokio::test]
    async fn p34_a_plan_that_is_kept_is_in_both_notices_once_and_without_an_id_for_billing() {
        let platform = Platform::start(|_| "{}").await;
        let mut offering = offering();
        offering.plans[0].cf_plan_id = Some("0001".to_owned());
        let kept = ["gold".to_owned(), "free".to_owned()];
        let cc = client_of(&platform.url);
        for presence in [Presence::Here, Presence::Leaving] {
            cc.notify(&offering, presence, &kept).await.unwrap();
        }
        let [here, leaving] = platform.heard().try_into().unwrap();
        assert_eq!(here.body["plans"], json!(["free", "large", "gold"]));
        assert_eq!(leaving.body["plans"], here.body["plans"]);
        // A cloud controller of 2011 takes no id of a plan that is not in the list.
        assert_eq!(here.body["cf_plan_id"], json!({ "free": "0001" }));
        assert_eq!([&here.body["active"], &leaving.body["active"]], [true, false]);
    }

    #[test]
    fn another_provider_has_its_own_handles() {
        let cc = client_of("http://cc");
        let mut offering = offering();
        assert_eq!(
            cc.handles_url(&offering),
            "http://cc/services/v1/offerings/mysql-10.11/handles"
        );
        "acme".clone_into(&mut offering.provider);
        assert!(cc.handles_url(&offering).ends_with("/mysql-10.11/acme/handles"));
    }

    fn handle(id: &str) -> Handle {
        serde_json::from_value(json!({
            "service_id": id,
            "configuration": { "plan": "free", "version": "10.11" },
            "credentials": { "name": "d1", "node_id": "n2" },
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn p10_an_update_of_a_handle_is_sent_whole() {
        let platform = Platform::start(|_| "{}").await;
        client_of(&platform.url).update_handle(&offering(), &handle("d1")).await.unwrap();
        let heard = platform.heard().remove(0);
        assert_eq!(heard.line, "POST /services/v1/offerings/mysql-10.11/handles/d1");
        assert_eq!(heard.header("x-vcap-service-token"), Some("mysql-secret"));
        assert_eq!(heard.header("content-type"), Some("application/json"));
        assert_eq!(heard.body, json!(handle("d1")));
    }

    #[tokio::test]
    async fn a_request_made_for_one_of_the_platform_has_its_name() {
        let platform = Platform::start(|_| "{}").await;
        let sender = Sender { peer: None, request: RequestId::new("r1").ok() };
        let (cc, offering, handle) = (client_of(&platform.url), offering(), handle("d1"));
        let update = || cc.update_handle(&offering, &handle);
        sender.scope(update()).await.unwrap();
        update().await.unwrap();
        let named = platform
            .heard()
            .iter()
            .map(|heard| heard.header("x-vcap-request-id").map(str::to_owned))
            .collect::<Vec<_>>();
        assert_eq!(named, [Some("r1".to_owned()), None]);
    }

    #[tokio::test]
    async fn p10_an_update_that_was_refused_is_an_error() {
        let platform = Platform::start(|_| StatusCode::NOT_FOUND).await;
        let cc = client_of(&platform.url);
        let error = cc.update_handle(&offering(), &handle("d1")).await.unwrap_err();
        let refused = CloudControllerError::Refused {
            url: format!("{}/services/v1/offerings/mysql-10.11/handles/d1", platform.url),
            status: StatusCode::NOT_FOUND,
        };
        assert_eq!(error.to_string(), refused.to_string());
        let error = cc.update_handle(&offering(), &handle("../x")).await.unwrap_err();
        assert!(matches!(error, CloudControllerError::Unnameable(_)), "{error}");
        assert_eq!(platform.lines().len(), 1);
    }

    #[test]
    fn what_is_odd_is_told_once_whoever_fetches_and_however_often() {
        const BAD: usize = 100_000;
        let bad = |number| match number % 4 {
            0 => json!({ "service_id": format!("d{number}"), "credentials": "hunter2" }),
            1 => json!({ "credentials": { "name": "d1" } }),
            2 => json!({ "service_id": "d7", "credentials": { "node_id": "n1" } }),
            _ => json!("hunter2"),
        };
        let good = json!(handle("d1"));
        let mut other = good.clone();
        other["credentials"]["node_id"] = json!("n3");
        let handles = (0..BAD).map(bad).chain([good.clone(), good, other]).collect::<Vec<_>>();
        let body = serde_json::to_string(&json!({ "handles": handles })).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let told = logged(|| {
            runtime.block_on(async {
                let platform = Platform::start(move |_| body.clone()).await;
                let cc = client_of(&platform.url);
                for _ in 0..3 {
                    let fetched = cc.clone().handles(&offering()).await.unwrap();
                    assert_eq!((fetched.instances().count(), fetched.unreadable()), (1, BAD));
                }
            });
        });
        assert!(!told.contains("hunter2"), "{told}");
        let lines: Vec<&str> = told.lines().filter(|line| line.contains("WARN")).collect();
        let [unreadable, repeated, contradicted] = *lines else { panic!("{told}") };
        for line in lines {
            let who = "what=\"mysql-10.11\" from=\"http://127.0.0.1:";
            assert!(line.contains(who), "{line}");
        }
        let said =
            "count=100000 first=\"d0 (Data at 24), without a name (Data at 29), d7 (no name)\"";
        assert!(unreadable.contains(said), "{unreadable}");
        assert!(repeated.contains("more than once") && repeated.contains("count=1 first=\"d1\""));
        assert!(contradicted.contains("with other words") && contradicted.contains("count=1 "));
    }
}
