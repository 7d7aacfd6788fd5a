//! Row (d): requests that the gateway refuses, as fast as a client can make them.
//!
//! The client is written by hand: one buffer out, one status line in, over connections that stay.
//! A general client would be the bottleneck.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::platform::Platforms;
use crate::report::{Report, median};
use crate::{Arguments, Result};

/// Connections, requests on the way at once on each, and how long one turn takes.
const CONNECTIONS: usize = 4;
const PIPELINE: usize = 16;
const TURN: Duration = Duration::from_secs(2);

/// An unknown path with the right token: refused with 404 and number 30300.
pub(crate) async fn measure(
    arguments: &Arguments,
    platforms: &Platforms,
    report: &mut Report,
) -> Result<()> {
    let dev = platforms.dev()?;
    let address = dev.gateway.url.trim_start_matches("http://").to_owned();
    let token = dev.gateway.tokens.values().next().ok_or("no token")?.reveal().to_owned();
    let request = format!(
        "GET /gateway/v1/nowhere HTTP/1.1\r\nHost: {address}\r\n\
         Content-Type: application/json\r\nX-VCAP-Service-Token: {token}\r\n\r\n"
    );
    for (pipeline, what) in [(PIPELINE, "16 on the way on each connection"), (1, "1 on the way")] {
        let mut rates = Vec::new();
        for _ in 0..arguments.rounds {
            rates.push(turn(&address, &request, pipeline).await?);
        }
        let rate = median(rates);
        report.add(
            "d",
            format!("refused requests (404), {CONNECTIONS} connections, {what}"),
            format!("{rate:.0}/s"),
            ">= 20,000/s",
            json!({"per_second": rate, "connections": CONNECTIONS, "pipeline": pipeline}),
        );
    }
    Ok(())
}

async fn turn(address: &str, request: &str, pipeline: usize) -> Result<f64> {
    let mut connections = JoinSet::new();
    let started = Instant::now();
    for _ in 0..CONNECTIONS {
        let (address, batch) = (address.to_owned(), request.repeat(pipeline));
        connections.spawn(async move { connection(&address, batch.as_bytes(), pipeline).await });
    }
    let mut answered = 0;
    while let Some(done) = connections.join_next().await {
        answered += done??;
    }
    Ok(answered as f64 / started.elapsed().as_secs_f64())
}

async fn connection(address: &str, batch: &[u8], pipeline: usize) -> Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 << 10];
    let mut answered = 0;
    let end = Instant::now() + TURN;
    while Instant::now() < end {
        stream.write_all(batch).await?;
        let mut seen = 0;
        while seen < pipeline {
            let read = stream.read(&mut buffer).await?;
            let text = buffer.get(..read).filter(|text| !text.is_empty()).ok_or("closed")?;
            seen += count(text, b"HTTP/1.1 404");
        }
        answered += seen as u64;
    }
    Ok(answered)
}

/// How often `needle` is in `text`. A status line that a read cut in two is not seen; answers are
/// small and come whole, and one that is missed ends the turn with an error, not with a lie.
fn count(text: &[u8], needle: &[u8]) -> usize {
    text.windows(needle.len()).filter(|window| *window == needle).count()
}
