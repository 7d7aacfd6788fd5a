//! What is asked of a version 2 cloud controller, in the order of the original or better.

mod fixtures;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tenon_protocol::Secret;

use super::*;
use crate::cloud_controller::tests::platform::{Heard, Platform, offering, plain_client};
use crate::config::Grant;

fn client_of(url: &str) -> V2 {
    client_at(url, "http://gw")
}

/// A client for the cloud controller at `url`, of a gateway at `own_url`.
fn client_at(url: &str, own_url: &str) -> V2 {
    let grant = Grant::ClientCredentials { secret: Secret::new("s".to_owned()) };
    let uaa = UaaConfig { url: url.to_owned(), client_id: "gw".to_owned(), grant };
    V2::new(plain_client(), url.to_owned(), own_url.to_owned(), uaa)
}

fn resource(guid: &str, entity: impl serde::Serialize) -> Value {
    json!({ "metadata": { "guid": guid, "url": "x", "created_at": "y" }, "entity": entity })
}

/// Lists by path.
type Lists = &'static [(&'static str, fn() -> Vec<Value>)];

/// A cloud controller with these lists; what is not listed is empty. Creations get `new`.
async fn cloud_controller(lists: Lists) -> Platform {
    Platform::start(move |heard: &Heard| answer(heard, lists)).await
}

fn answer(heard: &Heard, lists: Lists) -> Response {
    if heard.line.contains("/oauth/token") {
        return Json(json!({ "access_token": "t" })).into_response();
    }
    if heard.header("authorization") != Some("bearer t") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if heard.line.starts_with("POST") {
        return (StatusCode::CREATED, Json(resource("new", json!({})))).into_response();
    }
    let entries = lists.iter().find(|(path, _)| heard.line.starts_with(&format!("GET {path}")));
    let entries = entries.map(|(_, entries)| entries()).unwrap_or_default();
    Json(json!({ "total_results": entries.len(), "next_url": null, "resources": entries }))
        .into_response()
}

fn writes(platform: &Platform) -> Vec<Heard> {
    let heard = platform.heard().into_iter();
    let is_write = |heard: &Heard| !heard.line.contains("oauth") && !heard.line.starts_with("GET");
    heard.filter(is_write).collect()
}

fn lines(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|heard| heard.line.as_str()).collect()
}

#[tokio::test]
async fn an_empty_catalog_gets_the_service_and_its_plans() {
    let platform = cloud_controller(&[]).await;
    client_of(&platform.url).notify(&offering(), Presence::Here).await.unwrap();
    let writes = writes(&platform);
    assert_eq!(
        lines(&writes),
        ["POST /v2/services", "POST /v2/service_plans", "POST /v2/service_plans"]
    );
    assert_eq!(writes[0].body["unique_id"], json!("core_mysql"));
    assert_eq!(writes[1].body["service_guid"], json!("new"));
    assert_eq!(writes[2].body["unique_id"], json!("core_mysql_large"));
}

fn own_service() -> Value {
    let wanted = catalog::service(&offering(), "http://gw", Presence::Here);
    resource("s1", wanted.creation())
}

fn anothers_service() -> Value {
    resource("s2", json!({ "label": "redis", "provider": "core", "unique_id": "core_redis" }))
}

fn services() -> Vec<Value> {
    vec![anothers_service(), own_service()]
}

fn old_plans() -> Vec<Value> {
    let offering = offering();
    let free = catalog::plan(&offering.plans[0], "s1").creation();
    let gone = json!({ "name": "gone", "unique_id": "core_mysql_gone" });
    vec![resource("p1", free), resource("p9", gone)]
}

#[tokio::test]
async fn p06_p34_a_second_notice_writes_what_is_missing_and_touches_nothing_else() {
    let platform =
        cloud_controller(&[("/v2/services?", services), ("/v2/services/s1/", old_plans)]).await;
    let cc = client_of(&platform.url);
    cc.notify(&offering(), Presence::Here).await.unwrap();
    let writes = writes(&platform);
    assert_eq!(lines(&writes), ["POST /v2/service_plans"]);
    assert_eq!(writes[0].body["name"], json!("large"));
    assert!(platform.lines().iter().all(|line| !line.contains("DELETE")));
}

fn other_owner() -> Vec<Value> {
    let mut service = own_service();
    service["entity"]["unique_id"] = json!("other");
    vec![service]
}

#[tokio::test]
async fn p06_an_offering_of_another_gateway_is_not_written_and_its_handles_are_not_read() {
    let platform = cloud_controller(&[("/v2/services?", other_owner)]).await;
    let cc = client_of(&platform.url);
    let error = cc.notify(&offering(), Presence::Here).await.unwrap_err();
    assert!(matches!(error, CloudControllerError::Taken { .. }), "{error}");
    assert!(matches!(cc.handles(&offering()).await, Err(CloudControllerError::Taken { .. })));
    cc.notify(&offering(), Presence::Leaving).await.unwrap();
    assert!(writes(&platform).is_empty());
}

#[tokio::test]
async fn p07_leaving_makes_the_service_inactive() {
    let platform = cloud_controller(&[("/v2/services?", services)]).await;
    client_of(&platform.url).notify(&offering(), Presence::Leaving).await.unwrap();
    let writes = writes(&platform);
    assert_eq!(lines(&writes), ["PUT /v2/services/s1"]);
    assert_eq!(writes[0].body["active"], json!(false));
    assert!(writes[0].body.get("unique_id").is_none());
}

