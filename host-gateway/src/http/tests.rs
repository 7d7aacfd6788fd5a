//! The front on a real socket, without a bus behind it: what is refused, and how.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

use axum::http::StatusCode;
use expect_test::{Expect, expect};
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::adoptions::Adoptions;
use crate::bus::Bus;
use crate::config::Config;
use crate::crash::Crash;
use crate::nats::Connection;
use crate::nodes::Nodes;
use crate::orphans::OrphanReports;

const PROVISION: &str = "/gateway/v1/configurations";
/// Far sooner than a body that does not come is given up.
const ANSWER: Duration = Duration::from_secs(5);

async fn start(max_in_flight: usize) -> SocketAddr {
    start_counting(max_in_flight).await.0
}

/// A front whose bus is away and that says it is ready.
async fn start_counting(max_in_flight: usize) -> (SocketAddr, Arc<Metrics>) {
    crate::gateway::install_tls();
    let text = include_str!("../../testdata/gateway.toml");
    let text = text.replace("max_body_bytes = 1048576", "max_body_bytes = 2048");
    let config = Config::parse(&text, Path::new("gw.toml")).unwrap();
    let connection = Connection::nowhere().await;
    let (records, jobs) = crate::state::open(&connection.client, &config.state).await;
    let tasks = TaskTracker::new();
    let ops = Arc::new(Operations {
        offerings: config.offerings.into_iter().map(Arc::new).collect(),
        records,
        jobs,
        bus: Bus::new(connection),
        nodes: Nodes::default(),
        orphans: OrphanReports::default(),
        cloud_controller: None,
        adoptions: Adoptions::default(),
        seal_key: config.state.seal_key,
        packages: None,
        job_life: config.state.job_life,
        crash: Crash::default(),
        tasks: tasks.clone(),
    });
    let metrics = Arc::new(Metrics::default());
    let refusals = Arc::new(Refusals::new(Arc::clone(&metrics)));
    let preflight = Preflight::new(ops.offerings.clone(), |_| Ok(()), Arc::clone(&refusals));
    let permits = Arc::new(Semaphore::new(max_in_flight));
    let stall = config.http.stall();
    let max_body = config.http.max_body_bytes;
    let metrics_too = Arc::clone(&metrics);
    let front = Front { ops, metrics: metrics_too, refusals, permits, stall, max_body };
    let front = Arc::new(front);
    let classic = Classic::new(preflight, front);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        connections: 8,
        stall: config.http.stall(),
        stop: CancellationToken::new(),
        tasks: tasks.clone(),
    };
    tasks.spawn(serve(listener, classic, limits));
    (address, metrics)
}

