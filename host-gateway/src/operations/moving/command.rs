//! Commands of a move to nodes. A node that works on one says so, and is asked again.

use std::time::Duration;

use serde::Serialize;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    BindRequest, CredentialsReply, Handle, HandlePair, Object, ProvisionRequest, Reply,
    RestoreRequest, UpdateReply,
};
use tenon_protocol::record::{InstanceRecord, MoveKind};
use tenon_protocol::subject::Operation;
use tenon_protocol::{BindingId, Code, Fault, NodeId, Order};

use super::switch::follow_all;
use super::{Handles, Held, pair};
use crate::bus::{Answer, Envelope};
use crate::config::{OfferingConfig, Peers};
use crate::operations::{OperationError, Operations, command, order};
use crate::patience::Patience;

/// Pause before a node that works on a command is asked how far it is.
const POLL: Duration = Duration::from_millis(300);

/// What came of a command.
pub(in crate::operations) enum Outcome<T> {
    Done(T),
    /// It will not be done.
    Failed(Fault),
}

/// A command about an instance to one node.
pub(in crate::operations) struct Asking<'a> {
    ops: &'a Operations,
    offering: &'a OfferingConfig,
    record: &'a InstanceRecord,
    operation: Operation,
    node: &'a NodeId,
    binding: Option<BindingId>,
}

impl<'a> Asking<'a> {
    /// The command `operation` to `node`, about the instance of `record`.
    pub(in crate::operations) fn of(
        ops: &'a Operations,
        offering: &'a OfferingConfig,
        record: &'a InstanceRecord,
        operation: Operation,
        node: &'a NodeId,
    ) -> Self {
        Self { ops, offering, record, operation, node, binding: None }
    }

    fn order(&self, patience: Patience) -> Order {
        let life = &self.record.life;
        let mut order = order(life, &self.record.id, self.binding.as_ref(), patience);
        order.operation = life.operation.step(self.operation.as_str());
        order
    }

