//! The routes of a version 2 cloud controller and of its UAA. Reference, section 2.3.
//!
//! Handles are the same as in version 1. An instance's guid is its id with `i-` before it.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tenon_protocol::message::{Configuration, Handle, Object};

use super::book::Book;
use super::catalog::Kind;
use super::refusal::Refusal;
use super::{Answer, Shared, lock, uaa};

/// How many entries a page has, unless it is said; and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 100;

type Created = Result<(StatusCode, Json<Value>), Refusal>;

/// The routes.
pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route(&format!("{}/oauth/token", uaa::PATH), post(grant))
        .route("/v2/services", get(list_services).post(create_service))
        .route("/v2/services/{guid}", put(update_service))
        .route("/v2/services/{guid}/service_plans", get(list_plans))
        .route("/v2/service_plans", post(create_plan))
        .route("/v2/service_plans/{guid}", put(update_plan))
        .route("/v2/service_instances", get(list_instances))
        .route("/v2/service_instances/internal/{id}", put(update_handle))
        .route("/v2/service_bindings", get(list_bindings))
        .route("/v2/service_bindings/internal/{id}", put(update_handle))
}

async fn grant(State(book): State<Shared>, headers: HeaderMap) -> Answer {
    Ok(Json(lock(&book).uaa.grant(authorization(&headers))?))
}

async fn list_services(State(book): State<Shared>, uri: Uri, headers: HeaderMap) -> Answer {
    let book = lock(&book);
    admit(&book, &headers)?;
    Ok(page(&uri, &book.catalog.services()))
}

async fn list_plans(
    State(book): State<Shared>,
    Path(service): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let book = lock(&book);
    admit(&book, &headers)?;
    Ok(page(&uri, &book.catalog.plans_of(&service)))
}

async fn create_service(book: State<Shared>, headers: HeaderMap, entity: Json<Object>) -> Created {
    create(&book, &headers, Kind::Service, entity.0)
}

async fn create_plan(book: State<Shared>, headers: HeaderMap, entity: Json<Object>) -> Created {
    create(&book, &headers, Kind::Plan, entity.0)
}

async fn update_service(
    book: State<Shared>,
    guid: Path<String>,
    headers: HeaderMap,
    changes: Json<Object>,
) -> Created {
    update(&book, &headers, (Kind::Service, &guid.0), changes.0)
}

async fn update_plan(
    book: State<Shared>,
    guid: Path<String>,
    headers: HeaderMap,
    changes: Json<Object>,
) -> Created {
    update(&book, &headers, (Kind::Plan, &guid.0), changes.0)
}

fn create(book: &Shared, headers: &HeaderMap, kind: Kind, entity: Object) -> Created {
    let mut book = lock(book);
    admit(&book, headers)?;
    let created = book.catalog.create(kind, entity)?;
    book.save_catalog()?;
    Ok((StatusCode::CREATED, Json(created)))
}

fn update(
    book: &Shared,
    headers: &HeaderMap,
    (kind, guid): (Kind, &str),
    changes: Object,
) -> Created {
    let mut book = lock(book);
    admit(&book, headers)?;
    let withdraws = changes.get("active") == Some(&json!(false));
    let updated = book.catalog.update(kind, guid, changes)?;
    if let Some(label) =
        updated.pointer("/entity/label").and_then(Value::as_str).filter(|_| withdraws)
    {
        book.note_withdrawal(label);
    }
    book.save_catalog()?;
    // As the original: 201 to both.
    Ok((StatusCode::CREATED, Json(updated)))
}

async fn list_instances(State(book): State<Shared>, uri: Uri, headers: HeaderMap) -> Answer {
    let book = lock(&book);
    admit(&book, &headers)?;
    let plan_guid = filter(&uri, "service_plan_guid")?;
    let Some((label, plan)) = book.catalog.plan(&plan_guid) else {
        return Ok(page(&uri, &[]));
    };
    let handles = handles(&book, label).into_iter().filter(Handle::is_instance);
    let of_plan = handles.filter(|handle| handle.configuration.plan.as_deref() == Some(plan));
    let resources = of_plan.map(|handle| {
        let guid = format!("i-{}", handle.service_id);
        json!({
            "metadata": { "guid": guid, "url": format!("/v2/service_instances/{guid}") },
            "entity": {
                "name": handle.service_id, "credentials": handle.credentials,
                "gateway_data": handle.configuration, "service_plan_guid": plan_guid,
                "dashboard_url": null,
            },
        })
    });
    Ok(page(&uri, &resources.collect::<Vec<_>>()))
}

