//! The classic front: what a cloud controller of 2013 calls.
//!
//! Translates and decides nothing. Reference, section 1.

mod answer;
mod ask;
mod body;
mod download;
mod listener;
mod paced;
mod preflight;
mod range;
mod refusals;
mod rest;
mod routes;
mod run;
mod snapshots;
mod steady;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response};
use futures_util::future::{BoxFuture, Either, Ready, ready};
use futures_util::{FutureExt, TryFutureExt};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tenon_protocol::RequestId;
use tokio::sync::Semaphore;

pub(crate) use answer::{Answer, refuse};
pub(crate) use listener::{Limits, serve};
pub(crate) use preflight::Preflight;
pub(crate) use refusals::Refusals;

use crate::metrics::Metrics;
use crate::operations::Operations;
use crate::sender::{REQUEST_ID, Sender};

/// What the routes need.
pub(crate) struct Front {
    pub(crate) ops: Arc<Operations>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) refusals: Arc<Refusals>,
    /// One for each operation that may run at once.
    pub(crate) permits: Arc<Semaphore>,
    /// How long whoever uploads may send nothing.
    pub(crate) stall: Duration,
    /// Most bytes of a body.
    pub(crate) max_body: usize,
}

/// The whole front as one service: checks that cost nothing, then the routes.
#[derive(Clone)]
pub(crate) struct Classic {
    preflight: Arc<Preflight>,
    metrics: Arc<Metrics>,
    routes: TowerToHyperService<Router>,
    doors: Doors,
}

/// Who may come in without the platform's token.
#[derive(Debug, Clone, Copy)]
enum Doors {
    /// Nobody.
    Platform,
    /// Whoever has a link to a download, or the token of uploads.
    Downloads,
}

impl Classic {
    /// The front over `front`, checked by `preflight`.
    pub(crate) fn new(preflight: Preflight, front: Arc<Front>) -> Self {
        let metrics = Arc::clone(&front.metrics);
        let doors = match front.ops.packages {
            Some(_) => Doors::Downloads,
            None => Doors::Platform,
        };
        let routes = TowerToHyperService::new(routes::table(front));
        Self { preflight: Arc::new(preflight), metrics, routes, doors }
    }

    fn is_open_to_all(&self, path: &str) -> bool {
        match self.doors {
            Doors::Platform => false,
            Doors::Downloads => path.starts_with(download::BELOW),
        }
    }
}

type Done = Result<Response<Body>, std::convert::Infallible>;
type Routed = BoxFuture<'static, Done>;

impl Service<Request<Incoming>> for Classic {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Either<Ready<Done>, Routed>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let sender = Sender::of(&request);
        let checked = if self.is_open_to_all(request.uri().path()) {
            Ok(None)
        } else {
            self.preflight.check(&sender, request.headers()).map(Some)
        };
        let request_id = sender.request.clone();
        match checked {
            Ok(offering) => {
                if let Some(offering) = offering {
                    request.extensions_mut().insert(offering);
                }
                let metrics = Arc::clone(&self.metrics);
                let routed = self.routes.call(request).map_ok(move |response| {
                    metrics.responded(response.status().as_u16());
                    named(response, request_id.as_ref())
                });
                Either::Right(sender.scope(routed).boxed())
            }
            Err(fault) => {
                self.metrics.responded(fault.status);
                Either::Left(ready(Ok(named(refuse(&fault), request_id.as_ref()))))
            }
        }
    }
}

/// `response`, with the platform's name for what it answers.
fn named(mut response: Response<Body>, request: Option<&RequestId>) -> Response<Body> {
    if let Some(name) = request.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        response.headers_mut().insert(REQUEST_ID, name);
    }
    response
}

#[cfg(test)]
mod tests;
