//! Downloads that are too many, or that nobody takes.

use reqwest::Client;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;
use tenon_tests::{Options, Platform, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::crash::insist;
use crate::letters::directory;
use crate::settings;
use crate::shelf::{PATIENCE, Shelf};

/// More than the buffers of two sockets hold, and than a package compresses away.
const LARGE: usize = 24 << 20;

/// Bytes without a pattern.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(next());
    }
    bytes
}

/// A client that asks for `url`, and takes no more than its beginning.
async fn stalled(url: &str) -> TcpStream {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    stream
}

#[tokio::test]
async fn a_download_too_many_is_told_so_and_a_stalled_one_makes_room() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[snapshots]", "max_downloads = 1").await;
    settings::set(&platform, "gateway-1", "[http]", "stall_seconds = 5").await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    directory(&made).write("letter", noise(LARGE)).unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let url = shelf.link(&shelf.take().await).await;

    let mut stalled = stalled(&url).await;
    let http = Client::builder().no_proxy().build().unwrap();
    let refused = http.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key(RETRY_AFTER));
    let told: Value = refused.json().await.unwrap();
    assert_eq!(
        (&told["code"], &told["description"]),
        (&30600.into(), &"Service unavailable".into())
    );

    // Nobody takes the first: after a while its place is the next one's, which gets all of it.
    let served = wait_until("there is room", PATIENCE, async || {
        let response = http.get(&url).send().await.unwrap();
        (response.status() == 200).then_some(response)
    });
    assert!(served.await.unwrap().bytes().await.unwrap().len() > LARGE);
    // And its connection is closed: what it had not taken never comes.
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stalled.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is kept");
    assert!(rest.len() < LARGE, "{} bytes", rest.len());
}