async fn list_bindings(State(book): State<Shared>, uri: Uri, headers: HeaderMap) -> Answer {
    let book = lock(&book);
    admit(&book, &headers)?;
    let instance_guid = filter(&uri, "service_instance_guid")?;
    let id = instance_guid.strip_prefix("i-").unwrap_or_default();
    let labels = book.labels();
    let handles = labels.iter().flat_map(|label| handles(&book, label));
    let of_instance =
        handles.filter(|handle| !handle.is_instance() && handle.instance() == Some(id));
    let resources = of_instance.map(|handle| {
        let guid = format!("b-{}", handle.service_id);
        json!({
            "metadata": { "guid": guid, "url": format!("/v2/service_bindings/{guid}") },
            "entity": {
                "service_instance_guid": instance_guid, "gateway_name": handle.service_id,
                "credentials": handle.credentials, "gateway_data": handle.configuration,
                "binding_options": {},
            },
        })
    });
    Ok(page(&uri, &resources.collect::<Vec<_>>()))
}

#[derive(Deserialize)]
struct HandleUpdate {
    token: String,
    gateway_data: Configuration,
    credentials: Object,
}

/// The offering's token in the body says whose handle may be changed.
async fn update_handle(
    State(book): State<Shared>,
    Path(id): Path<String>,
    Json(update): Json<HandleUpdate>,
) -> Answer {
    let mut book = lock(&book);
    book.check_available()?;
    let labels = book.labels();
    let owner = labels.into_iter().find(|label| book.has_handle(label, &id));
    let label = owner.ok_or_else(|| Refusal::UnknownHandle(id.clone()))?;
    book.admit(&label, Some(&update.token))?;
    let handle = Handle {
        service_id: id.clone(),
        configuration: update.gateway_data,
        credentials: update.credentials,
    };
    book.put_handle(&label, &id, &handle)?;
    Ok(Json(json!({})))
}

fn admit(book: &Book, headers: &HeaderMap) -> Result<(), Refusal> {
    book.check_available()?;
    if book.uaa.admits(authorization(headers)) { Ok(()) } else { Err(Refusal::BadToken) }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

fn handles(book: &Book, label: &str) -> Vec<Handle> {
    let handles = book.handles_of(label).into_iter();
    handles.filter_map(|handle| serde_json::from_value(handle).ok()).collect()
}

/// The value of `q=<name>:<value>`.
fn filter(uri: &Uri, name: &str) -> Result<String, Refusal> {
    let query = query(uri).remove("q").unwrap_or_default().replace("%3A", ":");
    let value = query.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
    value.map(str::to_owned).ok_or(Refusal::BadQuery)
}

fn query(uri: &Uri) -> BTreeMap<&str, String> {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k, v.to_owned())).collect()
}

/// The page of `resources` that is asked for, and where the next one is.
fn page(uri: &Uri, resources: &[Value]) -> Json<Value> {
    let mut query = query(uri);
    let mut number = |name: &str| query.remove(name).and_then(|text| text.parse::<usize>().ok());
    let page = number("page").unwrap_or(1).max(1);
    let size = number("results-per-page").unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let pages = resources.len().div_ceil(size).max(1);
    let filters: String = query.iter().map(|(name, value)| format!("{name}={value}&")).collect();
    let link = |page: usize| format!("{}?{filters}page={page}&results-per-page={size}", uri.path());
    let shown: Vec<&Value> = resources.iter().skip((page - 1) * size).take(size).collect();
    Json(json!({
        "total_results": resources.len(), "total_pages": pages,
        "prev_url": (page > 1).then(|| link(page - 1)),
        "next_url": (page < pages).then(|| link(page + 1)),
        "resources": shown,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_page_by_page() {
        let resources: Vec<Value> = (0..5).map(|number| json!(number)).collect();
        let page = |uri: &str| page(&uri.parse().unwrap(), &resources).0;
        let first = page("/v2/x?q=a:b&results-per-page=2");
        assert_eq!((&first["total_results"], &first["total_pages"]), (&json!(5), &json!(3)));
        assert_eq!(first["resources"], json!([0, 1]));
        assert_eq!(first["prev_url"], json!(null));
        let second = page(first["next_url"].as_str().unwrap());
        let third = page(second["next_url"].as_str().unwrap());
        assert_eq!((&third["resources"], &third["next_url"]), (&json!([4]), &json!(null)));
        assert_eq!(third["prev_url"], json!("/v2/x?q=a:b&page=2&results-per-page=2"));
    }

    #[test]
    fn a_list_of_everybodys_is_not_given() {
        let filter = |uri: &str| filter(&uri.parse().unwrap(), "service_plan_guid").ok();
        assert_eq!(filter("/x?q=service_plan_guid:g1").as_deref(), Some("g1"));
        assert_eq!(filter("/x?page=1&q=service_plan_guid%3Ag1").as_deref(), Some("g1"));
        assert_eq!(filter("/x?q=name:g1"), None);
        assert_eq!(filter("/x"), None);
    }
}
