//! The operators' interface: own listener, own credential. `docs/reference/admin.openapi.yaml`.

mod moves;
mod nodes;
mod orphans;
mod records;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, Response, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::future::{Either, Ready, ready};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tenon_protocol::{Fault, InstanceId, Secret, ServiceName};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::config::OfferingConfig;
use crate::gateway::ReconcileRequest;
use crate::http::{Answer, refuse};
use crate::metrics::{Gauge, Metrics};
use crate::nats::Connection;
use crate::operations::{Operations, shown};

/// The one path that needs no token.
const HEALTH: &str = "/healthz";

/// The whole interface as one service.
#[derive(Clone)]
pub(crate) struct Admin {
    token: Arc<Secret>,
    routes: TowerToHyperService<Router>,
}

/// What the routes need.
struct Desk {
    ops: Arc<Operations>,
    metrics: Arc<Metrics>,
    permits: Arc<Semaphore>,
    in_flight_limit: usize,
    reconcile: mpsc::Sender<ReconcileRequest>,
    store: Connection,
}

type Shared = State<Arc<Desk>>;

impl Admin {
    /// The interface over `ops`, for those who have `token`.
    pub(crate) fn new(
        ops: &Arc<Operations>,
        metrics: &Arc<Metrics>,
        permits: &Arc<Semaphore>,
        token: Secret,
        reconcile: mpsc::Sender<ReconcileRequest>,
        store: Connection,
    ) -> Self {
        let desk = Desk {
            ops: Arc::clone(ops),
            metrics: Arc::clone(metrics),
            permits: Arc::clone(permits),
            in_flight_limit: permits.available_permits(),
            reconcile,
            store,
        };
        let routes = TowerToHyperService::new(table(Arc::new(desk)));
        Self { token: Arc::new(token), routes }
    }
}

fn table(desk: Arc<Desk>) -> Router {
    Router::new()
        .route(HEALTH, get(health))
        .route("/metrics", get(metrics))
        .route("/offerings", get(offerings))
        .route("/nodes", get(nodes::list))
        .route("/nodes/gone", get(nodes::gone))
        .route("/nodes/{node}/gone", post(nodes::forget).delete(nodes::remember))
        .route("/orphans", get(orphans::reports))
        .route("/orphans/check", post(orphans::check))
        .route("/orphans/purge", post(orphans::purge).layer(orphans::body_limit()))
        .route("/orphans/quarantine", get(orphans::quarantine))
        .route("/orphans/release", post(orphans::release).layer(orphans::body_limit()))
        .route("/orphans/store", post(orphans::accept))
        .route("/reconcile", post(reconcile))
        .route("/records/{id}", get(record))
        .route("/instances/{id}/move", get(moves::show).post(moves::start))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(desk)
}

type Routed = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;
type Done = Result<Response<Body>, Infallible>;

impl Service<Request<Incoming>> for Admin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Done>, Routed>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if request.uri().path() == HEALTH || is_allowed(&self.token, request.headers()) {
            return Either::Right(self.routes.call(request));
        }
        Either::Left(ready(Ok(refuse(&Fault::not_authorized()))))
    }
}

fn is_allowed(token: &Secret, headers: &HeaderMap) -> bool {
    let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.strip_prefix("Bearer ").is_some_and(|given| token.matches(given))
}

async fn unknown(method: Method, uri: Uri) -> Answer {
    Fault::not_found(&format!("{method} {}", shown(uri.path()))).into()
}

async fn health(State(desk): Shared) -> Response<Body> {
    if desk.store.is_up() && desk.ops.bus.is_up() {
        return "ok\n".into_response();
    }
    refuse(&Fault::unavailable())
}

async fn metrics(State(desk): Shared) -> impl IntoResponse {
    let in_flight = desk.in_flight_limit.saturating_sub(desk.permits.available_permits());
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let gauges = [
        Gauge {
            name: "tenon_gateway_in_flight",
            help: "Operations that run.",
            value: count(in_flight),
        },
        Gauge {
            name: "tenon_gateway_nodes",
            help: "Nodes that are alive.",
            value: count(desk.ops.nodes.view().len()),
        },
        Gauge {
            name: "tenon_gateway_connected",
            help: "Whether bus and store can be reached.",
            value: u64::from(desk.store.is_up() && desk.ops.bus.is_up()),
        },
        Gauge {
            name: "tenon_gateway_offerings_pending",
            help: "Offerings that wait for the cloud controller's handles.",
            value: count(desk.ops.adoptions.pending()),
        },
    ];
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], desk.metrics.render(&gauges))
}

/// An offering, for operators.
#[derive(Serialize)]
struct OfferingView<'a> {
    label: String,
    service: &'a ServiceName,
    /// Why it is not served, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<&'static str>,
}

async fn offerings(State(desk): Shared) -> impl IntoResponse {
    let view = |offering: &Arc<OfferingConfig>| {
        let is_pending = desk.ops.adoptions.is_pending(&offering.service);
        let waits_for = is_pending.then_some("handles");
        let view =
            OfferingView { label: offering.classic_label(), service: &offering.service, waits_for };
        serde_json::json!(view)
    };
    Json(desk.ops.offerings.iter().map(view).collect::<Vec<_>>())
}

/// One pass now; answered when it is done.
async fn reconcile(State(desk): Shared) -> Answer {
    let (tell, told) = oneshot::channel();
    if desk.reconcile.try_send(tell).is_err() {
        return Fault::unavailable().into();
    }
    match told.await {
        Ok(Ok(counts)) => Answer::of(&counts),
        Ok(Err(_)) | Err(_) => Fault::unavailable().into(),
    }
}

async fn record(State(desk): Shared, Path(id): Path<String>) -> Answer {
    let Ok(id) = InstanceId::new(id.as_str()) else {
        return Fault::not_found(&shown(&id)).into();
    };
    match records::view(&desk.ops, &id).await {
        Ok(Some(view)) => Answer::of(&view),
        Ok(None) => Fault::not_found(id.as_str()).into(),
        Err(error) => Fault::from(&error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens_the_door() {
        let token = Secret::new("secret".to_owned());
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, text.parse().unwrap());
            is_allowed(&token, &headers)
        };
        assert!(with("Bearer secret"));
        for text in
            ["secret", "Bearer", "Bearer ", "Bearer secret1", "bearer secret", "Basic secret"]
        {
            assert!(!with(text), "{text}");
        }
        assert!(!is_allowed(&token, &HeaderMap::new()));
    }
}
