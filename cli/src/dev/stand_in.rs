//! A stand-in for a cloud controller: it keeps the offerings and handles that gateways tell it.
//!
//! Answers the routes of version 1 (reference, section 2.2) or of version 2 with its UAA (2.3), and
//! a few of its own below `/_stand_in/`, to look inside and to set the scene. Asks gateways for
//! nothing.

pub(crate) mod book;
mod catalog;
mod refusal;
pub(crate) mod uaa;
mod v2;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
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

/// Which cloud controller it stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Api {
    /// `/services/v1/offerings`.
    #[default]
    V1,
    /// `/v2/services`, with tokens of a UAA.
    V2,
}

impl Api {
    /// As in `dev.json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// The routes over `book`.
pub(crate) fn router(book: Book, api: Api) -> Router {
    let classic = match api {
        Api::V1 => v1(),
        Api::V2 => v2::router(),
    };
    let book = Arc::new(Mutex::new(book));
    classic
        .layer(from_fn_with_state(Arc::clone(&book), note_request))
        .route("/_stand_in/offerings", get(show_offerings))
        .route("/_stand_in/requests", get(show_requests))
        .route("/_stand_in/withdrawals", get(show_withdrawals))
        .route("/_stand_in/availability", put(set_availability))
        .route("/_stand_in/uaa", put(set_uaa_availability))
        .route("/_stand_in/tokens", delete(revoke_tokens).put(set_token_life))
        .route("/_stand_in/handles", get(show_handles))
        .route("/_stand_in/handles/{label}/{id}", put(put_handle).delete(remove_handle))
        .with_state(book)
}

fn v1() -> Router<Shared> {
    let offerings = "/services/v1/offerings";
    Router::new()
        .route(offerings, post(take_offering))
        .route(&format!("{offerings}/{{label}}/handles"), get(list_handles))
        .route(
            &format!("{offerings}/{{label}}/{{provider}}/handles"),
            get(list_handles_of_provider),
        )
        .route(&format!("{offerings}/{{label}}/handles/{{id}}"), post(update_handle))
}

/// Remembers what was asked for, whatever the answer.
async fn note_request(State(book): State<Shared>, request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    lock(&book).note_request(line);
    next.run(request).await
}

/// The last requests of gateways: an array of `METHOD path`, oldest first.
async fn show_requests(State(book): State<Shared>) -> Json<Value> {
    Json(lock(&book).show_requests())
}

/// How often gateways withdrew each offering: label to number.
async fn show_withdrawals(State(book): State<Shared>) -> Json<Value> {
    Json(lock(&book).show_withdrawals())
}

/// Lets every token be refused from now on.
async fn revoke_tokens(State(book): State<Shared>) -> Json<Value> {
    lock(&book).uaa.revoke_all();
    Json(json!({}))
}

/// Lets tokens that are given from now on be good for less, or more.
async fn set_token_life(
    State(book): State<Shared>,
    Json(TokenLife { seconds }): Json<TokenLife>,
) -> Json<Value> {
    lock(&book).uaa.set_life(seconds);
    Json(json!({ "seconds": seconds }))
}

/// Lets the UAA answer 503, or serve again.
async fn set_uaa_availability(
    State(book): State<Shared>,
    Json(Availability { available }): Json<Availability>,
) -> Json<Value> {
    lock(&book).uaa.set_available(available);
    Json(json!({ "available": available }))
}

/// Heartbeat and deactivation.
async fn take_offering(
    State(book): State<Shared>,
    headers: HeaderMap,
    Json(notice): Json<OfferingNotice>,
) -> Answer {
    let mut book = lock(&book);
    let label = book.admit(&notice.label, token(&headers))?;
    book.take_notice(&label, notice)?;
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

#[derive(Deserialize)]
struct TokenLife {
    seconds: u64,
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
