//! A v1 cloud controller that knows no handles and has no files, and remembers what it was told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::recording::HttpRequest;

/// It listens until it is dropped.
pub(crate) struct CloudController {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<HttpRequest>>>,
    _listening: JoinSet<()>,
}

impl CloudController {
    /// Listens on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, Arc::clone(&heard)));
        Self { url: format!("http://{address}"), heard, _listening: listening }
    }

    /// The requests with this method and path, in their order.
    pub(crate) fn heard(&self, method: &str, path: &str) -> Vec<HttpRequest> {
        let heard = self.heard.lock().expect("nobody panics with it");
        let is_it = |request: &&HttpRequest| request.method == method && request.path == path;
        heard.iter().filter(is_it).cloned().collect()
    }
}

async fn listen(listener: TcpListener, heard: Arc<Mutex<Vec<HttpRequest>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        if let Some(request) = answer(stream).await {
            heard.lock().expect("nobody panics with it").push(request);
        }
    }
}

/// One request for each connection.
async fn answer(mut stream: TcpStream) -> Option<HttpRequest> {
    let request = read(&mut stream).await?;
    let (status, body) = match (&*request.method, request.path.ends_with(".zip")) {
        ("GET", true) => ("404 Not Found", "{}"),
        ("GET", false) => ("200 OK", r#"{"handles": []}"#),
        _ => ("200 OK", "{}"),
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await.ok()?;
    Some(request)
}

async fn read(stream: &mut TcpStream) -> Option<HttpRequest> {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.ok().filter(|&count| count > 0)?;
        text.push_str(std::str::from_utf8(buffer.get(..count)?).ok()?);
        let Some((_, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let request = HttpRequest::parse(&text);
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(request);
        }
    }
}
