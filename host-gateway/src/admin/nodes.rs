//! Nodes: those that are there, and those that are gone for good.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde_json::json;
use tenon_protocol::{Fault, NodeId};

use super::{Desk, Shared};
use crate::http::Answer;
use crate::operations::lost_nodes::{forget_node, remember_node};
use crate::operations::{Blamed, OperationError, shown};

/// `GET /nodes`
pub(super) async fn list(State(desk): Shared) -> impl IntoResponse {
    Json(desk.ops.nodes.view())
}

/// `GET /nodes/gone`
pub(super) async fn gone(State(desk): Shared) -> Answer {
    match desk.ops.records.gone_nodes().await {
        Ok(nodes) => Answer::of(&nodes),
        Err(error) => Fault::from(&error).into(),
    }
}

/// `POST /nodes/{node}/gone`
pub(super) async fn forget(State(desk): Shared, Path(node): Path<String>) -> Answer {
    match NodeId::new(node.as_str()) {
        Ok(id) => told(forget_node(&desk.ops, &id).await.map(|lost| Answer::of(&lost))),
        Err(_not_an_id) => Fault::not_found(&shown(&node)).into(),
    }
}

/// `DELETE /nodes/{node}/gone`
pub(super) async fn remember(State(desk): State<Arc<Desk>>, Path(node): Path<String>) -> Answer {
    match NodeId::new(node.as_str()) {
        Ok(id) => told(remember_node(&desk.ops, &id).await.map(|()| Answer::of(&json!({})))),
        Err(_not_an_id) => Fault::not_found(&shown(&node)).into(),
    }
}

fn told(outcome: Result<Answer, OperationError>) -> Answer {
    outcome.unwrap_or_else(|error| {
        let cause = error.to_string();
        tracing::warn!(code = error.fault().msg.code, cause, "refused");
        error.fault().into()
    })
}
