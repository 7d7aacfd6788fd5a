//! The life of an instance or binding, as its record tells it.

mod moving;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::{Generation, NodeId, OperationId};
use crate::seal::Sealed;

/// Where an object is in its life.
///
/// ```text
///            answered               asked to go           every node said "gone"
/// Intent ───────────────▶ Ready ─────────────────▶ Deleting ───────────────▶ Tomb
///   │ ▲                                               ▲
///   │ └─ moved to another node                        │
///   └─────────────────────────────────────────────────┘ refused, or nobody waits any more
///
/// Ready ──▶ Moving ──▶ Ready, on the other node or on the old one
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A node was asked, or is about to be.
    Intent,
    /// It exists, and its credentials are in the record.
    Ready,
    /// It is on its way to another node: nobody reaches it, nothing is ordered of it.
    Moving,
    /// Nodes are being asked to remove it.
    Deleting,
    /// It is gone. Kept, so that a late message cannot bring it back.
    Tomb,
}

/// What becomes of an intent whose asker waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Abandon {
    /// The asker never learnt an id (classic): it is undone.
    Undo,
    /// The asker chose the id and will ask again (Open Service Broker): it is finished.
    Finish,
}

/// The common part of instance and binding records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Where it is in its life.
    pub phase: Phase,
    /// The node that has it, or was asked last.
    pub node: NodeId,
    /// Raised whenever an earlier command must not be obeyed any more.
    pub generation: Generation,
    /// The operation of this generation: each attempt at it carries this id.
    pub operation: OperationId,
    /// Until then whoever wrote the record works on it; afterwards any gateway may.
    pub deadline: Millis,
    /// What becomes of an abandoned intent.
    pub on_abandon: Abandon,
    /// Nodes that may still have something of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub garbage: Vec<NodeId>,
    /// The credentials, once there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Sealed>,
}

/// A transition that the record does not allow: somebody else was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record in phase {from:?} does not go to {to:?}")]
pub struct LifeError {
    /// Where it is.
    pub from: Phase,
    /// Where it was to go.
    pub to: Phase,
}

impl Life {
    /// The intent to have an object on `node`.
    #[must_use]
    pub fn intent(node: NodeId, deadline: Millis, on_abandon: Abandon) -> Self {
        Self {
            phase: Phase::Intent,
            node,
            generation: Generation::FIRST,
            operation: OperationId::random(),
            deadline,
            on_abandon,
            garbage: Vec::new(),
            credentials: None,
        }
    }

    /// An object that another authority says is there (adopted from a cloud controller).
    #[must_use]
    pub fn adopted(node: NodeId, credentials: Sealed) -> Self {
        let mut life = Self::intent(node, Millis::default(), Abandon::Undo);
        life.phase = Phase::Ready;
        life.credentials = Some(credentials);
        life
    }

    /// The node said that it is there.
    ///
    /// # Errors
    ///
    /// [`LifeError`] when this is no intent any more.
    pub fn ready(&self, credentials: Sealed) -> Result<Self, LifeError> {
        let mut life = self.at(Phase::Intent, Phase::Ready)?;
        life.phase = Phase::Ready;
        life.credentials = Some(credentials);
        Ok(life)
    }

    /// The node certainly has not made it: another one is asked, under a higher generation.
    ///
    /// # Errors
    ///
    /// [`LifeError`] when this is no intent any more.
    pub fn moved(&self, node: NodeId, deadline: Millis) -> Result<Self, LifeError> {
        let mut life = self.at(Phase::Intent, Phase::Intent)?;
        life.add_garbage(self.node.clone());
        life.garbage.retain(|dirty| *dirty != node);
        life.renew(deadline);
        life.node = node;
        Ok(life)
    }

    /// It shall go: asked for, refused by the node, or abandoned.
    ///
    /// # Errors
    ///
    /// [`LifeError`] when it is gone or going already.
    pub fn deleting(&self, deadline: Millis) -> Result<Self, LifeError> {
        if matches!(self.phase, Phase::Deleting | Phase::Tomb) {
            return Err(LifeError { from: self.phase, to: Phase::Deleting });
        }
        let mut life = self.clone();
        life.phase = Phase::Deleting;
        life.add_garbage(self.node.clone());
        life.renew(deadline);
        Ok(life)
    }

    /// `node` said that it has nothing of it any more. The last one makes a deleting record a tomb.
    #[must_use]
    pub fn cleaned(&self, node: &NodeId) -> Self {
        let mut life = self.clone();
        life.garbage.retain(|dirty| dirty != node);
        if life.phase == Phase::Deleting && life.garbage.is_empty() {
            life.phase = Phase::Tomb;
            life.credentials = None;
        }
        life
    }

