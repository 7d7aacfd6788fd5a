//! Unprovision: an instance and its bindings go, and are forgotten once every node said so.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Object, Reply, UnprovisionRequest};
use tenon_protocol::record::{BindingRecord, InstanceRecord, Life, Phase};
use tenon_protocol::subject::Operation;
use tenon_protocol::{InstanceId, NodeId};
use tracing::Span;

use super::clean::{Cleaned, removed};
use super::forget_snapshots::forget_snapshots;
use super::moving::{is_told, is_within};
use super::{OperationError, Operations, command, credentials, instance_id, order, shown};
use crate::config::{OfferingConfig, Peers};
use crate::patience::Patience;
use crate::sender::going_on;
use crate::state::{Cas, Record, Stored};

/// How often a request that came second looks whether the first one is done.
const JOIN_PAUSE: Duration = Duration::from_millis(50);
/// How often records are read anew while others change them.
const BURIAL_ROUNDS: usize = 5;
/// Records that are written at once.
const AT_ONCE: usize = 16;

/// Removes instance `id` of `offering`, and returns when it is gone.
///
/// # Errors
///
/// [`OperationError`]. Once begun, the removal goes on until it is done, whatever is answered.
pub(crate) async fn unprovision(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
) -> Result<(), OperationError> {
    ops.check_up()?;
    let patience = Patience::of(offering.node_timeout);
    // A classic platform knows an id only from an answer: nothing can be under way for an unknown
    // one, so it needs no tomb.
    let missing = || OperationError::NotFound(instance_id(&shown(id)));
    let found = ops.instance(offering, id).await?.ok_or_else(missing)?;
    Span::current().record("instance", found.record.id.as_str());
    Span::current().record("node", found.record.life.node.as_str());
    match found.record.life.phase {
        Phase::Tomb => Err(missing()),
        Phase::Deleting => join(ops, offering, found.record.id, patience).await,
        Phase::Intent | Phase::Ready | Phase::Moving => {
            check_fits(ops, offering, &found.record.id).await?;
            ops.crash.point("unprovision.before-deleting");
            let Ok(going) = found.record.life.deleting(patience.lease()) else {
                return join(ops, offering, found.record.id, patience).await;
            };
            match ops.records.replace(&found, going).await? {
                Cas::Written(going) => {
                    ops.crash.point("unprovision.deleting-written");
                    clean_home(ops, offering, going, patience).await
                }
                Cas::Lost => join(ops, offering, found.record.id, patience).await,
            }
        }
    }
}

/// Refuses what an original node could not be told. Nothing was changed yet.
async fn check_fits(
    ops: &Operations,
    offering: &OfferingConfig,
    id: &InstanceId,
) -> Result<(), OperationError> {
    match offering.peers {
        Peers::Native => Ok(()),
        Peers::Original => {
            let body = body(id, bindings_to_name(ops, offering, id).await?);
            if is_within(&body, ops.bus.max_payload()) {
                Ok(())
            } else {
                Err(OperationError::TooManyBindings(id.clone()))
            }
        }
    }
}

