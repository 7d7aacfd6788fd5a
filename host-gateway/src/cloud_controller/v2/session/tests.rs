//! Lists: whole, or an error; and tokens that are refused.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response as Answer};
use serde_json::{Value, json};
use tenon_protocol::Secret;

use super::*;
use crate::cloud_controller::Oddity;
use crate::cloud_controller::tests::platform::{Heard, Platform, plain_client};
use crate::config::{Grant, UaaConfig};

fn session(platform: &Platform) -> Session {
    let grant = Grant::ClientCredentials { secret: Secret::new("s".to_owned()) };
    let config = UaaConfig { url: platform.url.clone(), client_id: "gw".to_owned(), grant };
    let client = plain_client();
    Session::new(client.clone(), platform.url.clone(), Uaa::new(client, config))
}

fn token() -> Answer {
    Json(json!({ "access_token": "t", "token_type": "bearer" })).into_response()
}

fn entry(guid: &str) -> Value {
    json!({ "metadata": { "guid": guid, "url": "x" }, "entity": { "n": 1 } })
}

/// What a list gives when its pages are `pages`: page 1 under `/l`, page 2 under `/2`, and so on.
async fn list(pages: Vec<Value>) -> Result<(Vec<String>, usize), String> {
    let platform = Platform::start(move |heard: &Heard| {
        if heard.line.contains("/oauth/") {
            return token();
        }
        let path = heard.line.trim_start_matches("GET /");
        let number = path.split('?').next().and_then(|number| number.parse().ok()).unwrap_or(1);
        match pages.get(number - 1) {
            Some(page) => Json(page.clone()).into_response(),
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    })
    .await;
    let mut guids = Vec::new();
    let take = |entry: Listed<Object>| guids.push(entry.metadata.guid);
    let odd = session(&platform).list("/l", take).await;
    let text = |error: CloudControllerError| error.to_string().replace(&platform.url, "");
    odd.map(|odd| (guids, odd.count(Oddity::Unreadable))).map_err(text)
}

fn page(total: u64, next: &Value, entries: &[Value]) -> Value {
    json!({ "total_results": total, "total_pages": 1, "next_url": next, "resources": entries })
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let pages = vec![
        page(3, &json!("/2?x=1"), &[entry("a"), entry("b")]),
        page(3, &json!(null), &[entry("c")]),
    ];
    let (guids, unreadable) = list(pages).await.unwrap();
    assert_eq!((guids.join(","), unreadable), ("a,b,c".to_owned(), 0));
    assert_eq!(list(vec![json!({ "resources": [] })]).await.unwrap(), (Vec::new(), 0));
}

#[tokio::test]
async fn p09_an_entry_that_cannot_be_read_is_counted() {
    let pages = vec![page(3, &json!(null), &[json!({}), entry("b"), json!(7)])];
    assert_eq!(list(pages).await.unwrap(), (vec!["b".to_owned()], 2));
}

async fn check_no_list(pages: Vec<Value>, expected: &str) {
    assert_eq!(list(pages).await.unwrap_err(), expected);
}

#[tokio::test]
async fn p08_a_list_that_is_not_whole_is_an_error() {
    let one = || page(2, &json!("/2"), &[entry("a")]);
    check_no_list(vec![one()], "/2 answered 500 Internal Server Error").await;
    check_no_list(vec![one(), json!("<html>")], "the answer of /2 cannot be read").await;
    let last = |total, entries: &[Value]| page(total, &json!(null), entries);
    check_no_list(vec![one(), last(2, &[])], "the list at /l is shorter than it says").await;
    let shrunk = vec![one(), last(1, &[entry("b")])];
    check_no_list(shrunk, "the list at /l became shorter while it was read").await;
    let loop_of_two = vec![one(), page(2, &json!("/2"), &[entry("b")])];
    check_no_list(loop_of_two, "the list at /l does not end").await;
}

#[tokio::test]
async fn a_list_does_not_go_on_at_another_server() {
    for next in ["http://127.0.0.1:1/2", "//example.com/2", "2", "https:", ""] {
        let pages = vec![page(2, &json!(next), &[entry("a")]), page(2, &json!(null), &[])];
        check_no_list(pages, "the list at /l goes on elsewhere").await;
    }
}

#[tokio::test]
async fn a_list_may_go_on_under_its_own_address() {
    let platform = Platform::start(|_| StatusCode::OK).await;
    let session = session(&platform);
    let next = format!("{}/v2/x?page=2", platform.url);
    assert_eq!(session.own_path(&next).as_deref(), Ok("/v2/x?page=2"));
}

/// How often a request is refused with 401 before it succeeds.
async fn check_refused(times: usize) -> (Result<(), String>, Vec<String>) {
    let given = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let platform = Platform::start(move |heard: &Heard| {
        let order = std::sync::atomic::Ordering::Relaxed;
        if heard.line.contains("/oauth/") {
            let token = format!("t{}", given.fetch_add(1, order));
            return Json(json!({ "access_token": token })).into_response();
        }
        let is_good = heard.header("authorization") == Some(&format!("bearer t{times}"));
        let status = if is_good { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        status.into_response()
    })
    .await;
    let sent = session(&platform).send(Method::GET, "/x", None).await;
    let sent = sent.map(drop).map_err(|error| error.to_string().replace(&platform.url, ""));
    (sent, platform.lines())
}

#[tokio::test]
async fn p12_a_refused_token_is_renewed_and_the_new_one_is_sent() {
    let (sent, heard) = check_refused(1).await;
    assert_eq!(sent, Ok(()));
    assert_eq!(heard, ["POST /oauth/token", "GET /x", "POST /oauth/token", "GET /x"]);
}

#[tokio::test]
async fn p12_there_are_two_attempts_and_no_more() {
    let (sent, heard) = check_refused(2).await;
    assert_eq!(sent, Err("/x answered 401 Unauthorized".to_owned()));
    assert_eq!(heard.len(), 4);
}
