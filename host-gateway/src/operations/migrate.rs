//! Migrate: an instance goes to another node, with its data and under its credentials.

use std::sync::Arc;

use tenon_protocol::clock::Millis;
use tenon_protocol::record::{
    InstanceRecord, MoveKind, MoveRecord, MoveStep, Phase, RECORD_VERSION, key,
};
use tenon_protocol::{InstanceId, JobId, NodeId};
use tracing::Span;

use super::{OperationError, Operations, bare, moving, shown};
use crate::config::OfferingConfig;
use crate::placement::{self, Overcommit, Wanted};
use crate::state::{Stored, StoredMove};

/// Begins to move instance `id` to `to`, or to the node that suits best; while it moves there, it
/// is that move. Whoever goes on with it, it ends.
///
/// # Errors
///
/// [`OperationError`]; [`OperationError::Busy`] while it moves elsewhere.
pub(crate) async fn migrate(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    to: Option<NodeId>,
) -> Result<MoveRecord, OperationError> {
    ops.check_up()?;
    let instance = ordered(ops, offering, id).await?;
    let from = instance.record.life.node.clone();
    let last = ops.records.last_move(&instance.record.id).await?;
    if let Some(running) = last.as_ref().filter(|last| !last.record.step.is_settled()) {
        let same = to.as_ref().is_none_or(|to| *to == running.record.to);
        return if same && running.record.kind == MoveKind::Migrate {
            Ok(running.record.clone())
        } else {
            Err(OperationError::Busy(instance.record.id))
        };
    }
    let to = match to {
        Some(to) => to,
        None => target(ops, offering, &instance.record, std::slice::from_ref(&from))?,
    };
    if to == from {
        return Err(OperationError::Conflict(format!("{id} is on node {to} already")));
    }
    moving::check_fits(ops, offering, &instance.record).await?;
    let ordered = first(offering, &instance.record, MoveKind::Migrate, to);
    let begun = begin(ops, last.as_ref(), ordered).await?;
    // Before the answer: whoever reads credentials after it is told to wait for the new ones.
    let set_out = moving::set_out(ops, offering, &begun).await;
    moving::carry_on_in_background(ops, offering, begun.clone());
    set_out.map(|()| begun.record)
}

/// The record of an instance that is there, or on its way.
///
/// # Errors
///
/// [`OperationError::NotFound`] when there is none.
pub(super) async fn ordered(
    ops: &Operations,
    offering: &OfferingConfig,
    id: &str,
) -> Result<Stored<InstanceRecord>, OperationError> {
    let found = ops.instance(offering, id).await?;
    let there = found.filter(|found| match found.record.life.phase {
        Phase::Ready | Phase::Moving => true,
        Phase::Intent | Phase::Deleting | Phase::Tomb => false,
    });
    let found = there.ok_or_else(|| OperationError::NotFound(bare(&shown(id))))?;
    Span::current().record("instance", found.record.id.as_str());
    Span::current().record("node", found.record.life.node.as_str());
    Ok(found)
}

/// The move of an instance that is not settled; `None` when there is none.
///
/// # Errors
///
/// [`OperationError`] when the store cannot tell.
pub(super) async fn running(
    ops: &Operations,
    id: &InstanceId,
) -> Result<Option<StoredMove>, OperationError> {
    let last = ops.records.last_move(id).await?;
    Ok(last.filter(|last| !last.record.step.is_settled()))
}

/// Picks a node for an instance that is to leave those of `tried`.
///
/// # Errors
///
/// [`OperationError::NotPlaced`].
pub(super) fn target(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    tried: &[NodeId],
) -> Result<NodeId, OperationError> {
    let plan = offering.plans.iter().find(|plan| plan.name == record.plan);
    let overcommit = match plan {
        Some(plan) if plan.allow_over_provisioning => Overcommit::Allow,
        Some(_) | None => Overcommit::Refuse,
    };
    let wanted = Wanted { plan: &record.plan, version: &record.version, overcommit, tried };
    let offers = ops.nodes.offers(&offering.service);
    let picked = placement::pick(&offers, wanted, rand::random());
    picked.map_err(|why| OperationError::NotPlaced { plan: record.plan.clone(), why })
}

/// The record of a move of the instance of `record`, as it begins.
pub(super) fn first(
    offering: &OfferingConfig,
    record: &InstanceRecord,
    kind: MoveKind,
    to: NodeId,
) -> MoveRecord {
    let now = Millis::now();
    MoveRecord {
        v: RECORD_VERSION,
        id: JobId::random(),
        instance: record.id.clone(),
        service: record.service.clone(),
        kind,
        from: record.life.node.clone(),
        to,
        generation: record.life.generation,
        found: record.life.phase,
        step: MoveStep::Away,
        created: now,
        stepped: now,
        deadline: moving::lease(offering.node_timeout),
        credentials: None,
        handles: None,
        failure: None,
    }
}

/// Writes the record of a move, in the place of `last`, which is settled.
///
/// # Errors
///
/// [`OperationError::Busy`] when somebody else began one.
pub(super) async fn begin(
    ops: &Operations,
    last: Option<&StoredMove>,
    first: MoveRecord,
) -> Result<StoredMove, OperationError> {
    let MoveRecord { from, to, .. } = &first;
    let instance = first.instance.clone();
    tracing::info!(move_record = key::moving(&instance), %from, %to, "a move begins");
    let begun = ops.records.write_move(last, first).await?;
    ops.crash.point("move.recorded");
    begun.ok_or(OperationError::Busy(instance))
}
