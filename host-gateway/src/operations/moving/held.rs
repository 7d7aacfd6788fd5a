//! A move that this gateway works on: its record, claimed for a while at a time.

use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Handle, Object};
use tenon_protocol::record::{MoveRecord, MoveStep, key};
use tenon_protocol::{Fault, SealError, Sealed};

use crate::operations::{OperationError, Operations};
use crate::state::StoredMove;

/// A claim ends this much after the longest wait for a node.
const MARGIN: Duration = Duration::from_secs(1);

/// Pauses of what nobody waits for.
const SHORT_PAUSE: Duration = Duration::from_secs(2);
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// A move that this gateway works on.
pub(in crate::operations) struct Held {
    stored: StoredMove,
    /// Longest wait for a node.
    node_timeout: Duration,
}

impl Held {
    /// The move of `stored`, whose nodes are waited for as long as `node_timeout`.
    pub(super) const fn new(stored: StoredMove, node_timeout: Duration) -> Self {
        Self { stored, node_timeout }
    }

    /// The record, once nobody works on it any more.
    pub(super) fn into_record(self) -> MoveRecord {
        self.stored.record
    }

    /// Why it fails is written, and `step` is next.
    pub(super) async fn fail(
        &mut self,
        ops: &Operations,
        fault: Fault,
        step: MoveStep,
    ) -> Result<(), OperationError> {
        let failed = MoveRecord { failure: Some(fault), ..self.record().clone() };
        self.write(ops, failed.at(step, lease(self.node_timeout))).await
    }

    /// The record.
    pub(super) fn record(&self) -> &MoveRecord {
        &self.stored.record
    }

    /// Writes that `step` is next.
    pub(super) async fn advance(
        &mut self,
        ops: &Operations,
        step: MoveStep,
    ) -> Result<(), OperationError> {
        let lease = if step.is_final() { Millis::now() } else { lease(self.node_timeout) };
        self.write(ops, self.record().at(step, lease)).await
    }

    /// Claims the move for longer, when the claim might end while a node is waited for.
    pub(super) async fn renew(&mut self, ops: &Operations) -> Result<(), OperationError> {
        if Millis::now().after(self.node_timeout) < self.record().deadline {
            return Ok(());
        }
        let renewed = MoveRecord { deadline: lease(self.node_timeout), ..self.record().clone() };
        self.write(ops, renewed).await
    }

    /// Leaves the move alone for a while, the longer the longer its step takes.
    pub(super) async fn rest(&mut self, ops: &Operations) -> Result<(), OperationError> {
        let deadline = Millis::now().after(pause(self.record().stepped, Millis::now()));
        self.write(ops, MoveRecord { deadline, ..self.record().clone() }).await
    }

    /// `work`, with the move claimed for as long as it takes.
    ///
    /// # Errors
    ///
    /// Those of `work`; [`OperationError::Overtaken`] when the move is not this gateway's any more.
    pub(super) async fn during<T>(
        &mut self,
        ops: &Operations,
        work: impl Future<Output = Result<T, OperationError>>,
    ) -> Result<T, OperationError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = work.as_mut() => return done,
                () = tokio::time::sleep(self.node_timeout / 2) => self.renew(ops).await?,
            }
        }
    }

    /// Remembers what the target said the instance's credentials are.
    pub(super) async fn learn(
        &mut self,
        ops: &Operations,
        credentials: &Object,
    ) -> Result<(), OperationError> {
        let place = key::moving(&self.record().instance);
        let sealed = ops.seal_key.seal(&place, credentials)?;
        let record = MoveRecord { credentials: Some(sealed), ..self.record().clone() };
        self.write(ops, record).await
    }

    /// What the target said the instance's credentials are; empty when it has not.
    pub(super) fn learnt(&self, ops: &Operations) -> Result<Object, OperationError> {
        let place = key::moving(&self.record().instance);
        match &self.record().credentials {
            Some(sealed) => Ok(ops.seal_key.open(&place, sealed)?),
            None => Ok(Object::new()),
        }
    }

    /// Remembers what the target said of everyone with access: it cannot be asked twice.
    pub(super) async fn keep(
        &mut self,
        ops: &Operations,
        handles: &[Handle],
    ) -> Result<(), OperationError> {
        let handles = sealed(ops, self.record(), handles)?;
        let record = MoveRecord { handles: Some(handles), ..self.record().clone() };
        self.write(ops, record).await
    }

    /// What [`Self::keep`] remembered; `None` when nothing was.
    pub(super) fn kept(&self, ops: &Operations) -> Result<Option<Vec<Handle>>, OperationError> {
        let place = key::moving(&self.record().instance);
        let sealed = self.record().handles.as_ref();
        Ok(sealed.map(|sealed| ops.seal_key.open(&place, sealed)).transpose()?)
    }

    async fn write(&mut self, ops: &Operations, record: MoveRecord) -> Result<(), OperationError> {
        let key = key::moving(&record.instance);
        let written = ops.records.write_move(Some(&self.stored), record).await?;
        self.stored = written.ok_or(OperationError::Overtaken(key))?;
        Ok(())
    }
}

/// `handles` as the record of a move keeps them.
///
/// # Errors
///
/// [`SealError`] when they cannot be sealed.
pub(in crate::operations) fn sealed(
    ops: &Operations,
    record: &MoveRecord,
    handles: &[Handle],
) -> Result<Sealed, SealError> {
    ops.seal_key.seal(&key::moving(&record.instance), &handles)
}

/// Before what could not be done at `now`, of a step that began at `stepped`, is tried again.
fn pause(stepped: Millis, now: Millis) -> Duration {
    now.remaining(stepped).clamp(SHORT_PAUSE, LONG_PAUSE)
}

/// Until when a move is claimed by whoever claims it now.
pub(in crate::operations) fn lease(node_timeout: Duration) -> Millis {
    Millis::now().after(node_timeout * 2 + MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_is_tried_less_and_less_often() {
        let began = Millis::from_millis(1_000_000);
        let after = |seconds| pause(began, began.after(Duration::from_secs(seconds))).as_secs();
        assert_eq!([0, 1, 5, 30, 10_000].map(after), [2, 2, 5, 30, 60]);
    }
}
