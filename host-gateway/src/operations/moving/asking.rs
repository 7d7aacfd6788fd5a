//! Asks a node for a step of a move. One that works on it says so, and is asked again.

use std::time::Duration;

use serde::Serialize;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Handle, HandlePage, UpdateReply};
use tenon_protocol::record::InstanceRecord;
use tenon_protocol::subject::Operation;
use tenon_protocol::{BindingId, Code, Fault, NodeId, Order};

use super::Held;
use super::handles::pages;
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
    pub(super) ops: &'a Operations,
    offering: &'a OfferingConfig,
    record: &'a InstanceRecord,
    operation: Operation,
    node: &'a NodeId,
    pub(super) binding: Option<BindingId>,
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

    /// All handles of the instance, as this node is told them.
    ///
    /// # Errors
    ///
    /// [`OperationError`] when records cannot be read.
    pub(in crate::operations) async fn pages(&self) -> Result<Vec<HandlePage>, OperationError> {
        pages(self.ops, self.offering, self.record).await
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

impl Envelope for UpdateReply {
    type Content = Vec<Handle>;

    fn open(self) -> Result<Vec<Handle>, Fault> {
        self.into_result()
    }
}
