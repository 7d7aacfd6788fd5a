//! A platform for tests: hears everything, and answers what the test says.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::cloud_controller::exchange;
use crate::config::{Config, OfferingConfig};

/// One request that it heard.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cloud_controller) struct Heard {
    /// Method, path and query: `GET /v2/services?x=1`.
    pub(in crate::cloud_controller) line: String,
    pub(in crate::cloud_controller) headers: Vec<(String, String)>,
    /// The body as JSON, or as a text.
    pub(in crate::cloud_controller) body: Value,
}

impl Heard {
    pub(in crate::cloud_controller) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A server on a port of its own.
pub(in crate::cloud_controller) struct Platform {
    pub(in crate::cloud_controller) url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    _server: JoinSet<std::io::Result<()>>,
}

impl Platform {
    /// One that answers `answer` to each request.
    pub(in crate::cloud_controller) async fn start<R: IntoResponse>(
        answer: impl Fn(&Heard) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        crate::gateway::install_tls();
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let all = Arc::clone(&heard);
        let router = Router::new().fallback(async move |request: Request| -> Response {
            let one = hear(request).await;
            all.lock().unwrap().push(one.clone());
            answer(&one).into_response()
        });
        let mut server = JoinSet::new();
        server.spawn(axum::serve(listener, router).into_future());
        Self { url, heard, _server: server }
    }

    /// What it heard until now.
    pub(in crate::cloud_controller) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The lines of it.
    pub(in crate::cloud_controller) fn lines(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.line).collect()
    }
}

async fn hear(request: Request) -> Heard {
    let line = format!("{} {}", request.method(), request.uri());
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
    let headers = headers.collect();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or(Bytes::new());
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    Heard { line, headers, body }
}

/// The first offering of the example.
pub(in crate::cloud_controller) fn offering() -> OfferingConfig {
    let text = include_str!("../../../testdata/gateway.toml");
    Config::parse(text, std::path::Path::new("gw.toml")).unwrap().offerings.remove(0)
}

/// A client for the cloud controller of the example.
pub(in crate::cloud_controller) fn plain_client() -> reqwest::Client {
    crate::gateway::install_tls();
    let text = include_str!("../../../testdata/gateway.toml");
    let config = Config::parse(text, std::path::Path::new("gw.toml")).unwrap();
    exchange::client(&config.cloud_controller.unwrap()).unwrap()
}
