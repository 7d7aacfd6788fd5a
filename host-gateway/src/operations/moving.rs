//! Moving: an instance goes to another node, step by step.
//!
//! The record of the move says which step is next. A step is one command to one node, or one change
//! of records; each can be repeated, so whoever takes the record up goes on with the step that it
//! names. Until all is on the target the move can be undone; from then on it can only succeed.

mod asking;
mod command;
mod handles;
mod held;
mod sweep;
mod switch;
mod tell;

use std::sync::Arc;

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::record::{InstanceRecord, Life, MoveKind, MoveRecord, MoveStep, Phase};
use tenon_protocol::{Code, Fault};

pub(super) use asking::{Asking, Outcome};
pub(super) use handles::{Handles, check_fits, handles, is_told, is_within, pair};
pub(super) use held::{lease, sealed};
pub(super) use tell::tell;

use command::Deed;
use held::Held;
use sweep::{Tidied, swept, tidied};
use switch::switch;

use super::{OperationError, Operations};
use crate::config::{OfferingConfig, Peers};
use crate::sender::going_on;
use crate::state::{Cas, Record, Stored, StoredMove};

/// Claims a move that nobody works on; `None` when somebody else was faster.
///
/// # Errors
///
/// [`OperationError`] when it is not known to be claimed.
pub(super) async fn claim(
    ops: &Operations,
    offering: &OfferingConfig,
    stored: &StoredMove,
) -> Result<Option<StoredMove>, OperationError> {
    let claimed = MoveRecord { deadline: lease(offering.node_timeout), ..stored.record.clone() };
    Ok(ops.records.write_move(Some(stored), claimed).await?)
}

/// Lets the instance's record say that it moves: from now on nothing is ordered of it.
///
/// # Errors
///
/// [`OperationError`] when it does not say so yet; whoever carries the move on writes it.
pub(super) async fn set_out(
    ops: &Operations,
    offering: &OfferingConfig,
    stored: &StoredMove,
) -> Result<(), OperationError> {
    let held = Held::new(stored.clone(), offering.node_timeout);
    on_its_way(ops, offering, &held).await.map(drop)
}

/// [`carry_on`] in the background; a reconciler goes on where it stops.
pub(super) fn carry_on_in_background(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    stored: StoredMove,
) {
    let (ops, offering) = (Arc::clone(ops), Arc::clone(offering));
    let tasks = ops.tasks.clone();
    let work = async move {
        if let Err(error) = carry_on(&ops, &offering, stored).await {
            tracing::warn!(
                error = %chain(&error),
                "a move stands still, it is gone on with"
            );
        }
    };
    tasks.spawn(going_on(work));
}

/// Brings a move to its end: [`MoveStep::Done`] or [`MoveStep::Failed`].
///
/// # Errors
///
/// [`OperationError`] when it has not come to one yet.
pub(super) async fn carry_on(
    ops: &Operations,
    offering: &OfferingConfig,
    stored: StoredMove,
) -> Result<MoveRecord, OperationError> {
    let mut held = Held::new(stored, offering.node_timeout);
    loop {
        held.renew(ops).await?;
        let step = held.record().step;
        tracing::debug!(?step, instance = %held.record().instance, "move");
        let next = match step {
            MoveStep::Away => away(ops, offering, &mut held).await?,
            MoveStep::Load => load(ops, offering, &mut held).await?,
            MoveStep::Adopt => adopt(ops, offering, &mut held).await?,
            MoveStep::Switch => arrive(ops, offering, &mut held).await?,
            MoveStep::Tell => {
                let instance = held.record().instance.clone();
                held.during(ops, tell(ops, offering, &instance)).await?;
                ops.crash.point("move.told");
                Next::Step(MoveStep::Tidy)
            }
            MoveStep::Tidy => {
                tidy(ops, offering, &mut held).await?;
                ops.crash.point("move.tidied");
                Next::Step(held.record().end())
            }
            MoveStep::Return => give_back(ops, offering, &mut held).await?,
            MoveStep::Done | MoveStep::Failed => return Ok(held.into_record()),
        };
        match next {
            Next::Step(step) => {
                held.advance(ops, step).await?;
                if step == MoveStep::Done {
                    let MoveRecord { instance, from, to, .. } = held.record();
                    tracing::info!(%instance, %from, %to, "moved");
                }
            }
            Next::Fail(fault) => fail(ops, &mut held, fault).await?,
            Next::Gone => {
                // Once: the end of the instance sees to it as well.
                drop(tidied(ops, offering, held.record()).await?);
                let fault = Fault::not_found(held.record().instance.as_str());
                held.fail(ops, fault, MoveStep::Failed).await?;
            }
        }
    }
}

