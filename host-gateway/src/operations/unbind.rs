//! Unbind: an application's credentials are revoked, and forgotten once the node said so.

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Reply, UnbindHandleRequest, UnbindRequest};
use tenon_protocol::record::{BindingRecord, InstanceRecord, Phase};
use tenon_protocol::subject::Operation;
use tenon_protocol::{BindingId, NodeId};
use tracing::Span;

use super::clean::{Cleaned, removed};
use super::{
    OperationError, Operations, binding_id, command, credentials, instance_id, order, shown,
};
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
                    clean_home(ops, offering, going, patience).await
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
            Phase::Deleting if !found.record.life.is_at_home() => return Ok(()),
            Phase::Deleting if found.record.life.is_left_over(Millis::now()) => {
                let claimed = found.record.life.claimed(patience.lease());
                if let Cas::Written(claimed) = ops.records.replace(&found, claimed).await? {
                    return clean_home(ops, offering, claimed, patience).await;
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

/// [`clean`], for who waits until the node that serves the binding has removed it.
async fn clean_home(
    ops: &Operations,
    offering: &OfferingConfig,
    stored: Stored<BindingRecord>,
    patience: Patience,
) -> Result<(), OperationError> {
    let home = stored.record.life.node.clone();
    clean(ops, offering, stored, patience).await?.1.at(&home)
}

/// Has every node that may have something of a binding remove it; then it becomes a tomb.
///
/// # Errors
///
/// [`OperationError`] when the record could not be written. Nodes that have not confirmed are named
/// by the record, and by [`Cleaned`].
pub(crate) async fn clean(
    ops: &Operations,
    offering: &OfferingConfig,
    stored: Stored<BindingRecord>,
    patience: Patience,
) -> Result<(Stored<BindingRecord>, Cleaned), OperationError> {
    let (record, life) = (&stored.record, &stored.record.life);
    let cleaned = Cleaned::by(life, |node| ask(ops, offering, record, node, patience)).await;
    let Some(left) = cleaned.applied_to(life) else {
        return Ok((stored, cleaned));
    };
    ops.crash.point("unbind.answered");
    let Cas::Written(stored) = ops.records.replace(&stored, left).await? else {
        return Err(OperationError::Overtaken(stored.record.key()));
    };
    if stored.record.life.phase == Phase::Tomb {
        ops.crash.point("unbind.tomb-written");
    }
    Ok((stored, cleaned))
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
        let cleaned = clean(&ops, &offering, stored, patience).await;
        if let Err(error) = cleaned.and_then(|(_, cleaned)| cleaned.everywhere()) {
            tracing::warn!(error = %chain(&error), "remains are not removed yet, the reconciler goes on");
        }
    };
    tasks.spawn(going_on(work));
}

async fn ask(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &BindingRecord,
    node: NodeId,
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
    let command = command(offering, Operation::Unbind, &node, &body, &order);
    let asking = ops.bus.command::<_, Reply>(&command, patience);
    let answer = ops.crash.during("unbind.asking", asking).await;
    removed(ops, offering, node, answer).await
}
