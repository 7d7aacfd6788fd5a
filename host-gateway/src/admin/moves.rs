//! Moves of instances to other nodes: begun, and looked at.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::Value;
use tenon_protocol::chain;
use tenon_protocol::record::MoveRecord;
use tenon_protocol::{Fault, InstanceId, NodeId};
use tracing::{Instrument, info_span};

use super::Desk;
use crate::http::Answer;
use crate::operations::migrate::migrate;
use crate::operations::{Blamed, OperationError, Operations, shown};

/// `POST /instances/{id}/move`.
#[derive(Debug, Default, Deserialize)]
struct MoveRequest {
    /// The node to move to; absent, the one that suits best.
    #[serde(default)]
    to: Option<NodeId>,
}

/// Begins a move, and answers at once with its record.
pub(super) async fn start(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let request = if body.is_empty() {
        MoveRequest::default()
    } else {
        match serde_json::from_slice(&body) {
            Ok(request) => request,
            Err(_malformed) => return Fault::malformed().into(),
        }
    };
    let span = info_span!("move", instance = shown(&id), node = tracing::field::Empty);
    match begin(&desk.ops, &id, request.to).instrument(span).await {
        Ok(record) => Answer::of(&view(&record)),
        Err(error) => {
            let code = error.fault().msg.code;
            tracing::warn!(code, error = %chain(&error), "no move was begun");
            error.fault().into()
        }
    }
}

async fn begin(
    ops: &Arc<Operations>,
    id: &str,
    to: Option<NodeId>,
) -> Result<MoveRecord, OperationError> {
    let missing = || OperationError::NotFound(shown(id));
    let instance = InstanceId::new(id).map_err(|_not_an_id| missing())?;
    let found = ops.records.instance(&instance).await?.ok_or_else(missing)?;
    let offering = ops.offering(&found.record.service).ok_or_else(missing)?;
    migrate(ops, offering, id, to).await
}

/// The last move of an instance.
pub(super) async fn show(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    let missing = || Fault::not_found(&format!("move of {}", shown(&id)));
    let Ok(instance) = InstanceId::new(id.as_str()) else {
        return missing().into();
    };
    match desk.ops.records.last_move(&instance).await {
        Ok(Some(found)) => Answer::of(&view(&found.record)),
        Ok(None) => missing().into(),
        Err(error) => Fault::from(&error).into(),
    }
}

/// Everything but the secrets.
fn view(record: &MoveRecord) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("credentials");
        object.remove("handles");
    }
    value
}