    /// Asks until the node has answered, or the step of `held` takes too long; the process dies
    /// meanwhile where `crash` is armed.
    ///
    /// # Errors
    ///
    /// [`OperationError`] when the move is not this gateway's any more.
    pub(in crate::operations) async fn within_step<B: Serialize, E: Envelope>(
        &self,
        body: &B,
        held: &mut Held,
        crash: &str,
    ) -> Result<Outcome<E::Content>, OperationError> {
        let over = held.record().stepped.after(self.offering.move_timeout);
        loop {
            let asking = self.ask::<B, E>(body);
            let answer = self.ops.crash.during(crash, asking).await;
            let unknown = match answer {
                Answer::Done(content) => return Ok(Outcome::Done(content)),
                Answer::Refused(fault) if is_passing(&fault) => fault,
                Answer::Refused(fault) => return Ok(Outcome::Failed(fault)),
                // It may have been done; an original node would do it twice.
                Answer::Silent if self.offering.peers == Peers::Original => {
                    return Ok(Outcome::Failed(Fault::gateway_timeout()));
                }
                Answer::Silent => Fault::gateway_timeout(),
                Answer::Nobody => Fault::unavailable(),
            };
            if over < Millis::now() {
                return Ok(Outcome::Failed(unknown));
            }
            held.renew(self.ops).await?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// [`Self::within_step`] with all handles of the instance.
    ///
    /// # Errors
    ///
    /// As it.
    async fn with_handles(
        &self,
        held: &mut Held,
        crash: &str,
    ) -> Result<Outcome<()>, OperationError> {
        let pair = pair(self.ops, self.record).await?;
        self.within_step::<_, Reply>(&pair, held, crash).await
    }

    /// Asks until `patience` is over.
    ///
    /// # Errors
    ///
    /// [`OperationError::Silent`] when the node has not ended by then, [`OperationError::Node`]
    /// when it refused.
    pub(in crate::operations) async fn within<B: Serialize, E: Envelope>(
        &self,
        body: &B,
        patience: Patience,
    ) -> Result<E::Content, OperationError> {
        let node = || self.node.clone();
        loop {
            match self.ask_for::<B, E>(body, patience).await {
                Answer::Done(content) => return Ok(content),
                Answer::Refused(fault) if is_passing(&fault) && !patience.is_over() => {
                    patience.pause(POLL).await;
                }
                Answer::Refused(fault) if is_passing(&fault) => {
                    return Err(OperationError::Silent(node()));
                }
                Answer::Refused(fault) => return Err(OperationError::Node { node: node(), fault }),
                Answer::Nobody | Answer::Silent => return Err(OperationError::Silent(node())),
            }
        }
    }

    /// Asks once.
    pub(in crate::operations) async fn once<B: Serialize, E: Envelope>(
        &self,
        body: &B,
    ) -> Outcome<E::Content> {
        match self.ask::<B, E>(body).await {
            Answer::Done(content) => Outcome::Done(content),
            Answer::Refused(fault) => Outcome::Failed(fault),
            Answer::Silent => Outcome::Failed(Fault::gateway_timeout()),
            Answer::Nobody => Outcome::Failed(Fault::unavailable()),
        }
    }

    async fn ask<B: Serialize, E: Envelope>(&self, body: &B) -> Answer<E::Content> {
        self.ask_for::<B, E>(body, Patience::of(self.offering.node_timeout)).await
    }

    async fn ask_for<B: Serialize, E: Envelope>(
        &self,
        body: &B,
        patience: Patience,
    ) -> Answer<E::Content> {
        let order = self.order(patience);
        let command = command(self.offering, self.operation, self.node, body, &order);
        self.ops.bus.command::<B, E>(&command, patience).await
    }
}

/// Whether the node may answer otherwise when it is asked again.
fn is_passing(fault: &Fault) -> bool {
    fault.is(Code::BUSY) || fault.is(Code::UNAVAILABLE)
}

/// The old node revokes all access, and writes the data into the snapshot store.
pub(super) async fn disable(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<Outcome<()>, OperationError> {
    let from = held.record().from.clone();
    let asking = Asking::of(ops, offering, record, Operation::DisableInstance, &from);
    asking.with_handles(held, "move.away-asking").await
}

/// The old node gives access back.
pub(super) async fn enable(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<Outcome<()>, OperationError> {
    let from = held.record().from.clone();
    let asking = Asking::of(ops, offering, record, Operation::EnableInstance, &from);
    asking.with_handles(held, "move.return-asking").await
}

/// The target makes the instance from the data that the old node wrote.
pub(super) async fn import(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<Outcome<()>, OperationError> {
    let to = held.record().to.clone();
    let asking = Asking::of(ops, offering, record, Operation::ImportInstance, &to);
    asking.with_handles(held, "move.load-asking").await
}

/// The target makes the instance with the credentials that it had, and loads a backup.
pub(super) async fn rebuild(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
    backup_path: String,
) -> Result<Outcome<()>, OperationError> {
    let to = held.record().to.clone();
    // An original node that makes an instance twice destroys it.
    if held.record().credentials.is_none() {
        let HandlePair(instance, _bindings) = pair(ops, record).await?;
        let body = ProvisionRequest {
            plan: record.plan.clone(),
            credentials: Some(instance.credentials),
            version: Some(record.version.clone()),
        };
        let asking = Asking::of(ops, offering, record, Operation::Provision, &to);
        let made = asking.within_step::<_, CredentialsReply>(&body, held, "move.load-asking");
        match made.await? {
            Outcome::Done(credentials) => held.learn(ops, &credentials).await?,
            Outcome::Failed(fault) => return Ok(Outcome::Failed(fault)),
        }
    }
    let body = RestoreRequest { instance_id: record.id.to_string(), backup_path };
    let asking = Asking::of(ops, offering, record, Operation::Restore, &to);
    asking.within_step::<_, Reply>(&body, held, "move.load-asking").await
}

/// The target makes the accounts of all bindings; all handles as they are then.
pub(super) async fn update(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<Outcome<Vec<Handle>>, OperationError> {
    let pair = pair(ops, record).await?;
    let to = held.record().to.clone();
    if offering.peers == Peers::Original && held.record().kind != MoveKind::Migrate {
        return rebind(ops, offering, record, held, pair).await;
    }
    let asking = Asking::of(ops, offering, record, Operation::UpdateInstance, &to);
    asking.within_step::<_, UpdateReply>(&pair, held, "move.adopt-asking").await
}

/// The bindings whose records name the target already are the old node's again: only it can tell
/// where they reach it.
///
/// # Errors
///
/// [`OperationError`]; it is repeated whole.
pub(super) async fn stay(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<(), OperationError> {
    let home = record.life.node.clone();
    let bindings = ops.records.bindings(&record.id).await?;
    if bindings.iter().all(|binding| binding.record.life.node == home) {
        return Ok(());
    }
    let pair = pair(ops, record).await?;
    let asking = Asking::of(ops, offering, record, Operation::UpdateInstance, &home);
    match asking.within_step::<_, UpdateReply>(&pair, held, "move.return-asking").await? {
        Outcome::Done(handles) => {
            follow_all(ops, &record.id, &home, Handles::of(handles)?.bindings).await
        }
        Outcome::Failed(fault) => Err(OperationError::Node { node: home, fault }),
    }
}

/// An original node that recovers an instance is told of each binding by itself.
async fn rebind(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
    HandlePair(instance, bindings): HandlePair,
) -> Result<Outcome<Vec<Handle>>, OperationError> {
    let to = held.record().to.clone();
    let credentials = held.learnt(ops)?;
    let mut handles = vec![Handle { credentials, ..instance }];
    for handle in bindings {
        let body = BindRequest {
            name: record.id.to_string(),
            bind_opts: options_of(&handle),
            credentials: Some(handle.credentials.clone()),
        };
        let mut asking = Asking::of(ops, offering, record, Operation::Bind, &to);
        asking.binding = BindingId::new(handle.service_id.as_str()).ok();
        match asking.within_step::<_, CredentialsReply>(&body, held, "move.adopt-asking").await? {
            Outcome::Done(credentials) => handles.push(Handle { credentials, ..handle }),
            Outcome::Failed(fault) => return Ok(Outcome::Failed(fault)),
        }
    }
    Ok(Outcome::Done(handles))
}

fn options_of(handle: &Handle) -> Option<Object> {
    let data = handle.configuration.data.as_ref()?;
    data.get("binding_options")?.as_object().cloned()
}

impl Envelope for UpdateReply {
    type Content = Vec<Handle>;

    fn open(self) -> Result<Vec<Handle>, Fault> {
        self.into_result()
    }
}
