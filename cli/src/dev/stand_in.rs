//! A stand-in for a v1 cloud controller: it keeps the offerings and handles that gateways tell it.
//!
//! Answers the three classic routes as the original did (reference, section 2.2), and a few of its
//! own below `/_stand_in/`, to look inside and to set the scene. Asks gateways for nothing.

pub(crate) mod book;
mod refusal;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tenon_protocol::message::{Handle, HandleList, OfferingNotice};

use self::book::Book;
use self::refusal::Refusal;

/// Carries the offering's token, both ways.
const TOKEN_HEADER: &str = "X-VCAP-Service-Token";

type Shared = Arc<Mutex<Book>>;
type Answer = Result<Json<Value>, Refusal>;

/// The routes over `book`.
pub(crate) fn router(book: Book) -> Router {
    let offerings = "/services/v1/offerings";
    Router::new()
        .route(offerings, post(take_offering))
        .route(&format!("{offerings}/{{label}}/handles"), get(list_handles))
        .route(
            &format!("{offerings}/{{label}}/{{provider}}/handles"),
            get(list_handles_of_provider),
        )
        .route(&format!("{offerings}/{{label}}/handles/{{id}}"), post(update_handle))
        .route("/_stand_in/offerings", get(show_offerings))
        .route("/_stand_in/availability", put(set_availability))
        .route("/_stand_in/handles", get(show_handles))
        .route("/_stand_in/handles/{label}/{id}", put(put_handle).delete(remove_handle))
        .with_state(Arc::new(Mutex::new(book)))
}

/// Heartbeat and deactivation.
async fn take_offering(
    State(book): State<Shared>,
    headers: HeaderMap,
    Json(notice): Json<OfferingNotice>,
) -> Answer {
    let mut book = lock(&book);
    let label = book.admit(&notice.label, token(&headers))?;
    book.take_notice(&label, notice);
    Ok(Json(json!({})))
}

async fn list_handles(
    State(book): State<Shared>,
    Path(label): Path<String>,
    headers: HeaderMap,
) -> Result<Json<HandleList>, Refusal> {
    let book = lock(&book);
    let label = book.admit(&label, token(&headers))?;
    Ok(Json(HandleList { handles: book.handles_of(&label) }))
}

async fn list_handles_of_provider(
    book: State<Shared>,
    Path((label, _provider)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<HandleList>, Refusal> {
    list_handles(book, Path(label), headers).await
}

/// What a gateway changes of a handle that the cloud controller has.
async fn update_handle(
    State(book): State<Shared>,
    Path((label, id)): Path<(String, String)>,
    headers: HeaderMap,
    Json(handle): Json<Handle>,
) -> Answer {
    let mut book = lock(&book);
    let label = book.admit(&label, token(&headers))?;
    if !book.has_handle(&label, &id) {
        return Err(Refusal::UnknownHandle(id));
    }
    book.put_handle(&label, &id, &handle)?;
    Ok(Json(json!({})))
}

/// What gateways told: an array of offerings.
async fn show_offerings(State(book): State<Shared>) -> Json<Value> {
    Json(lock(&book).show_offerings())
}

/// All handles: label to array.
async fn show_handles(State(book): State<Shared>) -> Json<Value> {
    Json(lock(&book).show_handles())
}

/// What a real cloud controller does after a provision or bind.
async fn put_handle(
    State(book): State<Shared>,
    Path((label, id)): Path<(String, String)>,
    Json(handle): Json<Handle>,
) -> Answer {
    let mut book = lock(&book);
    let label = book.known(&label)?;
    book.put_handle(&label, &id, &handle)?;
    Ok(Json(json!({})))
}

/// What a real cloud controller does after an unprovision or unbind.
async fn remove_handle(
    State(book): State<Shared>,
    Path((label, id)): Path<(String, String)>,
) -> Answer {
    let mut book = lock(&book);
    let label = book.known(&label)?;
    book.remove_handle(&label, &id)?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Availability {
    available: bool,
}

/// Lets the classic routes answer 503, or serve again.
async fn set_availability(
    State(book): State<Shared>,
    Json(Availability { available }): Json<Availability>,
) -> Json<Value> {
    lock(&book).set_available(available);
    Json(json!({ "available": available }))
}

fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(TOKEN_HEADER).and_then(|token| token.to_str().ok())
}

// A panic elsewhere leaves the book whole: each change is one insertion.
fn lock(book: &Shared) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