/// What a step led to.
enum Next {
    Step(MoveStep),
    /// It cannot be done: the instance stays where it is.
    Fail(Fault),
    /// Somebody removed the instance.
    Gone,
}

/// The record of a moving instance: on its way, or arrived.
async fn instance(
    ops: &Operations,
    held: &Held,
) -> Result<Option<Stored<InstanceRecord>>, OperationError> {
    let found = ops.records.instance(&held.record().instance).await?;
    Ok(found.filter(|found| match found.record.life.phase {
        Phase::Ready | Phase::Moving => true,
        Phase::Intent | Phase::Deleting | Phase::Tomb => false,
    }))
}

/// The record of a moving instance, put on its way by this move if it is not yet.
///
/// # Errors
///
/// [`OperationError::Overtaken`] when it is not as this move found it, nor as it left it.
async fn on_its_way(
    ops: &Operations,
    offering: &OfferingConfig,
    held: &Held,
) -> Result<Option<Stored<InstanceRecord>>, OperationError> {
    let Some(found) = instance(ops, held).await? else {
        return Ok(None);
    };
    let record = held.record();
    let is_there =
        |life: &Life| life.phase == Phase::Moving && life.operation == record.operation();
    if is_there(&found.record.life) {
        return Ok(Some(found));
    }
    let found = swept(ops, offering, held, found).await?;
    let life = &found.record.life;
    let overtaken = || OperationError::Overtaken(found.record.key());
    if life.generation != record.generation {
        return Err(overtaken());
    }
    let moving = life.moving(record.to.clone(), record.operation(), Millis::now());
    let moving = moving.map_err(|_not_there| overtaken())?;
    match ops.records.replace(&found, moving).await? {
        Cas::Written(found) => {
            ops.crash.point("move.moving-written");
            Ok(Some(found))
        }
        Cas::Lost => Err(overtaken()),
    }
}

async fn away(
    ops: &Operations,
    offering: &OfferingConfig,
    held: &mut Held,
) -> Result<Next, OperationError> {
    let Some(moving) = on_its_way(ops, offering, held).await? else {
        return Ok(Next::Gone);
    };
    if held.record().kind != MoveKind::Migrate {
        return Ok(Next::Step(MoveStep::Load));
    }
    let disabled = command::have_done(ops, offering, &moving.record, held, Deed::Disable).await?;
    Ok(then(ops, disabled, "move.away-done", MoveStep::Load))
}

/// What a step leads to once its node has answered.
fn then<T>(ops: &Operations, outcome: Outcome<T>, point: &str, next: MoveStep) -> Next {
    match outcome {
        Outcome::Done(_) => {
            ops.crash.point(point);
            Next::Step(next)
        }
        Outcome::Failed(fault) => Next::Fail(fault),
    }
}

async fn load(
    ops: &Operations,
    offering: &OfferingConfig,
    held: &mut Held,
) -> Result<Next, OperationError> {
    let Some(moving) = on_its_way(ops, offering, held).await? else {
        return Ok(Next::Gone);
    };
    let loaded = match held.record().kind.clone() {
        MoveKind::Migrate | MoveKind::Stepwise => {
            command::have_done(ops, offering, &moving.record, held, Deed::Import).await?
        }
        MoveKind::Recover { backup_path } => {
            command::rebuild(ops, offering, &moving.record, held, backup_path).await?
        }
    };
    Ok(then(ops, loaded, "move.load-done", MoveStep::Adopt))
}

async fn adopt(
    ops: &Operations,
    offering: &OfferingConfig,
    held: &mut Held,
) -> Result<Next, OperationError> {
    let Some(moving) = on_its_way(ops, offering, held).await? else {
        return Ok(Next::Gone);
    };
    let adopted = command::update(ops, offering, &moving.record, held).await?;
    if let (Peers::Original, Outcome::Done(handles)) = (offering.peers, &adopted) {
        held.keep(ops, handles).await?;
    }
    Ok(then(ops, adopted, "move.adopt-done", MoveStep::Switch))
}

