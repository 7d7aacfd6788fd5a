//! The records of a moved instance and its bindings name the target.

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Configuration, Handle, Object};
use tenon_protocol::record::{BindingRecord, InstanceRecord, Phase};
use tenon_protocol::{BindingId, Fault, InstanceId, NodeId};

use crate::operations::{OperationError, Operations, credentials, is_named};
use crate::state::{Cas, Record, Stored};

/// How often a binding's record is read anew while somebody else changes it.
const ROUNDS: usize = 10;

/// The handles of one instance.
pub(in crate::operations) struct Handles {
    pub(in crate::operations) instance: Handle,
    pub(in crate::operations) bindings: Vec<Handle>,
}

impl Handles {
    /// The handles that a node answered, the instance's first.
    ///
    /// # Errors
    ///
    /// [`OperationError`] when there is none.
    pub(in crate::operations) fn of(handles: Vec<Handle>) -> Result<Self, OperationError> {
        let mut handles = handles.into_iter();
        let instance = handles.next().ok_or(OperationError::Malformed)?;
        Ok(Self { instance, bindings: handles.collect() })
    }
}

/// The handles of the instance of `record` and of its bindings that are there, by their records.
///
/// # Errors
///
/// [`OperationError`] when they cannot be read.
pub(in crate::operations) async fn handles(
    ops: &Operations,
    record: &InstanceRecord,
) -> Result<Handles, OperationError> {
    let mut bindings = Vec::new();
    for stored in ops.records.bindings(&record.id).await? {
        if stored.record.life.phase == Phase::Ready {
            bindings.push(binding_handle(ops, record, &stored.record)?);
        }
    }
    let instance = Handle {
        service_id: record.id.to_string(),
        configuration: configuration(record),
        credentials: credentials(&ops.seal_key, &record.key(), &record.life)?,
    };
    Ok(Handles { instance, bindings })
}

fn binding_handle(
    ops: &Operations,
    instance: &InstanceRecord,
    record: &BindingRecord,
) -> Result<Handle, OperationError> {
    let mut data = Object::new();
    data.insert("binding_options".to_owned(), record.options.clone().into());
    Ok(Handle {
        service_id: record.id.to_string(),
        configuration: Configuration { data: Some(data), ..configuration(instance) },
        credentials: credentials(&ops.seal_key, &record.key(), &record.life)?,
    })
}

fn configuration(record: &InstanceRecord) -> Configuration {
    Configuration {
        plan: Some(record.plan.clone()),
        version: Some(record.version.clone()),
        data: None,
    }
}

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
    for handle in bindings {
        follow(ops, instance, to, handle).await?;
        ops.crash.point("move.binding-switched");
    }
    Ok(())
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