    /// Whether the node that served it may still have it; a removal that goes on elsewhere only is
    /// not what anybody waits for.
    #[must_use]
    pub fn is_at_home(&self) -> bool {
        self.phase != Phase::Deleting || self.garbage.contains(&self.node)
    }

    /// Somebody else takes over the work until `deadline`.
    #[must_use]
    pub fn claimed(&self, deadline: Millis) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Whether there is work left that nobody does at `now`.
    #[must_use]
    pub fn is_left_over(&self, now: Millis) -> bool {
        let work = match self.phase {
            Phase::Intent | Phase::Deleting => true,
            Phase::Ready => !self.garbage.is_empty(),
            // The record of the move is the work.
            Phase::Moving | Phase::Tomb => false,
        };
        work && self.deadline < now
    }

    fn at(&self, from: Phase, to: Phase) -> Result<Self, LifeError> {
        if self.phase == from { Ok(self.clone()) } else { Err(LifeError { from: self.phase, to }) }
    }

    fn add_garbage(&mut self, node: NodeId) {
        if !self.garbage.contains(&node) {
            self.garbage.push(node);
        }
    }

    fn renew(&mut self, deadline: Millis) {
        self.renew_as(OperationId::random(), deadline);
    }

    fn renew_as(&mut self, operation: OperationId, deadline: Millis) {
        self.generation = self.generation.next();
        self.operation = operation;
        self.deadline = deadline;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SealKey;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn sealed() -> Sealed {
        SealKey::from_hex(&SealKey::random_hex()).unwrap().seal("x", &1).unwrap()
    }

    fn intent() -> Life {
        Life::intent(node("n1"), Millis::from_millis(5), Abandon::Undo)
    }

    #[test]
    fn an_answered_intent_is_ready_and_keeps_its_generation() {
        let ready = intent().ready(sealed()).unwrap();
        assert_eq!((ready.phase, ready.generation), (Phase::Ready, Generation::FIRST));
        assert!(ready.credentials.is_some());
    }

    #[test]
    fn an_answer_to_a_record_that_is_going_is_refused() {
        let going = intent().deleting(Millis::from_millis(9)).unwrap();
        let error = going.ready(sealed()).unwrap_err();
        assert_eq!(error, LifeError { from: Phase::Deleting, to: Phase::Ready });
        assert!(going.moved(node("n2"), Millis::default()).is_err());
        assert!(going.deleting(Millis::default()).is_err());
        assert!(going.cleaned(&node("n1")).deleting(Millis::default()).is_err());
    }

    #[test]
    fn a_move_raises_the_generation_and_leaves_the_old_node_as_garbage() {
        let first = intent();
        let moved = first.moved(node("n2"), Millis::from_millis(9)).unwrap();
        assert_eq!((moved.node.clone(), moved.generation.get()), (node("n2"), 2));
        assert_eq!(moved.garbage, [node("n1")]);
        assert_ne!(moved.operation, first.operation);
        let back = moved.moved(node("n1"), Millis::from_millis(9)).unwrap();
        assert_eq!((back.garbage, back.generation.get()), (vec![node("n2")], 3));
    }

    #[test]
    fn a_record_is_a_tomb_when_every_node_said_gone() {
        let going =
            intent().moved(node("n2"), Millis::default()).unwrap().deleting(Millis::default());
        let going = going.unwrap();
        assert_eq!(going.garbage, [node("n1"), node("n2")]);
        let half = going.cleaned(&node("n1"));
        assert_eq!(half.phase, Phase::Deleting);
        let tomb = half.cleaned(&node("n2"));
        assert_eq!(tomb.phase, Phase::Tomb);
        assert_eq!(tomb.credentials, None);
    }

    #[test]
    fn cleaning_a_ready_record_leaves_it_ready() {
        let ready = intent().moved(node("n2"), Millis::default()).unwrap().ready(sealed()).unwrap();
        assert!(ready.is_left_over(Millis::from_millis(1)));
        let clean = ready.cleaned(&node("n1"));
        assert_eq!(clean.phase, Phase::Ready);
        assert!(!clean.is_left_over(Millis::from_millis(1)));
    }

    #[test]
    fn work_is_left_over_only_after_its_deadline() {
        assert!(!intent().is_left_over(Millis::from_millis(5)));
        assert!(intent().is_left_over(Millis::from_millis(6)));
        assert!(!intent().claimed(Millis::from_millis(50)).is_left_over(Millis::from_millis(6)));
    }
}