fn moved_service() -> Vec<Value> {
    let mut service = own_service();
    service["entity"]["url"] = json!("http://other-gw");
    vec![service]
}

#[tokio::test]
async fn p07_leaving_does_not_withdraw_what_another_gateway_serves() {
    let platform = cloud_controller(&[("/v2/services?", moved_service)]).await;
    client_of(&platform.url).notify(&offering(), Presence::Leaving).await.unwrap();
    assert!(writes(&platform).is_empty());
}

fn instances() -> Vec<Value> {
    let entity = json!({
        "name": "orders-db", "credentials": { "name": "d1", "node_id": "n1" },
        "gateway_data": { "plan": "free", "version": "10.11" }, "dashboard_url": null,
        "service_plan_guid": "p1", "space_guid": "s", "something_new": [1],
    });
    vec![resource("i1", entity), resource("i2", json!({ "credentials": {} })), json!(7)]
}

fn bindings() -> Vec<Value> {
    let entity = json!({
        "app_guid": "a", "service_instance_guid": "i1", "binding_options": {},
        "credentials": { "name": "d1", "user": "u" }, "gateway_name": "b1",
        "gateway_data": { "plan": "free", "data": { "binding_options": {} } }, "later": true,
    });
    vec![resource("x1", entity)]
}

#[tokio::test]
async fn p13_only_own_instances_and_bindings_are_read() {
    let platform = cloud_controller(&[
        ("/v2/services?", services),
        ("/v2/services/s1/", old_plans),
        ("/v2/service_instances?q=service_plan_guid:p1", instances),
        ("/v2/service_bindings?q=service_instance_guid:i1", bindings),
    ])
    .await;
    let fetched = client_of(&platform.url).handles(&offering()).await.unwrap();
    let ids = |handle: Handle| (handle.service_id, handle.configuration.plan.unwrap_or_default());
    let pair = |id: &str| (id.to_owned(), "free".to_owned());
    assert_eq!(fetched.instances().map(ids).collect::<Vec<_>>(), [pair("d1")]);
    assert_eq!(fetched.bindings().map(ids).collect::<Vec<_>>(), [pair("b1")]);
    // One without a name, one that is no entry.
    assert_eq!(fetched.unreadable(), 2);
    let mut lines = platform.lines();
    // Lists of bindings are asked for at once.
    lines.sort();
    assert_eq!(
        lines,
        [
            "GET /v2/service_bindings?q=service_instance_guid:i1&results-per-page=100",
            "GET /v2/service_bindings?q=service_instance_guid:i2&results-per-page=100",
            "GET /v2/service_instances?q=service_plan_guid:p1&results-per-page=100",
            "GET /v2/service_instances?q=service_plan_guid:p9&results-per-page=100",
            "GET /v2/services/s1/service_plans?results-per-page=100",
            "GET /v2/services?results-per-page=100",
            "POST /oauth/token",
        ]
    );
}

fn no_service() -> Vec<Value> {
    vec![anothers_service(), json!({ "metadata": {}, "entity": { "unique_id": "core_mysql" } })]
}

fn no_plan() -> Vec<Value> {
    vec![old_plans().remove(0), json!({ "metadata": {}, "entity": {} })]
}

#[tokio::test]
async fn p08_what_a_catalog_may_hide_is_not_taken_for_absent() {
    // Our own service may be the entry that cannot be read.
    let platform = cloud_controller(&[("/v2/services?", no_service)]).await;
    let Err(error) = client_of(&platform.url).handles(&offering()).await else {
        panic!("a list of nothing");
    };
    let expected =
        format!("the list at {}/v2/services has entries that cannot be read", platform.url);
    assert_eq!(error.to_string(), expected);
    // And a plan of ours has instances that nobody lists.
    let platform =
        cloud_controller(&[("/v2/services?", services), ("/v2/services/s1/", no_plan)]).await;
    let fetched = client_of(&platform.url).handles(&offering()).await.unwrap();
    assert_eq!((fetched.instances().count(), fetched.unreadable()), (0, 1));
    assert_eq!(fetched.plans(), None);
}

#[tokio::test]
async fn a_platform_that_does_not_know_the_offering_has_no_handles() {
    let platform = cloud_controller(&[]).await;
    let fetched = client_of(&platform.url).handles(&offering()).await.unwrap();
    assert_eq!((fetched.instances().count(), fetched.unreadable()), (0, 0));
}

async fn check_update(id: &str, expected: &str) {
    let platform = cloud_controller(&[]).await;
    let handle = json!({
        "service_id": id, "configuration": { "plan": "free", "version": "5.5" },
        "credentials": { "name": "d1", "node_id": "n2" },
    });
    let handle: Handle = serde_json::from_value(handle).unwrap();
    client_of(&platform.url).update_handle(&offering(), &handle).await.unwrap();
    let writes = writes(&platform);
    assert_eq!(lines(&writes), [expected]);
    let expected = json!({
        "token": "mysql-secret", "gateway_data": { "plan": "free", "version": "5.5" },
        "credentials": { "name": "d1", "node_id": "n2" },
    });
    assert_eq!(writes[0].body, expected);
}

#[tokio::test]
async fn p10_an_update_of_a_handle_says_what_it_is() {
    check_update("d1", "PUT /v2/service_instances/internal/d1").await;
    check_update("b1", "PUT /v2/service_bindings/internal/b1").await;
}
