//! Accepts connections: a bounded number, each with a deadline for its requests' heads, all closed
//! in order when the gateway stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tenon_protocol::chain;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::steady::Steady;
use crate::sender::Peer;

/// A connection may be silent for this long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after a failed accept, which is mostly "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of one request's head.
const MAX_HEAD: usize = 64 << 10;

/// What a listener keeps to.
pub(crate) struct Limits {
    /// More connections wait until one ends.
    pub(crate) connections: usize,
    /// A peer that takes nothing of an answer for this long is let go.
    pub(crate) stall: Duration,
    /// Ends the listener.
    pub(crate) stop: CancellationToken,
    /// Where connections are awaited.
    pub(crate) tasks: TaskTracker,
}

/// Serves `service` on `listener` until it is stopped. Open connections finish their request.
pub(crate) async fn serve<S>(listener: TcpListener, service: S, limits: Limits)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let permits = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = limits.stop.cancelled() => return,
            (permit, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let stop = limits.stop.clone();
                    let service = Told { service: service.clone(), peer: Peer(peer.ip()) };
                    let connection = connection(stream, limits.stall, service, stop);
                    limits.tasks.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// A service that is told who asks.
struct Told<S> {
    service: S,
    peer: Peer,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for Told<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> S::Future {
        request.extensions_mut().insert(self.peer);
        self.service.call(request)
    }
}

async fn connection<S>(stream: TcpStream, stall: Duration, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %chain(&error), "a connection keeps its delay");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Steady::new(stream, stall)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %chain(&error), "a connection ended in the middle");
    }
}
