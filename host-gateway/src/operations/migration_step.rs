//! Migration, one step at a time: the rebalancing tool of the original drives it. Reference,
//! sections 1.19 and 4.7.
//!
//! What the tool did so far is in the instance's record; each step can be repeated.

use std::sync::Arc;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Reply, UpdateReply};
use tenon_protocol::record::{
    InstanceRecord, Life, LifeError, MoveKind, MoveRecord, MoveStep, Phase,
};
use tenon_protocol::subject::Operation;
use tenon_protocol::{Code, Generation, InstanceId, NodeId, OperationId};

use super::migrate::{begin, first, ordered, running};
use super::moving::{Asking, carry_on, check_fits, pair, sealed, tell};
use super::{OperationError, Operations, bare, shown, unprovision};
use crate::config::{OfferingConfig, Peers};
use crate::patience::Patience;
use crate::state::{Cas, Record, Stored};

/// What the path names.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) node: String,
    pub(crate) instance: String,
    pub(crate) action: String,
}

/// Ids of the instances that node `node` has, by the records.
///
/// # Errors
///
/// [`OperationError`] when they cannot all be read.
pub(crate) async fn instances_of(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    node: &str,
) -> Result<Vec<InstanceId>, OperationError> {
    let mut ids = Vec::new();
    let visit = |record: InstanceRecord| {
        let there = match record.life.phase {
            Phase::Ready | Phase::Moving => record.life.node.as_str() == node,
            Phase::Intent | Phase::Deleting | Phase::Tomb => false,
        };
        if there && record.service == offering.service {
            ids.push(record.id);
        }
    };
    ops.records.each_instance(visit).await?;
    ids.sort();
    Ok(ids)
}

/// Does one step.
///
/// # Errors
///
/// [`OperationError`]; [`OperationError::Busy`] while the gateway itself moves the instance.
pub(crate) async fn migration_step(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    step: Step,
) -> Result<(), OperationError> {
    let Some(action) = Action::of(&step.action) else {
        return Err(OperationError::NotFound(bare(&step.action)));
    };
    let found = ordered(ops, offering, &step.instance).await?;
    let missing = || OperationError::NotFound(bare(&shown(&step.instance)));
    let node = NodeId::new(step.node.as_str()).map_err(|_not_an_id| missing())?;
    if action == Action::Check {
        return if found.record.life.node == node { Ok(()) } else { Err(missing()) };
    }
    ops.check_up()?;
    if running(ops, &found.record.id).await?.is_some() {
        return Err(OperationError::Busy(found.record.id));
    }
    let desk = Desk { ops, offering, node, patience: Patience::of(offering.node_timeout) };
    match action {
        Action::Check => Ok(()),
        Action::Disable => desk.disable(found).await,
        Action::Import => desk.import(found).await,
        Action::Update => desk.update(found).await,
        Action::Unprovision => desk.unprovision(found).await,
        Action::Cleanup => desk.cleanup(&found).await,
        Action::Enable => desk.enable(found).await,
    }
}

/// The operation of the order to disable the instance of `record` under `generation`.
fn disabling(record: &InstanceRecord, generation: Generation) -> OperationId {
    OperationId::derived(&["disable", record.id.as_str(), &generation.get().to_string()])
}

/// Whether an instance is on its way by an order to disable it. Any other, such as one that goes
/// back, has its own generation: what is still under way of it must not reach this one.
fn is_this_order(record: &InstanceRecord) -> bool {
    record.life.operation == disabling(record, record.life.generation)
}

fn back(life: &Life) -> Result<Life, LifeError> {
    life.returning(OperationId::random(), Millis::now())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Check,
    Disable,
    Import,
    Update,
    Unprovision,
    Cleanup,
    Enable,
}

impl Action {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "check" => Self::Check,
            "disable" => Self::Disable,
            "import" => Self::Import,
            "update" => Self::Update,
            "unprovision" => Self::Unprovision,
            "cleanupnfs" => Self::Cleanup,
            "enable" => Self::Enable,
            _ => return None,
        })
    }
}

/// What every step needs.
struct Desk<'a> {
    ops: &'a Arc<Operations>,
    offering: &'a Arc<OfferingConfig>,
    /// The node of the path.
    node: NodeId,
    patience: Patience,
}

