//! `/_dev/`: starts and stops children of a running `tenon dev`. Orders go to who owns them.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tenon_protocol::Secret;
use tokio::sync::{mpsc, oneshot};

use super::child::{ChildId, Kind};
use super::children::{ChildError, Start};

/// Orders that wait for the one before; more get a 503.
const WAITING_ORDERS: usize = 16;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Start it, and answer when it is ready.
    Start(Start),
    /// Ask it to stop, and answer when it has.
    Stop(ChildId),
}

/// An order, and where its result is waited for: the child's process id.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) order: Order,
    pub(crate) reply: oneshot::Sender<Result<u32, ChildError>>,
}

#[derive(Clone)]
struct Desk {
    token: Secret,
    orders: mpsc::Sender<Request>,
}

/// The routes, and where their orders come out.
pub(crate) fn router(token: Secret) -> (Router, mpsc::Receiver<Request>) {
    let (orders, received) = mpsc::channel(WAITING_ORDERS);
    let desk = Desk { token, orders };
    let router = Router::new()
        .route("/_dev/start/{kind}/{number}", post(start))
        .route("/_dev/stop/{kind}/{number}", post(stop))
        .with_state(desk);
    (router, received)
}

/// Body of a start; may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    /// The point at which a gateway or node kills itself.
    crash_at: Option<String>,
}

async fn start(
    State(desk): State<Desk>,
    Path((kind, number)): Path<(String, u32)>,
    headers: HeaderMap,
    request: Option<Json<StartRequest>>,
) -> Result<Json<Value>, Refusal> {
    let id = desk.admit(&headers, &kind, number)?;
    let crash_at = request.and_then(|Json(request)| request.crash_at);
    desk.order(Order::Start(Start { id, crash_at })).await
}

async fn stop(
    State(desk): State<Desk>,
    Path((kind, number)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let id = desk.admit(&headers, &kind, number)?;
    desk.order(Order::Stop(id)).await
}

impl Desk {
    fn admit(&self, headers: &HeaderMap, kind: &str, number: u32) -> Result<ChildId, Refusal> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer "));
        if !given.is_some_and(|given| self.token.matches(given)) {
            return Err(Refusal::NotAuthorized);
        }
        let kind: Kind = kind.parse().ok().ok_or(Refusal::UnknownKind)?;
        Ok(ChildId::new(kind, number))
    }

    async fn order(&self, order: Order) -> Result<Json<Value>, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(Request { order, reply }).ok().ok_or(Refusal::Busy)?;
        match answer.await {
            Ok(Ok(pid)) => Ok(Json(json!({ "pid": pid }))),
            Ok(Err(error)) => Err(Refusal::Child(error)),
            // Nobody answers any more: everything is being stopped.
            Err(_) => Err(Refusal::Busy),
        }
    }
}

/// Why an order is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("Authorization: Bearer <control.token of dev.json> is missing or wrong")]
    NotAuthorized,
    #[error("there are nats, mysql, gateway and node")]
    UnknownKind,
    #[error("too many orders wait, or everything is being stopped")]
    Busy,
    #[error(transparent)]
    Child(ChildError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotAuthorized => StatusCode::UNAUTHORIZED,
            Self::UnknownKind | Self::Child(ChildError::Unknown(_)) => StatusCode::NOT_FOUND,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Child(ChildError::Running(_) | ChildError::Stopped(_)) => StatusCode::CONFLICT,
            Self::Child(
                ChildError::Nats(_)
                | ChildError::Mariadb(_)
                | ChildError::Process(_)
                | ChildError::Directory(_),
            ) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({ "description": self.to_string() }))).into_response()
    }
}
