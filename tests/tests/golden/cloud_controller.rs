//! A cloud controller that remembers what it was told. Unless it is told how to answer, it is one of
//! version 1 that has no files, and no handles but those that it is told to list.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tenon_tests::wait_until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::compare::Learned;
use super::differences::{Declared, value};
use super::recording::{HttpExchange, HttpRequest};

/// What a gateway says by itself has come by then.
const DEADLINE: Duration = Duration::from_secs(60);

/// It listens until it is dropped.
pub(crate) struct CloudController {
    pub(crate) url: String,
    /// The list of handles that it has.
    listed: Arc<Mutex<String>>,
    heard: Arc<Mutex<Vec<HttpRequest>>>,
    _listening: JoinSet<()>,
}

impl CloudController {
    /// Listens on a free port.
    pub(crate) async fn start() -> Self {
        let listed = Arc::new(Mutex::new(r#"{"handles": []}"#.to_owned()));
        let answering = Arc::clone(&listed);
        let answer =
            move |request: &HttpRequest| match (&*request.method, request.path.ends_with(".zip")) {
                ("GET", true) => response("404 Not Found", "", "{}"),
                ("GET", false) => {
                    response("200 OK", "", &answering.lock().expect("nobody panics with it"))
                }
                _ => response("200 OK", "", "{}"),
            };
        Self { listed, ..Self::answering(answer).await }
    }

    /// Lists these handles from now on.
    pub(crate) fn list(&self, handles: &str) {
        handles.clone_into(&mut self.listed.lock().expect("nobody panics with it"));
    }

    /// The same, with whole responses of `answer`.
    pub(crate) async fn answering(
        answer: impl Fn(&HttpRequest) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, Arc::clone(&heard), answer));
        let url = format!("http://{address}");
        Self { url, listed: Arc::default(), heard, _listening: listening }
    }

    /// The requests with this method and path, in their order.
    pub(crate) fn heard(&self, method: &str, path: &str) -> Vec<HttpRequest> {
        let heard = self.heard.lock().expect("nobody panics with it");
        let is_it = |request: &&HttpRequest| request.method == method && request.path == path;
        heard.iter().filter(is_it).cloned().collect()
    }

    /// Waits until our gateway says what the original said, and returns what is otherwise.
    pub(crate) async fn compare(
        &self,
        said: &HttpExchange,
        learned: &mut Learned,
        declared: &mut Declared,
    ) -> Vec<String> {
        let recorded = &said.request;
        let name = format!("{} {}", recorded.method, recorded.path);
        let ours = wait_until(&name, DEADLINE, async || {
            let heard = self.heard(&recorded.method, &recorded.path);
            heard.into_iter().find(|heard| heard.says_active() == recorded.says_active())
        });
        let Ok(ours) = ours.await else {
            return vec![format!("{} {name} did not come", said.step)];
        };
        let expected = declared.instead(&name, &recorded.body).unwrap_or(&recorded.body);
        let mut unlike = learned.compare(&value(expected), &value(&ours.body));
        for header in ["content-type", "x-vcap-service-token"] {
            let (theirs, mine) = (recorded.header(header), ours.header(header));
            if theirs != mine {
                unlike.push(format!(" {header}: {theirs:?} became {mine:?}"));
            }
        }
        unlike.into_iter().map(|field| format!("{} {name}: {field}", said.step)).collect()
    }

    /// All requests since `from`, which counts them.
    pub(crate) fn heard_since(&self, from: usize) -> Vec<HttpRequest> {
        let heard = self.heard.lock().expect("nobody panics with it");
        heard.get(from..).unwrap_or_default().to_vec()
    }
}

async fn listen(
    listener: TcpListener,
    heard: Arc<Mutex<Vec<HttpRequest>>>,
    answer: impl Fn(&HttpRequest) -> String,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        // One request for each connection.
        if let Some(request) = read(&mut stream).await {
            let response = answer(&request);
            heard.lock().expect("nobody panics with it").push(request);
            stream.write_all(response.as_bytes()).await.ok();
        }
    }
}

/// A whole response of JSON; `headers` are lines that end as lines of headers do.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
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