/// Lets the records name the target. One of ours is asked for the credentials once more: they are
/// its own to tell, whoever asks and how often.
async fn arrive(
    ops: &Operations,
    offering: &OfferingConfig,
    held: &mut Held,
) -> Result<Next, OperationError> {
    let Some(found) = instance(ops, held).await? else {
        return Ok(Next::Gone);
    };
    let (record, life) = (held.record(), &found.record.life);
    if life.phase == Phase::Ready {
        return Ok(Next::Step(MoveStep::Tell));
    }
    let by_hand = record.kind == MoveKind::Stepwise && life.generation == record.generation;
    if life.operation != record.operation() && !by_hand {
        return Err(OperationError::Overtaken(found.record.key()));
    }
    let to = record.to.clone();
    if ops.records.is_gone(&to).await? {
        return Ok(Next::Fail(Fault::unavailable()));
    }
    let handles = match held.kept(ops)? {
        Some(handles) => handles,
        None => match command::update(ops, offering, &found.record, held).await? {
            Outcome::Done(handles) => handles,
            Outcome::Failed(fault) => return Err(OperationError::Node { node: to, fault }),
        },
    };
    held.during(ops, switch(ops, &found, &to, Handles::of(handles)?)).await?;
    ops.crash.point("move.arrived");
    Ok(Next::Step(MoveStep::Tell))
}

/// Has the data in the snapshot store removed. Who cannot do it now is asked again later: nobody
/// waits for it, but it is a tenant's data.
async fn tidy(
    ops: &Operations,
    offering: &OfferingConfig,
    held: &mut Held,
) -> Result<(), OperationError> {
    match tidied(ops, offering, held.record()).await? {
        Tidied::Nothing => Ok(()),
        Tidied::Left { node, fault } => {
            held.rest(ops).await?;
            Err(OperationError::Node { node, fault })
        }
    }
}

/// The old node gives access back, under a generation that fences the orders of the way there.
async fn give_back(
    ops: &Operations,
    offering: &OfferingConfig,
    held: &mut Held,
) -> Result<Next, OperationError> {
    let Some(found) = instance(ops, held).await? else {
        return Ok(Next::Gone);
    };
    if found.record.life.phase == Phase::Ready {
        return Ok(Next::Step(MoveStep::Tidy));
    }
    let overtaken = || OperationError::Overtaken(found.record.key());
    if !held.record().owns(&found.record.life) {
        return Err(overtaken());
    }
    let operation = held.record().return_operation();
    let returning = found.record.life.returning(operation, Millis::now());
    let returning = returning.map_err(|_not_moving| overtaken())?;
    let Cas::Written(found) = ops.records.replace(&found, returning).await? else {
        return Err(overtaken());
    };
    ops.crash.point("move.returning");
    open(ops, offering, &found.record, held).await?;
    command::stay(ops, offering, &found.record, held).await?;
    let returned = found.record.life.returned();
    let returned = returned.map_err(|_not_moving| overtaken())?;
    let Cas::Written(_ready) = ops.records.replace(&found, returned).await? else {
        return Err(overtaken());
    };
    ops.crash.point("move.returned");
    Ok(Next::Step(MoveStep::Tidy))
}

/// Has the old node let everybody in again, if it may have shut them out.
async fn open(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<(), OperationError> {
    let was_open = held.record().found == Phase::Ready;
    if matches!(held.record().kind, MoveKind::Recover { .. }) && was_open {
        return Ok(());
    }
    match command::have_done(ops, offering, record, held, Deed::Enable).await? {
        Outcome::Done(()) => Ok(()),
        // A service that cannot suspend was not suspended.
        Outcome::Failed(fault) if fault.is(Code::NO_EXTENSION) => Ok(()),
        Outcome::Failed(fault) => {
            Err(OperationError::Node { node: held.record().from.clone(), fault })
        }
    }
}

async fn fail(ops: &Operations, held: &mut Held, fault: Fault) -> Result<(), OperationError> {
    let MoveRecord { instance, from, to, step, .. } = held.record();
    tracing::warn!(%instance, %from, %to, ?step, %fault, "a move failed; the instance stays");
    held.fail(ops, fault, MoveStep::Return).await
}
