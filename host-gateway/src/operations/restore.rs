//! Restore: a periodic backup is loaded into an instance, on the node that has it.

use std::sync::Arc;

use tenon_protocol::OperationId;
use tenon_protocol::message::{Reply, RestoreRequest};
use tenon_protocol::subject::Operation;
use tracing::Span;

use super::moving::Asking;
use super::recover::BackupRequest;
use super::{OperationError, Operations, bare};
use crate::config::OfferingConfig;
use crate::patience::Patience;

/// Loads a backup, and returns when it is loaded.
///
/// # Errors
///
/// [`OperationError`]; after [`OperationError::Silent`] the node may still be loading.
pub(crate) async fn restore(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    request: BackupRequest,
) -> Result<(), OperationError> {
    ops.check_up()?;
    let patience = Patience::of(offering.node_timeout);
    let mut instance = ops.ready_instance(offering, &request.instance_id, bare).await?.record;
    Span::current().record("instance", instance.id.as_str());
    Span::current().record("node", instance.life.node.as_str());
    // Each restore is an operation of its own: the same backup may be loaded again.
    instance.life.operation = OperationId::random();
    let node = instance.life.node.clone();
    let body =
        RestoreRequest { instance_id: request.instance_id, backup_path: request.backup_path };
    let asking = Asking::of(ops, offering, &instance, Operation::Restore, &node);
    asking.within::<_, Reply>(&body, patience).await
}
