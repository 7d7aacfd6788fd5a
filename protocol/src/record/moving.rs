//! The record of a move: an instance on its way to another node.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::fault::Fault;
use crate::id::{Generation, InstanceId, JobId, NodeId, OperationId, ServiceName};
use crate::record::{Life, Phase};
use crate::seal::Sealed;

/// Where the data comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MoveKind {
    /// From the node that has the instance.
    Migrate,
    /// The same, ordered step by step from outside; the record begins with [`MoveStep::Switch`].
    Stepwise,
    /// From a periodic backup: that node is lost.
    Recover {
        /// A directory that the target sees.
        backup_path: String,
    },
}

/// How far a move is.
///
/// ```text
/// Away ──▶ Load ──▶ Adopt ──▶ Switch ──▶ Tell ──▶ Tidy ──▶ Done
///   └───────┴─────────┴──────────┴──▶ Return ──────┘└────▶ Failed
/// ```
///
/// Each step is one command that may be repeated. At `Switch` all is on the target: the way back
/// from there is taken only when an operator says that the target is gone for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveStep {
    /// The old node revokes all access, and writes the data into the snapshot store.
    Away,
    /// The target makes the instance, and loads the data.
    Load,
    /// The target makes the accounts of all bindings.
    Adopt,
    /// The records of bindings and instance name the target.
    Switch,
    /// The platform is told the new credentials.
    Tell,
    /// The data in the snapshot store is removed. The instance is where it will be, and may be
    /// moved again meanwhile.
    Tidy,
    /// The instance is on the target.
    Done,
    /// The old node gives access back.
    Return,
    /// The instance is where it was.
    Failed,
}

impl MoveStep {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Done | Self::Failed => true,
            Self::Away
            | Self::Load
            | Self::Adopt
            | Self::Switch
            | Self::Tell
            | Self::Tidy
            | Self::Return => false,
        }
    }

    /// Whether the instance is where it will be.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        match self {
            Self::Tidy | Self::Done | Self::Failed => true,
            Self::Away | Self::Load | Self::Adopt | Self::Switch | Self::Tell | Self::Return => {
                false
            }
        }
    }
}

/// `move.<instance>`, beside the instance's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRecord {
    /// [`super::RECORD_VERSION`] of the writer.
    pub v: u32,
    /// This move, among all of the instance.
    pub id: JobId,
    /// What moves.
    pub instance: InstanceId,
    /// The offering's service name.
    pub service: ServiceName,
    /// Where the data comes from.
    #[serde(flatten)]
    pub kind: MoveKind,
    /// The node that had it.
    pub from: NodeId,
    /// The node that gets it.
    pub to: NodeId,
    /// The instance's generation when the move began.
    pub generation: Generation,
    /// Its phase then: one that was on its way already may be shut off where it is.
    pub found: Phase,
    /// How far it is.
    pub step: MoveStep,
    /// When it was ordered.
    pub created: Millis,
    /// When the present step began.
    pub stepped: Millis,
    /// Until then whoever wrote the record works on it; afterwards any gateway may.
    pub deadline: Millis,
    /// The instance's credentials on the target, once it told them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Sealed>,
    /// What the target told of everyone with access, if it cannot be asked twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handles: Option<Sealed>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Fault>,
}

impl MoveRecord {
    /// The record at `step`, which begins now.
    #[must_use]
    pub fn at(&self, step: MoveStep, deadline: Millis) -> Self {
        Self { step, stepped: Millis::now(), deadline, ..self.clone() }
    }

    /// The operation that an instance's record names while it is on its way by this move.
    #[must_use]
    pub fn operation(&self) -> OperationId {
        OperationId::derived(&["move", self.id.as_str()])
    }

    /// The same while it goes back.
    #[must_use]
    pub fn return_operation(&self) -> OperationId {
        OperationId::derived(&["return", self.id.as_str()])
    }

    /// Whether an instance with `life` is this move's: as it was found, or as this move left it.
    /// Otherwise somebody else has gone on with it, and this move is over.
    #[must_use]
    pub fn owns(&self, life: &Life) -> bool {
        life.generation == self.generation
            || life.operation == self.operation()
            || life.operation == self.return_operation()
    }

    /// The last step, of a move that comes this far.
    #[must_use]
    pub const fn end(&self) -> MoveStep {
        if self.failure.is_some() { MoveStep::Failed } else { MoveStep::Done }
    }

    /// Whether there is work left that nobody does at `now`.
    #[must_use]
    pub fn is_left_over(&self, now: Millis) -> bool {
        !self.step.is_final() && self.deadline < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Abandon;

    fn record() -> MoveRecord {
        MoveRecord {
            v: 1,
            id: JobId::new("0123456789abcdef0123456789abcdef").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            service: ServiceName::new("MyaaS").unwrap(),
            kind: MoveKind::Recover { backup_path: "/backups/1".to_owned() },
            from: NodeId::new("n1").unwrap(),
            to: NodeId::new("n2").unwrap(),
            generation: Generation::FIRST,
            found: Phase::Ready,
            step: MoveStep::Load,
            created: Millis::from_millis(1),
            stepped: Millis::from_millis(2),
            deadline: Millis::from_millis(3),
            credentials: None,
            handles: None,
            failure: None,
        }
    }

    #[test]
    fn a_move_is_written_as_one_flat_object() {
        let record = record();
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(r#""kind":"recover","backup_path":"/backups/1""#), "{text}");
        assert_eq!(serde_json::from_str::<MoveRecord>(&text).unwrap(), record);
        assert!(record.is_left_over(Millis::from_millis(4)));
        let done = record.at(MoveStep::Done, Millis::default());
        assert!(!done.is_left_over(Millis::from_millis(4)));
    }

    #[test]
    fn a_move_that_has_to_be_tidied_is_over_for_its_instance_and_ends_as_it_went() {
        let tidy = record().at(MoveStep::Tidy, Millis::default());
        assert!(tidy.step.is_settled() && tidy.is_left_over(Millis::from_millis(4)));
        assert_eq!(tidy.end(), MoveStep::Done);
        let failed = MoveRecord { failure: Some(Fault::unavailable()), ..tidy };
        assert_eq!(failed.end(), MoveStep::Failed);
        assert!(!MoveStep::Return.is_settled());
    }

    #[test]
    fn a_move_knows_the_instance_that_it_found_and_the_one_that_it_left() {
        let record = record();
        let found = Life::intent(record.from.clone(), Millis::default(), Abandon::Undo);
        let found = Life { phase: Phase::Ready, ..found };
        assert!(record.owns(&found));
        let to = || record.to.clone();
        let away = found.moving(to(), record.operation(), Millis::default()).unwrap();
        assert!(record.owns(&away));
        let back = away.returning(record.return_operation(), Millis::default()).unwrap();
        assert!(record.owns(&back));
        let other = OperationId::random();
        assert!(!record.owns(&back.moving(to(), other.clone(), Millis::default()).unwrap()));
        assert!(!record.owns(&away.returning(other, Millis::default()).unwrap()));
    }
}
