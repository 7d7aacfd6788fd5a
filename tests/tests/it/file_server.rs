//! A web server of a test: one file, whatever is asked for.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Serves until it is dropped.
pub(crate) struct FileServer {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl FileServer {
    #[expect(clippy::disallowed_methods, reason = "a test's own server")]
    pub(crate) async fn start(file: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, file).await;
            }
        });
        Self { address, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

async fn answer(mut stream: TcpStream, file: &[u8]) {
    let mut request = [0; 4_096];
    if stream.read(&mut request).await.is_err() {
        return;
    }
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.len());
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
