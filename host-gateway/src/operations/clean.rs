//! Clean: all nodes that may have something of an object are asked to remove it.
//!
//! They are asked at once: one that is lost keeps nobody else from removing what it has.

use std::future::Future;

use futures_util::future::join_all;
use tenon_protocol::record::Life;
use tenon_protocol::{Code, Fault, NodeId};

use super::{OperationError, Operations};
use crate::bus::Answer;
use crate::config::{OfferingConfig, Peers};

/// What the nodes said.
#[derive(Default)]
pub(crate) struct Cleaned {
    confirmed: Vec<NodeId>,
    failed: Vec<(NodeId, OperationError)>,
}

impl Cleaned {
    /// Asks all nodes of `life` that may have something.
    pub(super) async fn by<F>(life: &Life, ask: impl Fn(NodeId) -> F) -> Self
    where
        F: Future<Output = Result<(), OperationError>>,
    {
        let answers = join_all(life.garbage.iter().cloned().map(ask)).await;
        let mut cleaned = Self::default();
        for (node, answer) in life.garbage.iter().zip(answers) {
            match answer {
                Ok(()) => cleaned.confirmed.push(node.clone()),
                Err(error) => cleaned.failed.push((node.clone(), error)),
            }
        }
        cleaned
    }

    /// `life` without the nodes that confirmed; `None` when none did.
    pub(super) fn applied_to(&self, life: &Life) -> Option<Life> {
        let (first, rest) = self.confirmed.split_first()?;
        Some(rest.iter().fold(life.cleaned(first), |life, node| life.cleaned(node)))
    }

    /// Nothing is left anywhere.
    ///
    /// # Errors
    ///
    /// That of the first node that has not confirmed; the record says which are left.
    pub(crate) fn everywhere(self) -> Result<(), OperationError> {
        self.failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Nothing is left on `home`, where the object was served. What it left elsewhere earlier is
    /// removed when those nodes are back, and is nothing that who removes it can wait for.
    ///
    /// # Errors
    ///
    /// That of `home`.
    pub(super) fn at(self, home: &NodeId) -> Result<(), OperationError> {
        self.failed
            .into_iter()
            .find(|(node, _)| node == home)
            .map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// What the answer of `node` to an order to remove something means.
///
/// # Errors
///
/// [`OperationError`] when it may still be there.
pub(super) async fn removed(
    ops: &Operations,
    offering: &OfferingConfig,
    node: NodeId,
    answer: Answer<()>,
) -> Result<(), OperationError> {
    match answer {
        Answer::Done(()) => Ok(()),
        Answer::Refused(fault) if is_nothing(offering.peers, &fault) => Ok(()),
        Answer::Refused(fault) => Err(OperationError::Node { node, fault }),
        // Certain, and an operator says that it stays so.
        Answer::Nobody if ops.records.is_gone(&node).await? => Ok(()),
        Answer::Nobody | Answer::Silent => Err(OperationError::Silent(node)),
    }
}

/// Whether a node says that it has nothing of the kind: gone is what was wanted. One of ours says
/// so by number: a component may answer 404 for reasons of its own.
///
/// Source: the original's node does the same since `412041d`; reference, section 0.5.
fn is_nothing(peers: Peers, fault: &Fault) -> bool {
    const NOT_FOUND: u16 = 404;
    match peers {
        Peers::Native => fault.is(Code::NODE_NO_INSTANCE) || fault.is(Code::NODE_NO_BINDING),
        Peers::Original => fault.status == NOT_FOUND,
    }
}

#[cfg(test)]
mod tests {
    use tenon_protocol::clock::Millis;
    use tenon_protocol::record::{Abandon, Phase};

    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn going() -> Life {
        let life = Life::intent(node("n1"), Millis::default(), Abandon::Undo);
        let life = life.moved(node("n2"), Millis::default()).unwrap();
        life.deleting(Millis::default()).unwrap()
    }

    async fn clean(silent: &str) -> Cleaned {
        let ask = |node: NodeId| {
            let answer =
                if node.as_str() == silent { Err(OperationError::Silent(node)) } else { Ok(()) };
            std::future::ready(answer)
        };
        Cleaned::by(&going(), ask).await
    }

    #[tokio::test]
    async fn a_lost_node_keeps_nobody_else_from_removing_what_it_has() {
        let left = clean("n1").await.applied_to(&going()).unwrap();
        assert_eq!((left.phase, left.garbage), (Phase::Deleting, vec![node("n1")]));
        assert!(clean("n1").await.at(&node("n2")).is_ok());
        assert!(clean("n1").await.everywhere().is_err());
        assert!(clean("n2").await.at(&node("n2")).is_err());
        let tomb = clean("nobody").await.applied_to(&going()).unwrap();
        assert_eq!(tomb.phase, Phase::Tomb);
    }

    #[test]
    fn a_component_that_answers_404_has_removed_nothing() {
        let own = Fault::new(Code::NOT_FOUND, "row not found");
        assert!(!is_nothing(Peers::Native, &own));
        assert!(is_nothing(Peers::Original, &own));
    }
}
