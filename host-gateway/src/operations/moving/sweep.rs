//! What moves leave behind: on a node that is to get the instance back, and in the snapshot store.

use tenon_protocol::message::Reply;
use tenon_protocol::record::{InstanceRecord, Life, MoveKind, MoveRecord, Phase};
use tenon_protocol::subject::Operation;
use tenon_protocol::{Code, Fault, NodeId};

use super::{Asking, Held, Outcome, pair};
use crate::config::{OfferingConfig, Peers};
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

/// What is left in the snapshot store.
pub(super) enum Tidied {
    Nothing,
    /// The data, until `node` removes it.
    Left {
        node: NodeId,
        fault: Fault,
    },
}

/// Has the data of a move removed, once.
///
/// # Errors
///
/// [`OperationError`] when it is not known who has to do it.
pub(super) async fn tidied(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &MoveRecord,
) -> Result<Tidied, OperationError> {
    let Some(found) = ops.records.instance(&record.instance).await? else {
        return Ok(Tidied::Nothing);
    };
    let Some(node) = tidier(offering.peers, record, &found.record.life) else {
        return Ok(Tidied::Nothing);
    };
    let pair = pair(ops, offering, &found.record).await?;
    let asking = Asking::of(ops, offering, &found.record, Operation::CleanupnfsInstance, &node);
    let fault = match asking.once::<_, Reply>(&pair).await {
        Outcome::Done(()) => return Ok(Tidied::Nothing),
        Outcome::Failed(fault) => fault,
    };
    let may_come = may_pass(&fault) && !ops.records.is_gone(&node).await?;
    tracing::warn!(%node, %fault, may_come, "a move's data stays in the store");
    // The next move of the instance overwrites it, and its end removes it.
    Ok(if may_come { Tidied::Left { node, fault } } else { Tidied::Nothing })
}

/// The node that removes what `record` left in the store: of ours, which share it, the one that has
/// the instance. Of the original's, which share a folder, the one that wrote it.
///
/// `None` when nobody has to. Data of an instance that is on its way is that of another move.
fn tidier(peers: Peers, record: &MoveRecord, life: &Life) -> Option<NodeId> {
    let wrote = match (&record.kind, peers) {
        (MoveKind::Migrate, Peers::Native) => &life.node,
        (MoveKind::Migrate, Peers::Original) => &record.from,
        // It wrote nothing itself, but it may have ended one that was never tidied.
        (MoveKind::Recover { .. }, Peers::Native) if record.failure.is_none() => &life.node,
        // The old node may be lost, and the tool sees to it by itself.
        (MoveKind::Recover { .. } | MoveKind::Stepwise, Peers::Native | Peers::Original) => {
            return None;
        }
    };
    match life.phase {
        Phase::Moving | Phase::Intent => None,
        Phase::Ready | Phase::Deleting | Phase::Tomb => Some(wrote.clone()),
    }
}

/// Whether a node may do later what it did not do now.
fn may_pass(fault: &Fault) -> bool {
    const SERVER_ERROR: u16 = 500;
    fault.status >= SERVER_ERROR && !fault.is(Code::NO_EXTENSION)
}

#[cfg(test)]
mod tests {
    use tenon_protocol::clock::Millis;
    use tenon_protocol::record::{Abandon, MoveStep};
    use tenon_protocol::{Generation, InstanceId, JobId, ServiceName};

    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn check_tidier(kind: MoveKind, peers: Peers, failure: Option<Fault>, phase: Phase) -> String {
        let home = if failure.is_some() { "old" } else { "new" };
        let record = MoveRecord {
            v: 1,
            id: JobId::random(),
            instance: InstanceId::new("d1").unwrap(),
            service: ServiceName::new("MyaaS").unwrap(),
            kind,
            from: node("old"),
            to: node("new"),
            generation: Generation::FIRST,
            found: Phase::Ready,
            step: MoveStep::Tidy,
            created: Millis::default(),
            stepped: Millis::default(),
            deadline: Millis::default(),
            credentials: None,
            handles: None,
            failure,
        };
        let life = Life::intent(node(home), Millis::default(), Abandon::Undo);
        let tidier = tidier(peers, &record, &Life { phase, ..life });
        tidier.map_or_else(|| "nobody".to_owned(), |node| node.to_string())
    }

    #[test]
    fn who_has_the_instance_removes_the_data_of_its_move() {
        let recover = || MoveKind::Recover { backup_path: String::new() };
        let failed = || Some(Fault::unavailable());
        let (ours, originals) = (Peers::Native, Peers::Original);
        let table = [
            (MoveKind::Migrate, ours, None, Phase::Ready, "new"),
            (MoveKind::Migrate, ours, failed(), Phase::Ready, "old"),
            (MoveKind::Migrate, originals, None, Phase::Ready, "old"),
            (recover(), ours, None, Phase::Ready, "new"),
            // Its old node may be lost.
            (recover(), ours, failed(), Phase::Ready, "nobody"),
            (recover(), originals, None, Phase::Ready, "nobody"),
            (MoveKind::Stepwise, ours, None, Phase::Ready, "nobody"),
            (MoveKind::Migrate, ours, None, Phase::Deleting, "new"),
            // The next move has begun: what is there is its data.
            (MoveKind::Migrate, ours, None, Phase::Moving, "nobody"),
        ];
        for (kind, peers, failure, phase, expected) in table {
            let what = format!("{kind:?} {peers:?} {failure:?} {phase:?}");
            assert_eq!(check_tidier(kind, peers, failure, phase), expected, "{what}");
        }
    }

    #[test]
    fn what_a_node_cannot_do_at_all_is_not_asked_of_it_again() {
        for passing in [Fault::unavailable(), Fault::gateway_timeout(), Fault::internal()] {
            assert!(may_pass(&passing), "{passing}");
        }
        for lasting in [Fault::no_extension("migration"), Fault::malformed()] {
            assert!(!may_pass(&lasting), "{lasting}");
        }
    }
}