impl Desk<'_> {
    /// The node that has it revokes all access, and writes the data into the store.
    async fn disable(&self, found: Stored<InstanceRecord>) -> Result<(), OperationError> {
        self.check_home(&found)?;
        check_fits(self.ops, self.offering, &found.record).await?;
        let found = match found.record.life.phase {
            Phase::Moving if is_this_order(&found.record) => found,
            // Where to is not known yet.
            Phase::Ready | Phase::Moving => {
                let operation = disabling(&found.record, found.record.life.generation.next());
                let away = |life: &Life| life.moving(life.node.clone(), operation, Millis::now());
                self.replace(&found, away).await?
            }
            Phase::Intent | Phase::Deleting | Phase::Tomb => found,
        };
        self.ask(&found, Operation::DisableInstance).await
    }

    /// The node that has it gives access back, and orders of the way there are refused from now on.
    async fn enable(&self, found: Stored<InstanceRecord>) -> Result<(), OperationError> {
        self.check_home(&found)?;
        if found.record.life.phase == Phase::Ready {
            // It may be shut there all the same; else there is nothing to do, and it says so.
            return self.ask(&found, Operation::EnableInstance).await;
        }
        let found = self.replace(&found, back).await?;
        self.ask(&found, Operation::EnableInstance).await?;
        self.replace(&found, Life::returned).await.map(drop)
    }

    /// Another node makes the instance, and loads the data.
    async fn import(&self, found: Stored<InstanceRecord>) -> Result<(), OperationError> {
        let home = found.record.life.node == self.node;
        if home || found.record.life.phase != Phase::Moving {
            // The original destroyed the instance that it was to import.
            let text = format!("{} is on node {}", found.record.id, found.record.life.node);
            return Err(OperationError::Conflict(text));
        }
        let found = self.replace(&found, |life| life.bound_for(self.node.clone())).await?;
        self.ask(&found, Operation::ImportInstance).await
    }

    /// The accounts of all bindings are made there; records and platform name the new node.
    async fn update(&self, found: Stored<InstanceRecord>) -> Result<(), OperationError> {
        let id = found.record.id.clone();
        let arrived = found.record.life.node == self.node;
        if !arrived && !found.record.life.garbage.contains(&self.node) {
            let text = format!("{id} was not imported on node {}", self.node);
            return Err(OperationError::Conflict(text));
        }
        if !arrived {
            return self.arrive(found).await;
        }
        tell(self.ops, self.offering, &id).await
    }

    /// All is on the node now: the rest is a move like any other, which nothing leaves half done.
    async fn arrive(&self, found: Stored<InstanceRecord>) -> Result<(), OperationError> {
        let asking = self.asking(&found, Operation::UpdateInstance);
        let mut handles = Vec::new();
        for page in asking.pages().await? {
            handles.extend(asking.within::<_, UpdateReply>(&page, self.patience).await?);
        }
        let first = first(self.offering, &found.record, MoveKind::Stepwise, self.node.clone());
        let handles = match self.offering.peers {
            Peers::Native => None,
            // It would make everything twice if it were asked twice. It has one page.
            Peers::Original => Some(sealed(self.ops, &first, &handles)?),
        };
        let switching = MoveRecord { step: MoveStep::Switch, handles, ..first };
        let last = self.ops.records.last_move(&found.record.id).await?;
        if last.as_ref().is_some_and(|last| !last.record.step.is_settled()) {
            return Err(OperationError::Busy(found.record.id));
        }
        let begun = begin(self.ops, last.as_ref(), switching).await?;
        carry_on(self.ops, self.offering, begun).await.map(drop)
    }

    /// A node that does not have it any more, or is not to have it, removes its copy.
    async fn unprovision(&self, found: Stored<InstanceRecord>) -> Result<(), OperationError> {
        if found.record.life.node == self.node {
            let text = format!("{} is on node {}, and served there", found.record.id, self.node);
            return Err(OperationError::Conflict(text));
        }
        if !found.record.life.garbage.contains(&self.node) {
            return Ok(());
        }
        let found = match found.record.life.phase {
            Phase::Moving => self.replace(&found, back).await?,
            Phase::Ready | Phase::Intent | Phase::Deleting | Phase::Tomb => found,
        };
        let (ops, offering) = (self.ops, self.offering);
        unprovision::clean_node(ops, offering, found, &self.node, self.patience).await.map(drop)
    }

    /// The data in the store is removed.
    async fn cleanup(&self, found: &Stored<InstanceRecord>) -> Result<(), OperationError> {
        self.ask(found, Operation::CleanupnfsInstance).await
    }

    fn check_home(&self, found: &Stored<InstanceRecord>) -> Result<(), OperationError> {
        if found.record.life.node == self.node {
            return Ok(());
        }
        Err(OperationError::NotFound(bare(found.record.id.as_str())))
    }

    fn asking<'a>(&'a self, found: &'a Stored<InstanceRecord>, operation: Operation) -> Asking<'a> {
        Asking::of(self.ops, self.offering, &found.record, operation, &self.node)
    }

    async fn ask(
        &self,
        found: &Stored<InstanceRecord>,
        operation: Operation,
    ) -> Result<(), OperationError> {
        let pair = pair(self.ops, self.offering, &found.record).await?;
        let done = self.asking(found, operation).within::<_, Reply>(&pair, self.patience).await;
        match done {
            // Another attempt at the tool's steps was faster: this one can be made again.
            Err(OperationError::Node { fault, .. }) if fault.is(Code::FENCED) => {
                Err(OperationError::Overtaken(found.record.key()))
            }
            done => done,
        }
    }

    async fn replace(
        &self,
        found: &Stored<InstanceRecord>,
        next: impl FnOnce(&Life) -> Result<Life, LifeError>,
    ) -> Result<Stored<InstanceRecord>, OperationError> {
        let overtaken = || OperationError::Overtaken(found.record.key());
        let life = next(&found.record.life).map_err(|_elsewhere| overtaken())?;
        match self.ops.records.replace(found, life).await? {
            Cas::Written(found) => Ok(found),
            Cas::Lost => Err(overtaken()),
        }
    }
}
