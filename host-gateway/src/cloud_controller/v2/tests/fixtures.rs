//! The original's requests and a cloud controller's answers, whole: ours writes and reads them.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::super::*;
use super::client_at;
use crate::cloud_controller::tests::platform::{Heard, Platform, offering};
use crate::config::Listing;

macro_rules! fixture {
    ($id:literal) => {
        include_str!(concat!("../../../../../tests/golden/fixtures/", $id, ".json"))
    };
}

/// The gateway that they are of.
const GATEWAY: &str = "http://10.10.4.21:41317";
const SERVICE: &str = "/v2/services/5ccb704b-7bd7-41d3-9c83-8218296c378a";

/// Fixtures by the beginning of the request that they answer.
type Answers = &'static [(&'static str, &'static str)];

const CREATED: Answers = &[
    ("POST /v2/services", fixture!("cc-2.3.5-create-service.response")),
    ("POST /v2/service_plans", fixture!("cc-2.3.5-create-plan.response")),
];

const LISTED: Answers = &[
    ("GET /v2/services?inline-relations", fixture!("cc-2.3.3-list-services-page2.response")),
    ("GET /v2/services?", fixture!("cc-2.3.3-list-services-page1.response")),
    ("GET /v2/services/5ccb704b", fixture!("cc-2.3.3-list-plans.response")),
    ("GET /v2/service_instances?q", fixture!("cc-2.3.6-list-instances.response")),
    ("GET /v2/service_bindings?q", fixture!("cc-2.3.6-list-bindings.response")),
    ("PUT /v2/services/5ccb704b", fixture!("cc-2.3.5-update-service.response")),
    ("PUT /v2/service_plans/1b2f6c1e", fixture!("cc-2.3.5-update-plan.response")),
];

fn parse(fixture: &str) -> Value {
    serde_json::from_str(fixture).unwrap()
}

fn answer(heard: &Heard, answers: Answers) -> Response {
    if heard.line.contains("/oauth/token") {
        return Json(json!({ "access_token": "t" })).into_response();
    }
    match answers.iter().find(|(begin, _)| heard.line.starts_with(begin)) {
        Some((_, fixture)) => {
            let fixture = parse(fixture);
            let status = fixture["status"].as_u64().and_then(|status| status.try_into().ok());
            let status = StatusCode::from_u16(status.unwrap()).unwrap();
            (status, Json(fixture["body"].clone())).into_response()
        }
        None => {
            Json(json!({ "total_results": 0, "next_url": null, "resources": [] })).into_response()
        }
    }
}

/// What was written to a cloud controller that answers `answers`, while `work` was done.
async fn writes(answers: Answers, offering: &OfferingConfig) -> Vec<Heard> {
    let platform = Platform::start(move |heard: &Heard| answer(heard, answers)).await;
    client_at(&platform.url, GATEWAY).notify(offering, Presence::Here).await.unwrap();
    let is_write = |heard: &Heard| !heard.line.contains("oauth") && !heard.line.starts_with("GET");
    platform.heard().into_iter().filter(is_write).collect()
}

/// The offering that they are of.
fn of_2013() -> OfferingConfig {
    let mut offering = offering();
    offering.unique_id = "92a06847-9446-407f-8aaa-a6f20c1d2cdc".to_owned();
    "5.5".clone_into(&mut offering.version);
    offering.version_aliases.clear();
    offering.platform_timeout = Duration::from_secs(10);
    offering.listing = Listing {
        provider_name: Some("Core".to_owned()),
        logo_url: Some("http://example.com/mysql.png".to_owned()),
        blurb: Some("Shared MySQL".to_owned()),
    };
    offering.plans.truncate(1);
    let plan = &mut offering.plans[0];
    plan.unique_id = "rds-mysql-free-7b1e5f1c-9d55-4c1e-8a4f-2f6b0a3f9e11".to_owned();
    "20 MB".clone_into(&mut plan.description);
    offering
}

/// Each write is the request of its fixture.
fn check(writes: &[Heard], requests: &[&str]) {
    assert_eq!(writes.len(), requests.len(), "{writes:?}");
    for (write, request) in writes.iter().zip(requests) {
        let request = parse(request);
        let text = |field: &str| request[field].as_str().unwrap().to_owned();
        assert_eq!(write.line, format!("{} {}", text("method"), text("path")));
        assert_eq!(write.body, request["body"], "{}", request["id"]);
    }
}

#[tokio::test]
async fn an_offering_is_created_as_the_original_did() {
    let requests =
        [fixture!("cc-2.3.5-create-service.request"), fixture!("cc-2.3.5-create-plan.request")];
    check(&writes(CREATED, &of_2013()).await, &requests);
}

#[tokio::test]
async fn an_offering_that_is_listed_otherwise_is_changed_as_the_original_did() {
    let as_listed = writes(LISTED, &of_2013()).await;
    // The list does not tell of the time-out, so that is written once.
    check(&as_listed, &[fixture!("cc-2.3.5-update-service.request")]);

    let mut changed = of_2013();
    "21 MB".clone_into(&mut changed.plans[0].description);
    let mut request = parse(fixture!("cc-2.3.5-update-plan.request"));
    request["body"]["description"] = json!("21 MB");
    let requests = [fixture!("cc-2.3.5-update-service.request"), &request.to_string()];
    check(&writes(LISTED, &changed).await, &requests);
}

#[tokio::test]
async fn p35_both_versions_of_the_cloud_controller_give_the_same_handles() {
    let platform = Platform::start(|heard: &Heard| answer(heard, LISTED)).await;
    let fetched = client_at(&platform.url, GATEWAY).handles(&of_2013()).await.unwrap();
    let v1 = parse(fixture!("cc-2.2.3-fetch-handles-v1.response"));
    let expected: Vec<Handle> = serde_json::from_value(v1["body"]["handles"].clone()).unwrap();
    // A handle is a secret: it has no Debug.
    assert!(fetched.instances().chain(fetched.bindings()).eq(expected));
    assert_eq!(fetched.unreadable(), 0);
    let lines = platform.lines();
    assert!(lines.iter().any(|line| line.contains("page=2")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains(SERVICE)), "{lines:?}");
}

#[tokio::test]
async fn p10_a_handle_is_updated_as_the_original_was_to() {
    for request in [
        fixture!("cc-2.3.7-update-instance-handle.request"),
        fixture!("cc-2.3.7-update-binding-handle.request"),
    ] {
        let fixture = parse(request);
        let (body, path) = (&fixture["body"], fixture["path"].as_str().unwrap());
        let handle = json!({
            "service_id": path.rsplit('/').next(), "configuration": body["gateway_data"],
            "credentials": body["credentials"],
        });
        let mut offering = of_2013();
        offering.token = tenon_protocol::Secret::new(body["token"].as_str().unwrap().to_owned());
        let platform = Platform::start(|heard: &Heard| answer(heard, &[])).await;
        let client = client_at(&platform.url, GATEWAY);
        client.update_handle(&offering, &serde_json::from_value(handle).unwrap()).await.unwrap();
        let heard = platform.heard();
        check(&heard[heard.len() - 1..], &[request]);
    }
}
