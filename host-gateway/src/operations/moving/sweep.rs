//! Makes way on the target of a recovery for what comes there.

use tenon_protocol::record::{InstanceRecord, MoveKind};

use super::Held;
use crate::config::OfferingConfig;
use crate::operations::{OperationError, Operations, unprovision};
use crate::patience::Patience;
use crate::state::Stored;

/// The record, when nothing is left on the target of a move that brought the instance away from
/// there. An import sees to it by itself; a backup is loaded into what is made for it.
///
/// # Errors
///
/// [`OperationError`] when that node has not removed it yet.
pub(super) async fn swept(
    ops: &Operations,
    offering: &OfferingConfig,
    held: &Held,
    found: Stored<InstanceRecord>,
) -> Result<Stored<InstanceRecord>, OperationError> {
    let to = &held.record().to;
    let is_left = found.record.life.garbage.contains(to);
    if !is_left || !matches!(held.record().kind, MoveKind::Recover { .. }) {
        return Ok(found);
    }
    let patience = Patience::of(offering.node_timeout);
    unprovision::clean_node(ops, offering, found, to, patience).await
}
