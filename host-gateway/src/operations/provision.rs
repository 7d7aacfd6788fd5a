//! Provision: an instance is ordered, placed, made by a node, and remembered.

mod error;
mod request;

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    CredentialsReply, Object, ProvisionRequest, ProvisionServiceRequest, ServiceResponse,
};
use tenon_protocol::record::{Abandon, InstanceRecord, Life, Phase, RECORD_VERSION, key};
use tenon_protocol::subject::Operation;
use tenon_protocol::{Code, Fault, InstanceId, NodeId};
use tracing::Span;

pub(crate) use error::ProvisionError;
use request::{derived_id, parameters_of, plan_of, version_of};

use super::{
    OperationError, Operations, Origin, about, command, configuration, credentials, order,
    unprovision,
};
use crate::bus::Answer;
use crate::config::{OfferingConfig, Peers, PlanConfig};
use crate::nodes::Arrival;
use crate::patience::Patience;
use crate::placement::{self, Overcommit, PlacementError, Wanted};
use crate::state::{Cas, Record, Stored};

/// How often a request that came twice looks whether its first one is done.
const JOIN_PAUSE: Duration = Duration::from_millis(50);

/// Carries out `request`. The same `request_id` with the same request gives the same instance.
///
/// # Errors
///
/// [`ProvisionError`]; whatever was made by then is removed, at once or by a reconciler.
pub(crate) async fn provision(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    request: ProvisionServiceRequest,
    request_id: Option<String>,
) -> Result<ServiceResponse, ProvisionError> {
    let plan = plan_of(offering, &request)?;
    let version = version_of(offering, &request)?;
    let parameters = parameters_of(&request)?;
    ops.check_up()?;
    let id = match (request_id, offering.peers) {
        (Some(request_id), Peers::Native) => {
            derived_id(offering, &request, &plan.name, &version, &request_id)
        }
        // An original node names the instance itself, and does a repeated command twice.
        (Some(_), Peers::Original) | (None, _) => InstanceId::random(),
    };
    Span::current().record("instance", id.as_str());
    let patience = Patience::of(offering.node_timeout);
    let node = place(ops, offering, plan, &version, &[])?;
    let record = InstanceRecord {
        v: RECORD_VERSION,
        id: id.clone(),
        service: offering.service.clone(),
        plan: plan.name.clone(),
        version,
        parameters,
        created: Millis::now(),
        life: Life::intent(node, patience.lease(), Abandon::Undo),
    };
    ops.crash.point("provision.before-intent");
    let done = match ops.records.create(record).await? {
        Cas::Written(intent) => {
            ops.crash.point("provision.intent-written");
            let intent = (intent, Origin::Own);
            carry_out(ops, offering, plan, intent, patience).await?
        }
        Cas::Lost => join(ops, offering, &id, patience).await?,
    };
    respond(ops, &done)
}

fn place(
    ops: &Operations,
    offering: &OfferingConfig,
    plan: &PlanConfig,
    version: &str,
    tried: &[NodeId],
) -> Result<NodeId, ProvisionError> {
    let offers = ops.nodes.offers(&offering.service);
    let overcommit =
        if plan.allow_over_provisioning { Overcommit::Allow } else { Overcommit::Refuse };
    let wanted = Wanted { plan: &plan.name, version, overcommit, tried };
    placement::pick(&offers, wanted, rand::random()).map_err(|error| match error {
        PlacementError::NoNode => ProvisionError::NoNode(plan.name.clone()),
        PlacementError::NoVersion => ProvisionError::UnsupportedVersion(version.to_owned()),
        PlacementError::Full => ProvisionError::Full(plan.name.clone()),
    })
}