/// Somebody removes it already: waits for the end, and takes over what was left.
async fn join(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: InstanceId,
    patience: Patience,
) -> Result<(), OperationError> {
    loop {
        let Some(found) = ops.records.instance(&id).await? else {
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

/// [`clean`], for who waits until the node that serves the instance has removed it.
async fn clean_home(
    ops: &Operations,
    offering: &OfferingConfig,
    stored: Stored<InstanceRecord>,
    patience: Patience,
) -> Result<(), OperationError> {
    let home = stored.record.life.node.clone();
    clean(ops, offering, stored, patience).await?.1.at(&home)
}

/// Has every node that may have something of an instance remove it. A record that is `Deleting`
/// becomes a tomb, one that is `Ready` stays.
///
/// # Errors
///
/// [`OperationError`] when the record could not be written. Nodes that have not confirmed are named
/// by the record, and by [`Cleaned`].
pub(crate) async fn clean(
    ops: &Operations,
    offering: &OfferingConfig,
    stored: Stored<InstanceRecord>,
    patience: Patience,
) -> Result<(Stored<InstanceRecord>, Cleaned), OperationError> {
    let (record, life) = (&stored.record, &stored.record.life);
    let bindings = bindings_to_name(ops, offering, &record.id).await?;
    let ask = |node| ask(ops, offering, record, node, bindings.clone(), patience);
    let cleaned = Cleaned::by(life, ask).await;
    let Some(left) = cleaned.applied_to(life) else {
        return Ok((stored, cleaned));
    };
    ops.crash.point("unprovision.answered");
    if left.phase == Phase::Tomb {
        bury_bindings(ops, &record.id).await?;
        forget_snapshots(ops, offering, record).await?;
        ops.crash.point("unprovision.bindings-buried");
    }
    let Cas::Written(stored) = ops.records.replace(&stored, left).await? else {
        return Err(OperationError::Overtaken(stored.record.key()));
    };
    if stored.record.life.phase == Phase::Tomb {
        ops.crash.point("unprovision.tomb-written");
    }
    Ok((stored, cleaned))
}

/// Has `node` alone remove what it has of an instance that is elsewhere.
///
/// # Errors
///
/// [`OperationError`] when it has not confirmed.
pub(super) async fn clean_node(
    ops: &Operations,
    offering: &OfferingConfig,
    stored: Stored<InstanceRecord>,
    node: &NodeId,
    patience: Patience,
) -> Result<Stored<InstanceRecord>, OperationError> {
    let bindings = bindings_to_name(ops, offering, &stored.record.id).await?;
    ask(ops, offering, &stored.record, node.clone(), bindings, patience).await?;
    let (key, generation) = (stored.record.key(), stored.record.life.generation);
    let mut found = Some(stored);
    for _round in 0..BURIAL_ROUNDS {
        let Some(now) = found.filter(|now| now.record.life.generation == generation) else { break };
        if !now.record.life.garbage.contains(node) {
            return Ok(now);
        }
        let cleaned = now.record.life.cleaned(node);
        if let Cas::Written(stored) = ops.records.replace(&now, cleaned).await? {
            return Ok(stored);
        }
        // A reconciler cleans it too, or has just claimed that.
        found = ops.records.instance(&now.record.id).await?;
    }
    Err(OperationError::Overtaken(key))
}

/// [`clean`], while somebody is answered already.
pub(crate) fn clean_in_background(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    stored: Stored<InstanceRecord>,
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
    record: &InstanceRecord,
    node: NodeId,
    bindings: Vec<Object>,
    patience: Patience,
) -> Result<(), OperationError> {
    let body = body(&record.id, bindings);
    let order = order(&record.life, &record.id, None, patience);
    let command = command(offering, Operation::Unprovision, &node, &body, &order);
    let asking = ops.bus.command::<_, Reply>(&command, patience);
    let answer = ops.crash.during("unprovision.asking", asking).await;
    removed(ops, offering, node, answer).await
}

fn body(id: &InstanceId, bindings: Vec<Object>) -> UnprovisionRequest {
    UnprovisionRequest { name: id.to_string(), bindings }
}

/// Credentials of the bindings that go with an instance. An original node removes the accounts that
/// it is told, and no others; ours have a list of their own, and are told what a page holds.
async fn bindings_to_name(
    ops: &Operations,
    offering: &OfferingConfig,
    id: &InstanceId,
) -> Result<Vec<Object>, OperationError> {
    let all = binding_credentials(ops, id).await?;
    Ok(if is_told(ops, offering, &all) { all } else { Vec::new() })
}

async fn binding_credentials(
    ops: &Operations,
    id: &InstanceId,
) -> Result<Vec<Object>, OperationError> {
    let bindings = ops.records.bindings(id).await?;
    let with_credentials = bindings.iter().filter(|b| b.record.life.credentials.is_some());
    let opened = with_credentials.map(|binding| {
        let record = &binding.record;
        Ok(credentials(&ops.seal_key, &record.key(), &record.life)?)
    });
    opened.collect()
}

/// The nodes removed the bindings together with their instance.
async fn bury_bindings(ops: &Operations, id: &InstanceId) -> Result<(), OperationError> {
    for _round in 0..BURIAL_ROUNDS {
        let bindings = ops.records.bindings(id).await?;
        if bindings.is_empty() {
            return Ok(());
        }
        let each = futures_util::stream::iter(bindings).map(Ok::<_, OperationError>);
        each.try_for_each_concurrent(AT_ONCE, |binding| async move {
            ops.records.replace(&binding, buried(&binding.record)).await?;
            Ok(())
        })
        .await?;
    }
    Err(OperationError::Contended(id.clone()))
}

fn buried(record: &BindingRecord) -> Life {
    let going = record.life.deleting(Millis::now()).unwrap_or_else(|_going| record.life.clone());
    let garbage = going.garbage.clone();
    garbage.iter().fold(going, |life, node| life.cleaned(node))
}
