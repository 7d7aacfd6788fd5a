//! A web server of a test: one file, whatever is asked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tenon_tests::Platform;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::settings;

/// Lets the node fetch from this machine.
pub(crate) async fn allow_this_machine(platform: &Platform) {
    let line = "import_networks = [\"127.0.0.0/8\"]";
    settings::set(platform, "node-1", "[snapshots]", line).await;
}

/// Serves until it is dropped.
pub(crate) struct FileServer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl FileServer {
    pub(crate) async fn start(file: &'static [u8]) -> Self {
        Self::start_below("", file).await
    }

    /// One that has nothing where `path` is not in the request.
    #[expect(clippy::disallowed_methods, reason = "a test's own server")]
    pub(crate) async fn start_below(path: &'static str, file: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                answer(stream, path, file).await;
            }
        });
        Self { address, asked, serving }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

impl FileServer {
    /// One that leads to itself for ever.
    #[expect(clippy::disallowed_methods, reason = "a test's own server")]
    pub(crate) async fn start_leading_on() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                lead_on(stream).await;
            }
        });
        Self { address, asked: Arc::default(), serving }
    }

    /// One whose file goes on for minutes, a little at a time.
    #[expect(clippy::disallowed_methods, reason = "a test's own server")]
    pub(crate) async fn start_slow() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer_slowly(stream).await;
            }
        });
        Self { address, asked: Arc::default(), serving }
    }
}

async fn lead_on(mut stream: TcpStream) {
    let head = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\n\r\n";
    let mut request = [0; 4_096];
    if stream.read(&mut request).await.is_ok() {
        stream.write_all(head).await.ok();
    }
}

async fn answer_slowly(mut stream: TcpStream) {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let mut request = [0; 4_096];
    // An answer that comes before the question is none.
    let mut going_on =
        stream.read(&mut request).await.is_ok() && stream.write_all(head).await.is_ok();
    let mut beat = tokio::time::interval(Duration::from_millis(500));
    while going_on {
        beat.tick().await;
        going_on = stream.write_all(&[0; 5_000]).await.is_ok();
    }
}

async fn answer(mut stream: TcpStream, path: &str, file: &[u8]) {
    let mut request = [0; 4_096];
    let Ok(length) = stream.read(&mut request).await else { return };
    let is_there = String::from_utf8_lossy(&request[..length]).contains(path);
    let (status, file) = if is_there { ("200 OK", file) } else { ("404 Not Found", &b""[..]) };
    let length = file.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    for part in [head.as_bytes(), file] {
        if stream.write_all(part).await.is_err() {
            return;
        }
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