/// Brings an intent to its end: `Ready`, or on its way out.
///
/// # Errors
///
/// [`ProvisionError`] when it is on its way out.
pub(crate) async fn carry_out(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    plan: &PlanConfig,
    (mut intent, mut origin): (Stored<InstanceRecord>, Origin),
    patience: Patience,
) -> Result<Stored<InstanceRecord>, ProvisionError> {
    let mut tried = Vec::new();
    loop {
        let node = intent.record.life.node.clone();
        Span::current().record("node", node.as_str());
        tried.push(node.clone());
        ops.nodes.departed(&offering.service, &node);
        let answer = ask(ops, offering, &intent.record, patience).await;
        ops.nodes.arrived(&offering.service, &node, arrival(&answer));
        let failure = match answer {
            Answer::Done(credentials) => {
                ops.crash.point("provision.answered");
                return finish(ops, offering, intent, credentials).await;
            }
            Answer::Refused(fault) => Failure::Refused(fault),
            Answer::Nobody => Failure::nobody(origin),
            Answer::Silent => Failure::Silent,
        };
        if failure.is_away() {
            ops.nodes.forget(&offering.service, &node);
        }
        let next = match failure.may_move() {
            Moving::Elsewhere => place(ops, offering, plan, &intent.record.version, &tried).ok(),
            Moving::Nowhere => None,
        };
        let Some(next) = next.filter(|_| !patience.is_over()) else {
            give_up(ops, offering, &intent, &failure).await?;
            return Err(failure.into_error(node, plan));
        };
        tracing::warn!(from = %node, to = %next, ?failure, "instance is placed elsewhere");
        let life = left(intent.record.life.moved(next, patience.lease()), &node, &failure);
        let overtaken = || OperationError::Overtaken(intent.record.key());
        let life = life.map_err(|_not_an_intent| overtaken())?;
        intent = match ops.records.replace(&intent, life).await? {
            Cas::Written(intent) => intent,
            Cas::Lost => return Err(overtaken().into()),
        };
        origin = Origin::Own;
    }
}

const fn arrival<T>(answer: &Answer<T>) -> Arrival {
    match answer {
        Answer::Done(_) => Arrival::Made,
        Answer::Refused(_) | Answer::Nobody | Answer::Silent => Arrival::NotMade,
    }
}

/// Why a node has not made an instance.
#[derive(Debug)]
enum Failure {
    Refused(Fault),
    /// No command ever reached it.
    Nobody,
    /// It is away now; a command of whoever wrote the intent may have reached it.
    Away,
    Silent,
}

/// Whether another node may be asked instead.
enum Moving {
    Elsewhere,
    Nowhere,
}

impl Failure {
    const fn nobody(origin: Origin) -> Self {
        match origin {
            Origin::Own => Self::Nobody,
            Origin::TakenOver => Self::Away,
        }
    }

    fn is_away(&self) -> bool {
        match self {
            Self::Nobody | Self::Away => true,
            Self::Refused(_) | Self::Silent => false,
        }
    }

    /// After a timeout only the same node may be asked; another one cannot do what a caller's
    /// mistake keeps this one from doing.
    fn may_move(&self) -> Moving {
        match self {
            Self::Refused(fault) if fault.is(Code::NO_CAPACITY) || fault.is(Code::UNAVAILABLE) => {
                Moving::Elsewhere
            }
            Self::Nobody | Self::Away => Moving::Elsewhere,
            Self::Refused(_) | Self::Silent => Moving::Nowhere,
        }
    }

    fn is_nobody(&self) -> bool {
        match self {
            Self::Nobody => true,
            Self::Refused(_) | Self::Away | Self::Silent => false,
        }
    }

    fn into_error(self, node: NodeId, plan: &PlanConfig) -> ProvisionError {
        match self {
            Self::Refused(fault) => OperationError::Node { node, fault }.into(),
            Self::Nobody | Self::Away => ProvisionError::NoNode(plan.name.clone()),
            Self::Silent => OperationError::Silent(node).into(),
        }
    }
}

/// `life` without `node` among its garbage, when no command ever reached that node.
fn left<E>(life: Result<Life, E>, node: &NodeId, failure: &Failure) -> Result<Life, E> {
    life.map(|life| if failure.is_nobody() { life.cleaned(node) } else { life })
}

async fn ask(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    patience: Patience,
) -> Answer<Object> {
    let body = ProvisionRequest {
        plan: record.plan.clone(),
        credentials: None,
        version: Some(record.version.clone()),
    };
    let mut order = order(&record.life, &record.id, None, patience);
    order.parameters.clone_from(&record.parameters);
    let command = command(offering, Operation::Provision, &record.life.node, &body, &order);
    let asking = ops.bus.command::<_, CredentialsReply>(&command, patience);
    let answer = ops.crash.during("provision.asking", asking).await;
    about(offering.peers, &record.id, answer)
}

