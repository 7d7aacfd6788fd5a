//! Restore: a periodic backup is loaded into an instance, on the node that has it.
//!
//! A load may take longer than a platform waits, and then the request comes again: what was written
//! since the load must not be lost to a second one. So a request is known by its name, or else by
//! what it loads and when.

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::OperationId;
use tenon_protocol::message::{Reply, RestoreRequest};
use tenon_protocol::record::{InstanceRecord, RECORD_VERSION, RestoreRecord};
use tenon_protocol::subject::Operation;
use tracing::Span;

use super::moving::Asking;
use super::recover::BackupRequest;
use super::{OperationError, Operations, bare};
use crate::config::{OfferingConfig, Peers};
use crate::patience::Patience;
use crate::state::StoredRestore;

/// For how long a request without a name is taken for the repetition of one for the same backup,
/// from the first of them on, or from the last that was told that the load goes on.
const REPETITION: Duration = Duration::from_secs(600);
/// How often the memory of restores is read anew while somebody else changes it.
const ROUNDS: usize = 10;

/// Loads a backup, and returns when it is loaded. The same `request_id` with the same request, or
/// the same request without one within [`REPETITION`], loads it once.
///
/// # Errors
///
/// [`OperationError`]; after [`OperationError::Silent`] the node may still be loading, and the
/// request can be repeated.
pub(crate) async fn restore(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    request: BackupRequest,
    request_id: Option<&str>,
) -> Result<(), OperationError> {
    ops.check_up()?;
    let patience = Patience::of(offering.node_timeout);
    let mut instance = ops.ready_instance(offering, &request.instance_id, bare).await?.record;
    Span::current().record("instance", instance.id.as_str());
    Span::current().record("node", instance.life.node.as_str());
    let ordered = match (offering.peers, request_id) {
        // It does what it is told as often as it is told.
        (Peers::Original, _) => Ordered::Named(OperationId::random()),
        (Peers::Native, Some(name)) => {
            Ordered::Named(derived(&instance, &request.backup_path, name))
        }
        (Peers::Native, None) => {
            Ordered::Remembered(remembered(ops, &instance, &request.backup_path).await?)
        }
    };
    instance.life.operation = ordered.operation().clone();
    let node = instance.life.node.clone();
    let body =
        RestoreRequest { instance_id: request.instance_id, backup_path: request.backup_path };
    let asking = Asking::of(ops, offering, &instance, Operation::Restore, &node);
    let restored = asking.within::<_, Reply>(&body, patience).await;
    if let (Err(OperationError::Silent(_)), Ordered::Remembered(stored)) = (&restored, &ordered) {
        // Whoever is told to come back does so after this.
        let (record, on) = (stored.record.clone(), (&instance.service, &instance.id));
        let again = ops.jobs.remember_restore(on, Some(stored), record, REPETITION).await;
        tracing::debug!(?again, "a restore that goes on is remembered");
    }
    restored
}

/// How a repetition of a restore is known.
enum Ordered {
    /// By the name of its request, if at all.
    Named(OperationId),
    /// By a record.
    Remembered(StoredRestore),
}

impl Ordered {
    const fn operation(&self) -> &OperationId {
        match self {
            Self::Named(operation) => operation,
            Self::Remembered(stored) => &stored.record.operation,
        }
    }
}

fn derived(instance: &InstanceRecord, backup_path: &str, request_id: &str) -> OperationId {
    let (service, instance) = (instance.service.as_str(), instance.id.as_str());
    OperationId::derived(&["restore", service, instance, request_id, backup_path])
}

/// The restore that this is: one of late from the same backup, or a new one.
async fn remembered(
    ops: &Operations,
    instance: &InstanceRecord,
    backup_path: &str,
) -> Result<StoredRestore, OperationError> {
    let on = (&instance.service, &instance.id);
    for _round in 0..ROUNDS {
        let last = ops.jobs.last_restore(on.0, on.1).await?;
        if let Some(same) = last.clone().filter(|last| last.record.backup_path == backup_path) {
            tracing::info!("taken for the repetition of a restore from the same backup");
            return Ok(same);
        }
        let operation = OperationId::random();
        let backup_path = backup_path.to_owned();
        let record = RestoreRecord { v: RECORD_VERSION, backup_path, operation };
        let written = ops.jobs.remember_restore(on, last.as_ref(), record, REPETITION).await?;
        if let Some(new) = written {
            return Ok(new);
        }
    }
    Err(OperationError::Busy(instance.id.clone()))
}
