//! Recover: the instances of a lost node come back on another one, from a backup.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tenon_protocol::clock::Millis;
use tenon_protocol::record::{InstanceRecord, MoveKind, MoveRecord, MoveStep};
use tenon_protocol::{InstanceId, JobId};

use super::migrate::{begin, first, ordered, target};
use super::{OperationError, Operations, moving};
use crate::config::OfferingConfig;
use crate::patience::Patience;
use crate::state::StoredMove;

/// How often it is looked whether a recovery has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// For how long a request is taken for the repetition of one that was carried out.
const REPETITION: Duration = Duration::from_secs(600);

/// `POST /service/internal/v1/restore` and `.../recover`. Reference, sections 1.15 and 1.16.
#[derive(Debug, Deserialize)]
pub(crate) struct BackupRequest {
    /// The instance.
    pub(crate) instance_id: String,
    /// A directory that the node sees.
    pub(crate) backup_path: String,
}

/// Brings an instance back on another node, and returns when it serves there.
///
/// # Errors
///
/// [`OperationError`]; [`OperationError::Unfinished`] when it takes longer than the platform waits:
/// it goes on, and the same request asks for it again.
pub(crate) async fn recover(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    request: BackupRequest,
) -> Result<(), OperationError> {
    ops.check_up()?;
    let patience = Patience::of(offering.node_timeout);
    let instance = ordered(ops, offering, &request.instance_id).await?.record;
    let kind = MoveKind::Recover { backup_path: request.backup_path };
    let last = ops.records.last_move(&instance.id).await?;
    let id = match &last {
        Some(ended) if ended.record.step.is_settled() => {
            if has_just_ended(&ended.record, &instance, &kind) {
                return Ok(());
            }
            start(ops, offering, last.as_ref(), &instance, kind).await?
        }
        Some(same) if same.record.kind == kind => same.record.id.clone(),
        // Its node is not to be had any more: it cannot give access back.
        Some(stuck) if stuck.record.step == MoveStep::Return => {
            let failed = stuck.record.at(MoveStep::Failed, Millis::now());
            let ended = ops.records.write_move(Some(stuck), failed).await?;
            let ended = ended.ok_or_else(|| OperationError::Busy(instance.id.clone()))?;
            start(ops, offering, Some(&ended), &instance, kind).await?
        }
        Some(_) => return Err(OperationError::Busy(instance.id)),
        None => start(ops, offering, None, &instance, kind).await?,
    };
    wait(ops, &instance.id, &id, patience).await
}

/// Whether the same recovery ended so shortly ago that this request can only be that one's
/// repetition, by somebody who was told to come back.
fn has_just_ended(last: &MoveRecord, instance: &InstanceRecord, kind: &MoveKind) -> bool {
    let done = last.step.is_settled() && last.failure.is_none() && last.kind == *kind;
    let there = last.to == instance.life.node;
    done && there && Millis::now() < last.stepped.after(REPETITION)
}

async fn start(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    last: Option<&StoredMove>,
    instance: &InstanceRecord,
    kind: MoveKind,
) -> Result<JobId, OperationError> {
    moving::check_fits(ops, offering, instance).await?;
    let lost = [instance.life.node.clone()];
    // The node itself may have come back empty, and be the only one.
    let to = target(ops, offering, instance, &lost);
    let to = to.or_else(|_nobody_else| target(ops, offering, instance, &[]))?;
    let begun = begin(ops, last, first(offering, instance, kind, to)).await?;
    let id = begun.record.id.clone();
    moving::carry_on_in_background(ops, offering, begun);
    Ok(id)
}

/// Waits for the end of move `id`.
async fn wait(
    ops: &Operations,
    instance: &InstanceId,
    id: &JobId,
    patience: Patience,
) -> Result<(), OperationError> {
    while !patience.is_over() {
        let last = ops.records.last_move(instance).await?;
        match last.map(|last| last.record).filter(|record| record.id == *id) {
            Some(MoveRecord { failure: Some(fault), to, .. }) => {
                return Err(OperationError::Node { node: to, fault });
            }
            Some(ended) if ended.step.is_settled() => return Ok(()),
            Some(_) => patience.pause(LOOK_PAUSE).await,
            None => return Err(OperationError::NotFound(instance.to_string())),
        }
    }
    Err(OperationError::Unfinished(instance.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_orders_are_read() {
        for fixture in [
            include_str!("../../../tests/golden/fixtures/gw-1.15-restore.request.json"),
            include_str!("../../../tests/golden/fixtures/gw-1.16-recover.request.json"),
        ] {
            let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
            let request: BackupRequest = serde_json::from_value(fixture["body"].clone()).unwrap();
            assert_eq!(request.instance_id, "d8f3c1e0b2a947d5b6c7a8091f2e3d4c5");
            assert!(request.backup_path.starts_with("/var/vcap/"), "{}", request.backup_path);
        }
    }
}
