//! The records of a moved instance and its bindings name the target.

use futures_util::{StreamExt, TryStreamExt};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::Handle;
use tenon_protocol::record::{InstanceRecord, Phase};
use tenon_protocol::{BindingId, Fault, InstanceId, NodeId};

use super::Handles;
use crate::operations::{OperationError, Operations, is_named};
use crate::state::{Cas, Record, Stored};

/// How often a binding's record is read anew while somebody else changes it.
const ROUNDS: usize = 10;
/// Records that are written at once.
const AT_ONCE: usize = 16;

/// Lets the records of all bindings name `to`, and after them that of the instance.
///
/// # Errors
///
/// [`OperationError`]; it may be done half, and is repeated whole.
pub(in crate::operations) async fn switch(
    ops: &Operations,
    moving: &Stored<InstanceRecord>,
    to: &NodeId,
    handles: Handles,
) -> Result<(), OperationError> {
    let id = &moving.record.id;
    follow_all(ops, id, to, handles.bindings).await?;
    let mut credentials = handles.instance.credentials;
    if !is_named(&credentials, id) {
        return Err(foreign(to));
    }
    credentials.insert("node_id".to_owned(), to.as_str().into());
    let sealed = ops.seal_key.seal(&moving.record.key(), &credentials)?;
    let overtaken = || OperationError::Overtaken(moving.record.key());
    let arrived = moving.record.life.arrived(to.clone(), sealed);
    let arrived = arrived.map_err(|_not_moving| overtaken())?;
    match ops.records.replace(moving, arrived).await? {
        Cas::Written(_arrived) => Ok(()),
        Cas::Lost => Err(overtaken()),
    }
}

/// Lets the records of bindings name `to`.
pub(super) async fn follow_all(
    ops: &Operations,
    instance: &InstanceId,
    to: &NodeId,
    bindings: Vec<Handle>,
) -> Result<(), OperationError> {
    let each = futures_util::stream::iter(bindings).map(Ok);
    each.try_for_each_concurrent(AT_ONCE, |handle| async move {
        follow(ops, instance, to, handle).await?;
        ops.crash.point("move.binding-switched");
        Ok(())
    })
    .await
}

/// One binding. One that was removed while its instance moved is cleaned on the target.
async fn follow(
    ops: &Operations,
    instance: &InstanceId,
    to: &NodeId,
    handle: Handle,
) -> Result<(), OperationError> {
    let id = BindingId::new(handle.service_id.as_str()).map_err(|_not_an_id| foreign(to))?;
    for _round in 0..ROUNDS {
        let Some(found) = ops.records.binding(instance, &id).await? else {
            tracing::warn!(binding = %id, node = %to, "a binding has no record any more");
            return Ok(());
        };
        let life = &found.record.life;
        let next = match life.phase {
            Phase::Ready => {
                let sealed = ops.seal_key.seal(&found.record.key(), &handle.credentials)?;
                life.followed(to.clone(), sealed)
                    .map_err(|_not_there| OperationError::Overtaken(found.record.key()))?
            }
            Phase::Deleting if life.garbage.contains(to) => return Ok(()),
            Phase::Deleting | Phase::Tomb => life.stray(to.clone(), Millis::now()),
            // A bind that ends now finds its instance gone from its node, and undoes itself there.
            Phase::Intent | Phase::Moving => return Ok(()),
        };
        if let Cas::Written(_) = ops.records.replace(&found, next).await? {
            return Ok(());
        }
    }
    Err(OperationError::Contended(instance.clone()))
}

fn foreign(to: &NodeId) -> OperationError {
    tracing::error!(node = %to, "a node answered a move with what is not of the instance");
    OperationError::Node { node: to.clone(), fault: Fault::internal() }
}
