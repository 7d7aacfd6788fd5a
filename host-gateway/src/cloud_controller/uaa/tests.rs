//! Grants, renewal, and what a UAA can answer instead.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response as Answer};
use serde_json::{Value, json};

use super::*;
use crate::cloud_controller::tests::platform::{Heard, Platform, plain_client};

fn uaa(url: &str, grant: Grant) -> Uaa {
    let config = UaaConfig { url: url.to_owned(), client_id: "gw".to_owned(), grant };
    Uaa::new(plain_client(), config)
}

fn as_client(url: &str) -> Uaa {
    let secret = Secret::new("s3 cret".to_owned());
    uaa(url, Grant::ClientCredentials { secret })
}

fn as_user(url: &str) -> Uaa {
    let password = Secret::new("p&w".to_owned());
    let redirect_uri = "https://uaa.cloudfoundry.com/redirect/gw".to_owned();
    uaa(url, Grant::Implicit { username: "services".to_owned(), password, redirect_uri })
}

fn shown(token: &Token) -> &str {
    token.0.to_str().unwrap()
}

/// Tokens t1, t2, ..., each good for `seconds`.
async fn counting(seconds: u64) -> Platform {
    let given = Arc::new(AtomicUsize::new(0));
    Platform::start(move |_| {
        let number = given.fetch_add(1, Ordering::Relaxed) + 1;
        let token = format!("t{number}");
        Json(json!({ "access_token": token, "token_type": "bearer", "expires_in": seconds }))
    })
    .await
}

#[tokio::test]
async fn a_client_asks_with_its_secret_and_keeps_the_token() {
    let platform = counting(3600).await;
    let uaa = as_client(&platform.url);
    assert_eq!(shown(&uaa.token().await.unwrap()), "bearer t1");
    assert_eq!(shown(&uaa.token().await.unwrap()), "bearer t1");
    let heard = platform.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].line, "POST /oauth/token");
    assert_eq!(heard[0].body, json!("grant_type=client_credentials&response_type=token"));
    // gw:s3 cret
    assert_eq!(heard[0].header("authorization"), Some("Basic Z3c6czMgY3JldA=="));
}

#[tokio::test]
async fn p12_a_rejected_token_is_renewed_once_for_all_who_had_it() {
    let platform = counting(3600).await;
    let uaa = as_client(&platform.url);
    let old = uaa.token().await.unwrap();
    let renewed = futures_util::future::join_all((0..8).map(|_| uaa.renewed(&old))).await;
    for token in renewed {
        assert_eq!(shown(&token.unwrap()), "bearer t2");
    }
    assert_eq!(shown(&uaa.token().await.unwrap()), "bearer t2");
    assert_eq!(platform.heard().len(), 2);
}

#[tokio::test]
async fn p12_a_token_is_renewed_before_it_expires() {
    let platform = counting(3600).await;
    let uaa = as_client(&platform.url);
    uaa.token().await.unwrap();
    let renew_at = uaa.kept.lock().unwrap().as_ref().unwrap().renew_at.unwrap();
    let left = renew_at - Instant::now();
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3540), "{left:?}");
    uaa.kept.lock().unwrap().as_mut().unwrap().renew_at = Some(Instant::now());
    assert_eq!(shown(&uaa.token().await.unwrap()), "bearer t2");
}

#[tokio::test]
async fn a_token_of_a_short_life_is_good_for_most_of_it() {
    let granted =
        |expires_in| Granted { access_token: "t".to_owned(), token_type: bearer(), expires_in };
    let renew_at = granted(Some(10)).keep("u").unwrap().renew_at.unwrap();
    assert!(renew_at - Instant::now() > Duration::from_secs(8));
    assert!(granted(None).keep("u").unwrap().renew_at.is_none());
    let mut bad = granted(None);
    bad.access_token = "a\nb".to_owned();
    assert!(matches!(bad.keep("u"), Err(UaaError::Garbled { .. })));
}

fn redirect(heard: &Heard, change: impl Fn(String) -> String) -> Answer {
    let query = heard.line.split_once('?').unwrap().1;
    let state = query.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap();
    let location = format!(
        "https://uaa.cloudfoundry.com/redirect/gw#access_token=ey.J%20x&token_type=bearer\
         &expires_in=43199&scope=cloud_controller.admin%20x&state={state}"
    );
    let mut headers = HeaderMap::new();
    headers.insert("location", change(location).parse().unwrap());
    (StatusCode::FOUND, headers).into_response()
}

#[tokio::test]
async fn a_user_is_redirected_to_a_token_as_in_2013() {
    let platform = Platform::start(|heard| redirect(heard, |same| same)).await;
    let token = as_user(&platform.url).token().await.unwrap();
    assert_eq!(shown(&token), "bearer ey.J x");
    let heard = platform.heard().remove(0);
    let (line, state) = heard.line.rsplit_once("&state=").unwrap();
    assert_eq!(
        line,
        "POST /oauth/authorize?client_id=gw&response_type=token\
         &redirect_uri=https%3A%2F%2Fuaa.cloudfoundry.com%2Fredirect%2Fgw"
    );
    assert!(state.len() == 32 && state.bytes().all(|byte| byte.is_ascii_hexdigit()), "{state}");
    assert_eq!(heard.header("content-type"), Some(FORM));
    assert_eq!(heard.header("accept"), Some(JSON));
    assert_eq!(heard.body, json!("username=services&password=p%26w&source=credentials"));
}

async fn check_user_refused(change: fn(String) -> String, expected: &str) {
    let platform = Platform::start(move |heard| redirect(heard, change)).await;
    let error = as_user(&platform.url).token().await.unwrap_err();
    let text = error.to_string();
    assert_eq!(text, format!("the answer of {}/oauth/authorize {expected}", platform.url));
}

#[tokio::test]
async fn p12_a_token_that_was_not_asked_for_is_not_taken() {
    check_user_refused(|url| url.replace("state=", "state=0"), "has another state than was sent")
        .await;
    check_user_refused(|url| url.replace("&state=", "&x="), "has another state than was sent")
        .await;
    check_user_refused(|url| url.replace("cloudfoundry", "example"), "redirects elsewhere").await;
    check_user_refused(|url| url.replace("access_token", "token"), "has no token").await;
}

async fn check_client_refused(status: StatusCode, body: Value, expected: &str) {
    let platform = Platform::start(move |_| (status, Json(body.clone()))).await;
    let error = as_client(&platform.url).token().await.unwrap_err();
    assert_eq!(error.to_string().replace(&platform.url, "U"), expected);
}

#[tokio::test]
async fn what_is_no_token_is_refused_and_not_shown() {
    let (ok, unauthorized) = (StatusCode::OK, StatusCode::UNAUTHORIZED);
    let refused = "U/oauth/token answered 401 Unauthorized";
    check_client_refused(unauthorized, json!({"error": "unauthorized"}), refused).await;
    let garbled = "the answer of U/oauth/token is not a token";
    check_client_refused(ok, json!({"access_token": 7, "x": "secret"}), garbled).await;
    let long = json!({"access_token": "x".repeat(MAX_ANSWER)});
    check_client_refused(ok, long, "the answer of U/oauth/token is too long").await;
    let error = as_client("http://127.0.0.1:1").token().await.unwrap_err();
    assert!(matches!(error, UaaError::Away { .. }), "{error}");
}
