//! Unbind: an application's credentials are revoked, and forgotten once the node said so.

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::BindingId;
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Reply, UnbindHandleRequest, UnbindRequest};
use tenon_protocol::record::{BindingRecord, InstanceRecord, Phase};
use tenon_protocol::subject::Operation;
use tracing::Span;

use super::{
    OperationError, Operations, binding_id, command, credentials, instance_id, order, shown,
    unprovision,
};
use crate::bus::Answer;
use crate::config::{OfferingConfig, Peers};
use crate::patience::Patience;
use crate::sender::going_on;
use crate::state::{Cas, Record, Stored};

/// How often a request that came second looks whether the first one is done.
const JOIN_PAUSE: Duration = Duration::from_millis(50);

/// Which binding the path names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The instance.
    pub(crate) instance: String,
    /// The binding.
    pub(crate) binding: String,
}

/// Removes a binding, and returns when it is gone.
///
/// # Errors
///
/// [`OperationError`]. Once begun, the removal goes on until it is done, whatever is answered.
pub(crate) async fn unbind(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    named: &Named,
    request: &UnbindHandleRequest,
) -> Result<(), OperationError> {
    if request.binding_options.is_null() {
        return Err(OperationError::Malformed);
    }
    ops.check_up()?;
    let patience = Patience::of(offering.node_timeout);
    let instance = instance(ops, offering, &named.instance).await?;
    if request.service_id != named.instance || request.handle_id != named.binding {
        return Err(OperationError::Malformed);
    }
    Span::current().record("instance", instance.id.as_str());
    let missing = || OperationError::NotFound(binding_id(&shown(&named.binding)));
    let id = BindingId::new(named.binding.as_str()).map_err(|_not_an_id| missing())?;
    let found = ops.records.binding(&instance.id, &id).await?.ok_or_else(missing)?;
    Span::current().record("node", found.record.life.node.as_str());
    match found.record.life.phase {
        Phase::Tomb => Err(missing()),
        Phase::Deleting => join(ops, offering, &found.record, patience).await,
        Phase::Intent | Phase::Ready | Phase::Moving => {
            ops.crash.point("unbind.before-deleting");
            let Ok(going) = found.record.life.deleting(patience.lease()) else {
                return join(ops, offering, &found.record, patience).await;
            };
            match ops.records.replace(&found, going).await? {
                Cas::Written(going) => {
                    ops.crash.point("unbind.deleting-written");
                    clean(ops, offering, going, patience).await.map(drop)
                }
                Cas::Lost => join(ops, offering, &found.record, patience).await,
            }
        }
    }
}

async fn instance(
    ops: &Operations,
    offering: &OfferingConfig,
    id: &str,
) -> Result<InstanceRecord, OperationError> {
    let found = ops.instance(offering, id).await?;
    let there = found.filter(|stored| stored.record.life.phase != Phase::Tomb);
    let missing = || OperationError::NotFound(instance_id(&shown(id)));
    let there = there.map(|stored| stored.record).ok_or_else(missing)?;
    match there.life.phase {
        Phase::Moving => Err(OperationError::Busy(there.id)),
        Phase::Intent | Phase::Ready | Phase::Deleting | Phase::Tomb => Ok(there),
    }
}

/// Somebody removes it already: waits for the end, and takes over what was left.
async fn join(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &BindingRecord,
    patience: Patience,
) -> Result<(), OperationError> {
    loop {
        let Some(found) = ops.records.binding(&record.instance, &record.id).await? else {
            return Ok(());
        };
        match found.record.life.phase {
            Phase::Tomb => return Ok(()),
            Phase::Deleting if found.record.life.is_left_over(Millis::now()) => {
                let claimed = found.record.life.claimed(patience.lease());
                if let Cas::Written(claimed) = ops.records.replace(&found, claimed).await? {
                    return clean(ops, offering, claimed, patience).await.map(drop);
                }
            }
            Phase::Deleting | Phase::Intent | Phase::Ready | Phase::Moving => {
                if patience.is_over() {
                    return Err(OperationError::Silent(found.record.life.node));
                }
                patience.pause(JOIN_PAUSE).await;
            }
        }
    }
}

/// Has every node that may have something of a binding remove it; then it becomes a tomb.
///
/// # Errors
///
/// [`OperationError`] at the first node that has not confirmed; the record says which are left.
pub(crate) async fn clean(
    ops: &Operations,
    offering: &OfferingConfig,
    mut stored: Stored<BindingRecord>,
    patience: Patience,
) -> Result<Stored<BindingRecord>, OperationError> {
    for node in stored.record.life.garbage.clone() {
        ask(ops, offering, &stored.record, &node, patience).await?;
        ops.crash.point("unbind.answered");
        let cleaned = stored.record.life.cleaned(&node);
        stored = match ops.records.replace(&stored, cleaned).await? {
            Cas::Written(stored) => stored,
            Cas::Lost => return Err(OperationError::Overtaken(stored.record.key())),
        };
    }
    if stored.record.life.phase == Phase::Tomb {
        ops.crash.point("unbind.tomb-written");
    }
    Ok(stored)
}

/// [`clean`], while somebody is answered already.
pub(crate) fn clean_in_background(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    stored: Stored<BindingRecord>,
    patience: Patience,
) {
    let (ops, offering) = (Arc::clone(ops), Arc::clone(offering));
    let tasks = ops.tasks.clone();
    let work = async move {
        if let Err(error) = clean(&ops, &offering, stored, patience).await {
            tracing::warn!(error = %chain(&error), "remains are not removed yet, the reconciler goes on");
        }
    };
    tasks.spawn(going_on(work));
}

async fn ask(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &BindingRecord,
    node: &tenon_protocol::NodeId,
    patience: Patience,
) -> Result<(), OperationError> {
    let credentials = credentials(&ops.seal_key, &record.key(), &record.life)?;
    if credentials.is_empty() && offering.peers == Peers::Original {
        // Such a node knows a binding by its credentials alone, and its answer never came. It
        // removes the account together with the instance.
        tracing::warn!(binding = %record.id, "a binding without credentials stays until unprovision");
        return Ok(());
    }
    let body = UnbindRequest { credentials };
    let order = order(&record.life, &record.instance, Some(&record.id), patience);
    let command = command(offering, Operation::Unbind, node, &body, &order);
    let asking = ops.bus.command::<_, Reply>(&command, patience);
    match ops.crash.during("unbind.asking", asking).await {
        Answer::Done(()) => Ok(()),
        Answer::Refused(fault) if unprovision::is_gone(&fault) => Ok(()),
        Answer::Refused(fault) => Err(OperationError::Node { node: node.clone(), fault }),
        Answer::Nobody | Answer::Silent => Err(OperationError::Silent(node.clone())),
    }
}