async fn finish(
    ops: &Arc<Operations>,
    offering: &OfferingConfig,
    intent: Stored<InstanceRecord>,
    mut credentials: Object,
) -> Result<Stored<InstanceRecord>, ProvisionError> {
    let node = intent.record.life.node.clone();
    credentials.insert("node_id".to_owned(), node.as_str().into());
    if offering.peers == Peers::Original {
        return rename(ops, intent, &node, &credentials).await;
    }
    let sealed = ops.seal_key.seal(&intent.record.key(), &credentials)?;
    let ready = intent.record.life.ready(sealed);
    let overtaken = || OperationError::Overtaken(intent.record.key());
    let ready = ready.map_err(|_not_an_intent| overtaken())?;
    match ops.records.replace(&intent, ready).await? {
        Cas::Written(ready) => {
            ops.crash.point("provision.ready-written");
            Ok(ready)
        }
        // Somebody found the intent too old, and is undoing it.
        Cas::Lost => Err(overtaken().into()),
    }
}

/// An original node names its instances itself: the record moves to that name. Until it stands
/// there, a crash leaks the instance, as it did in the original.
async fn rename(
    ops: &Arc<Operations>,
    intent: Stored<InstanceRecord>,
    node: &NodeId,
    credentials: &Object,
) -> Result<Stored<InstanceRecord>, ProvisionError> {
    let refused = || OperationError::Node { node: node.clone(), fault: Fault::internal() };
    let name = credentials.get("name").and_then(|name| name.as_str()).ok_or_else(refused)?;
    let id = InstanceId::new(name).map_err(|_not_an_id| refused())?;
    Span::current().record("instance", id.as_str());
    let sealed = ops.seal_key.seal(&key::instance(&id), credentials)?;
    let life = Life::adopted(node.clone(), sealed);
    let record = InstanceRecord { id, life, ..intent.record.clone() };
    let Cas::Written(ready) = ops.records.create(record).await? else {
        return Err(refused().into());
    };
    ops.crash.point("provision.ready-written");
    let going = intent.record.life.deleting(Millis::now());
    if let Ok(going) = going {
        // Nothing of this name is on the node. If it cannot be written now, a reconciler asks.
        let buried = ops.records.replace(&intent, going.cleaned(node)).await;
        tracing::debug!(?buried, "the provisional name is given up");
    }
    Ok(ready)
}

/// Nobody will be told of this instance: it shall go. Without an answer a reconciler sees to it.
async fn give_up(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    intent: &Stored<InstanceRecord>,
    failure: &Failure,
) -> Result<(), ProvisionError> {
    let node = intent.record.life.node.clone();
    let patience = Patience::of(offering.node_timeout);
    let lease = match failure {
        Failure::Refused(_) | Failure::Nobody => patience.lease(),
        Failure::Away | Failure::Silent => Millis::now(),
    };
    let going = left(intent.record.life.deleting(lease), &node, failure);
    let Ok(going) = going else {
        return Ok(());
    };
    match (ops.records.replace(intent, going).await?, failure) {
        (Cas::Written(going), Failure::Refused(_)) => {
            unprovision::clean_in_background(ops, offering, going, patience);
        }
        (Cas::Written(_) | Cas::Lost, _) => {}
    }
    Ok(())
}

/// The same request came before: its answer is this one's.
async fn join(
    ops: &Operations,
    offering: &OfferingConfig,
    id: &InstanceId,
    patience: Patience,
) -> Result<Stored<InstanceRecord>, ProvisionError> {
    loop {
        let found = ops.instance(offering, id.as_str()).await?;
        let found = found.ok_or_else(|| OperationError::Removed(id.clone()))?;
        match found.record.life.phase {
            Phase::Ready => return Ok(found),
            // Its credentials are about to change.
            Phase::Moving => return Err(OperationError::Busy(id.clone()).into()),
            Phase::Deleting | Phase::Tomb => return Err(OperationError::Removed(id.clone()).into()),
            Phase::Intent if patience.is_over() => {
                return Err(OperationError::Silent(found.record.life.node).into());
            }
            Phase::Intent => patience.pause(JOIN_PAUSE).await,
        }
    }
}

fn respond(
    ops: &Operations,
    ready: &Stored<InstanceRecord>,
) -> Result<ServiceResponse, ProvisionError> {
    let record = &ready.record;
    let credentials = credentials(&ops.seal_key, &record.key(), &record.life)?;
    Ok(ServiceResponse {
        service_id: record.id.to_string(),
        configuration: configuration(record),
        credentials,
    })
}