async fn send(address: SocketAddr, method: Method, path: &str, body: &str) -> String {
    let response = Client::new()
        .request(method, format!("http://{address}{path}"))
        .header("Content-Type", "application/json")
        .header("X-VCAP-Service-Token", "mysql-secret")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    let status = response.status();
    assert_eq!(response.headers().get("content-type").unwrap(), "application/json");
    let retry = response.headers().contains_key("retry-after");
    assert_eq!(retry, status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
    format!("{} {}", status.as_u16(), response.text().await.unwrap())
}

async fn check_refused(method: Method, path: &str, body: &str, expected: Expect) {
    let address = start(8).await;
    expected.assert_eq(&send(address, method, path, body).await);
}

async fn answered_name(address: SocketAddr, token: &str, name: &str) -> Option<String> {
    let response = Client::new()
        .get(format!("http://{address}/nosuch"))
        .header("Content-Type", "application/json")
        .header("X-VCAP-Service-Token", token)
        .header("X-VCAP-Request-ID", name)
        .send()
        .await
        .unwrap();
    let answered = response.headers().get("x-vcap-request-id")?;
    Some(answered.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_answer_has_the_name_of_its_request() {
    let address = start(8).await;
    // At the door, and behind it.
    for token in ["wrong", "mysql-secret"] {
        assert_eq!(answered_name(address, token, "r::1").await.as_deref(), Some("r::1"));
        assert_eq!(answered_name(address, token, "no name").await, None);
    }
}

#[tokio::test]
async fn a_path_or_method_that_does_not_exist_is_a_numbered_error() {
    check_refused(
        Method::GET,
        "/",
        "",
        expect![[r#"404 {"code":30300,"description":"GET / not found"}"#]],
    )
    .await;
    check_refused(
        Method::GET,
        "/nosuch",
        "",
        expect![[r#"404 {"code":30300,"description":"GET /nosuch not found"}"#]],
    )
    .await;
    check_refused(
        Method::PUT,
        PROVISION,
        "{}",
        expect![[r#"404 {"code":30300,"description":"PUT /gateway/v1/configurations not found"}"#]],
    )
    .await;
    check_refused(
        Method::DELETE,
        "/gateway/v1/configurations/%ff",
        "",
        expect![[r#"404 {"code":30300,"description":"/gateway/v1/configurations/%ff not found"}"#]],
    )
    .await;
}

#[tokio::test]
async fn a_body_that_is_not_what_the_route_expects_is_malformed() {
    let malformed = r#"400 {"code":30001,"description":"Malformatted request"}"#;
    let address = start(8).await;
    for body in ["", "null", "[]", "{bad", "{\"name\":\"x\"}"] {
        assert_eq!(send(address, Method::POST, PROVISION, body).await, malformed, "{body}");
    }
    let path = "/gateway/v1/configurations/d1/handles/b1";
    check_refused(
        Method::DELETE,
        path,
        "{}",
        expect![[r#"400 {"code":30001,"description":"Malformatted request"}"#]],
    )
    .await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let body = format!("{{\"name\":\"{}\"}}", "x".repeat(4096));
    check_refused(
        Method::POST,
        PROVISION,
        &body,
        expect![[r#"413 {"code":30005,"description":"Request body too large"}"#]],
    )
    .await;
}

/// What is answered to a head of which the body never comes.
async fn answered_at_once(head: &str) -> String {
    let mut stream = TcpStream::connect(start(8).await).await.unwrap();
    let head = format!(
        "{head} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         X-VCAP-Service-Token: mysql-secret\r\nExpect: 100-continue\r\n\
         Content-Length: 99999999999\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let answered = tokio::time::timeout(ANSWER, stream.read_to_string(&mut answer)).await;
    answered.expect("the connection is closed").unwrap();
    answer
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_waited_for() {
    let answer = answered_at_once(&format!("POST {PROVISION}")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with(r#"{"code":30005,"description":"Request body too large"}"#));
}

#[tokio::test]
async fn who_sends_too_much_sees_the_answer() {
    let body = vec![b' '; 12 << 20];
    let length = format!("Content-Length: {}", body.len());
    let chunk = format!("{:x}\r\n", body.len());
    for (announces, first) in [(length.as_str(), ""), ("Transfer-Encoding: chunked", &chunk)] {
        let mut stream = TcpStream::connect(start(8).await).await.unwrap();
        let head = format!(
            "POST {PROVISION} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             X-VCAP-Service-Token: mysql-secret\r\nConnection: close\r\n{announces}\r\n\r\n{first}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.expect("nobody hangs up");
        if !first.is_empty() {
            stream.write_all(b"\r\n0\r\n\r\n").await.expect("nobody hangs up");
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("nobody hangs up");
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_shown_in_part() {
    let long = "A".repeat(3_000);
    let answer = answered_at_once(&format!("{long} /nosuch")).await;
    let shown = format!(r#"{{"code":30300,"description":"{} /nosuch not found"}}"#, &long[..80]);
    assert!(answer.ends_with(&shown), "{answer}");
}

#[tokio::test]
async fn what_needs_no_bus_is_checked_before_it() {
    let body = r#"{"unique_id":"nope","name":"n","version":"10.11"}"#;
    check_refused(
        Method::POST,
        PROVISION,
        body,
        expect![[r#"400 {"code":30002,"description":"Unknown unique_id"}"#]],
    )
    .await;
}

#[tokio::test]
async fn while_the_bus_is_away_nothing_is_begun() {
    let body = r#"{"unique_id":"core_mysql_free","name":"n","version":"10.11"}"#;
    check_refused(
        Method::POST,
        PROVISION,
        body,
        expect![[r#"503 {"code":30600,"description":"Service unavailable"}"#]],
    )
    .await;
    check_refused(
        Method::DELETE,
        "/gateway/v1/configurations/d1",
        "",
        expect![[r#"503 {"code":30600,"description":"Service unavailable"}"#]],
    )
    .await;
    check_refused(
        Method::GET,
        "/gateway/v1/configurations/d1/snapshots",
        "",
        expect![[r#"503 {"code":30600,"description":"Service unavailable"}"#]],
    )
    .await;
}

#[tokio::test]
async fn more_operations_than_allowed_are_told_to_come_back() {
    let address = start(0).await;
    let answer = send(address, Method::DELETE, "/gateway/v1/configurations/d1", "").await;
    expect![[r#"503 {"code":30600,"description":"Service unavailable"}"#]].assert_eq(&answer);
}

/// What was logged by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Peer, number, and why, of each line.
    fn refused(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let fields = lines.map(|line| line["fields"].clone());
        let refused = fields.filter(|fields| fields["message"] == "refused");
        refused
            .map(|it| format!("{} {} {} {}", it["peer"], it["request_id"], it["code"], it["why"]))
            .collect()
    }
}

async fn send_headers(address: SocketAddr, headers: &[(&str, &str)]) {
    let mut request = Client::new().get(format!("http://{address}/nosuch"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap();
}

#[tokio::test]
async fn the_log_says_once_what_was_wrong_and_who_sent_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone());
    // With one subscriber alone, another test's thread, which has none, switches lines off for all.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let _here = tracing::subscriber::set_default(subscriber.finish());
    let (address, metrics) = start_counting(8).await;
    const JSON: (&str, &str) = ("Content-Type", "application/json");
    for _ in 0..3 {
        send_headers(address, &[("X-VCAP-Request-ID", "r::1")]).await;
        send_headers(address, &[JSON, ("X-VCAP-Service-Token", "hunter2")]).await;
        send(address, Method::GET, "/nosuch", "").await;
        send(address, Method::POST, PROVISION, r#"{"unique_id":"hunter2"}"#).await;
        send(address, Method::POST, PROVISION, &"x".repeat(4096)).await;
        let body = r#"{"unique_id":"hunter2","name":"n","version":"10.11"}"#;
        send(address, Method::POST, PROVISION, body).await;
    }
    expect![[r#"
        "127.0.0.1" "r::1" 30000 "the content type is not JSON"
        "127.0.0.1" null 30100 "the token is no offering's"
        "127.0.0.1" null 30300 "GET /nosuch not found"
        "127.0.0.1" null 30001 "the body has a missing field `name`"
        "127.0.0.1" null 30005 "the body is too long"
        "127.0.0.1" null 30002 "no plan has this unique_id""#]]
    .assert_eq(&log.refused().join("\n"));
    let counted = metrics.render(&[]);
    for code in [30000, 30100, 30300, 30001, 30005] {
        let line = format!("tenon_gateway_refused_total{{code=\"{code}\"}} 3");
        assert!(counted.contains(&line), "{counted}");
    }
}
