//! Bind: an application gets credentials of its own for an instance.

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    BindHandleRequest, BindRequest, CredentialsReply, Object, ServiceResponse,
};
use tenon_protocol::record::{Abandon, BindingRecord, InstanceRecord, Life, Phase, RECORD_VERSION};
use tenon_protocol::subject::Operation;
use tenon_protocol::{BindingId, NodeId};
use tracing::Span;

use super::{
    OperationError, Operations, Origin, about, bare, command, configuration, credentials, order,
    unbind, whole, with_options,
};
use crate::bus::Answer;
use crate::config::OfferingConfig;
use crate::patience::Patience;
use crate::state::{Cas, Record, Stored};

/// How often a request that came twice looks whether its first one is done.
const JOIN_PAUSE: Duration = Duration::from_millis(50);

/// Binds instance `id`, which the path names. The same `request_id` with the same request gives
/// the same binding.
///
/// # Errors
///
/// [`OperationError`]; whatever was made by then is removed, at once or by a reconciler.
pub(crate) async fn bind(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    request: BindHandleRequest,
    request_id: Option<String>,
) -> Result<ServiceResponse, OperationError> {
    let options = request.binding_options.as_object().ok_or(OperationError::Malformed)?.clone();
    ops.check_up()?;
    let instance = ops.ready_instance(offering, id, bare).await?.record;
    // The original obeyed the body and logged the path: a request could name two instances.
    if request.service_id != id {
        return Err(OperationError::Malformed);
    }
    Span::current().record("instance", instance.id.as_str());
    Span::current().record("node", instance.life.node.as_str());
    let patience = Patience::of(offering.node_timeout);
    let binding = match request_id {
        Some(request_id) => derived_id(&instance, &request, &request_id),
        None => BindingId::random(),
    };
    let record = BindingRecord {
        v: RECORD_VERSION,
        id: binding.clone(),
        instance: instance.id.clone(),
        service: offering.service.clone(),
        options,
        created: Millis::now(),
        life: Life::intent(instance.life.node.clone(), patience.lease(), Abandon::Undo),
    };
    ops.crash.point("bind.before-intent");
    let done = match ops.records.create(record).await? {
        Cas::Written(intent) => {
            ops.crash.point("bind.intent-written");
            let intent = (intent, Origin::Own);
            carry_out(ops, offering, intent, patience).await?
        }
        Cas::Lost => join(ops, &instance, &binding, patience).await?,
    };
    respond(ops, &instance, &done.record)
}

fn derived_id(
    instance: &InstanceRecord,
    request: &BindHandleRequest,
    request_id: &str,
) -> BindingId {
    let (service, instance) = (instance.service.as_str(), instance.id.as_str());
    BindingId::derived(&[service, instance, request_id, &whole(request)])
}

/// Brings an intent to its end: `Ready`, or on its way out.
///
/// # Errors
///
/// [`OperationError`] when it is on its way out.
pub(crate) async fn carry_out(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    (intent, origin): (Stored<BindingRecord>, Origin),
    patience: Patience,
) -> Result<Stored<BindingRecord>, OperationError> {
    let node = intent.record.life.node.clone();
    match ask(ops, offering, &intent.record, patience).await {
        Answer::Done(credentials) => {
            ops.crash.point("bind.answered");
            finish(ops, offering, intent, &credentials).await
        }
        Answer::Refused(fault) => {
            give_up(ops, offering, &intent, GiveUp::CleanNow).await?;
            Err(OperationError::Node { node, fault })
        }
        Answer::Nobody => {
            let how = match origin {
                Origin::Own => GiveUp::NothingThere,
                Origin::TakenOver => GiveUp::CleanLater,
            };
            give_up(ops, offering, &intent, how).await?;
            Err(OperationError::Silent(node))
        }
        Answer::Silent => {
            give_up(ops, offering, &intent, GiveUp::CleanLater).await?;
            Err(OperationError::Silent(node))
        }
    }
}

async fn ask(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &BindingRecord,
    patience: Patience,
) -> Answer<Object> {
    let body = BindRequest {
        name: record.instance.to_string(),
        bind_opts: Some(record.options.clone()),
        credentials: None,
    };
    let order = order(&record.life, &record.instance, Some(&record.id), patience);
    let command = command(offering, Operation::Bind, &record.life.node, &body, &order);
    let asking = ops.bus.command::<_, CredentialsReply>(&command, patience);
    let answer = ops.crash.during("bind.asking", asking).await;
    about(offering.peers, &record.instance, answer)
}

async fn finish(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    intent: Stored<BindingRecord>,
    credentials: &Object,
) -> Result<Stored<BindingRecord>, OperationError> {
    let overtaken = || OperationError::Overtaken(intent.record.key());
    let sealed = ops.seal_key.seal(&intent.record.key(), credentials)?;
    let ready = intent.record.life.ready(sealed);
    let ready = ready.map_err(|_not_an_intent| overtaken())?;
    let Cas::Written(ready) = ops.records.replace(&intent, ready).await? else {
        return Err(overtaken());
    };
    ops.crash.point("bind.ready-written");
    // An unprovision writes "deleting" and then lists bindings, a move "moving"; this wrote a
    // binding and now looks for them. One of the two sees the other.
    let instance = ops.records.instance(&ready.record.instance).await?;
    let life = instance.map(|instance| instance.record.life);
    let error = match life.as_ref().map(|life| (life.phase, &life.node)) {
        Some((Phase::Ready, node)) if *node == ready.record.life.node => return Ok(ready),
        Some((Phase::Ready | Phase::Moving, _)) => {
            OperationError::Busy(ready.record.instance.clone())
        }
        Some((Phase::Intent | Phase::Deleting | Phase::Tomb, _)) | None => {
            OperationError::NotFound(bare(ready.record.instance.as_str()))
        }
    };
    take_back(ops, offering, &ready, life.as_ref()).await?;
    Err(error)
}

/// Removes a binding whose instance goes, or moves: whoever moves it may have seen the binding, and
/// have it made on the other node as well.
async fn take_back(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    ready: &Stored<BindingRecord>,
    instance: Option<&Life>,
) -> Result<(), OperationError> {
    let patience = Patience::of(offering.node_timeout);
    let Ok(going) = ready.record.life.deleting(patience.lease()) else {
        return Ok(());
    };
    let going = with_copies(going, instance, patience.lease());
    if let Cas::Written(going) = ops.records.replace(ready, going).await? {
        unbind::clean_in_background(ops, offering, going, patience);
    }
    Ok(())
}

/// `going`, with all nodes that its instance has something on.
fn with_copies(going: Life, instance: Option<&Life>, lease: Millis) -> Life {
    let Some(instance) = instance else { return going };
    let nodes = instance.garbage.iter().chain([&instance.node]);
    let others = nodes.filter(|node| **node != going.node).cloned().collect::<Vec<_>>();
    others.into_iter().fold(going, |going, node| going.stray(node, lease))
}

/// What is known of a binding that nobody will be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GiveUp {
    /// No command reached its node.
    NothingThere,
    /// Its node answers.
    CleanNow,
    /// Its node does not.
    CleanLater,
}

async fn give_up(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    binding: &Stored<BindingRecord>,
    how: GiveUp,
) -> Result<(), OperationError> {
    let node: &NodeId = &binding.record.life.node;
    let patience = Patience::of(offering.node_timeout);
    let lease = match how {
        GiveUp::NothingThere | GiveUp::CleanNow => patience.lease(),
        GiveUp::CleanLater => Millis::now(),
    };
    let Ok(going) = binding.record.life.deleting(lease) else {
        return Ok(());
    };
    let going = if how == GiveUp::NothingThere { going.cleaned(node) } else { going };
    match (ops.records.replace(binding, going).await?, how) {
        (Cas::Written(going), GiveUp::CleanNow) => {
            unbind::clean_in_background(ops, offering, going, patience);
        }
        (Cas::Written(_) | Cas::Lost, _) => {}
    }
    Ok(())
}

/// The same request came before: its answer is this one's.
async fn join(
    ops: &Operations,
    instance: &InstanceRecord,
    id: &BindingId,
    patience: Patience,
) -> Result<Stored<BindingRecord>, OperationError> {
    let removed = || OperationError::Removed(instance.id.clone());
    loop {
        let found = ops.records.binding(&instance.id, id).await?.ok_or_else(removed)?;
        match found.record.life.phase {
            Phase::Ready => return Ok(found),
            Phase::Deleting | Phase::Tomb => return Err(removed()),
            Phase::Intent | Phase::Moving if patience.is_over() => {
                return Err(OperationError::Silent(found.record.life.node));
            }
            Phase::Intent | Phase::Moving => patience.pause(JOIN_PAUSE).await,
        }
    }
}

fn respond(
    ops: &Operations,
    instance: &InstanceRecord,
    record: &BindingRecord,
) -> Result<ServiceResponse, OperationError> {
    Ok(ServiceResponse {
        service_id: record.id.to_string(),
        configuration: with_options(configuration(instance), record.options.clone()),
        credentials: credentials(&ops.seal_key, &record.key(), &record.life)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tenon_protocol::{InstanceId, ServiceName};

    use super::*;

    fn instance() -> InstanceRecord {
        let node = NodeId::new("n1").unwrap();
        InstanceRecord {
            v: RECORD_VERSION,
            id: InstanceId::new("d1").unwrap(),
            service: ServiceName::new("MyaaS").unwrap(),
            plan: "free".to_owned(),
            version: "10.11".to_owned(),
            parameters: String::new(),
            created: Millis::now(),
            life: Life::intent(node, Millis::now(), Abandon::Undo),
        }
    }

    #[test]
    fn a_bind_that_a_move_overtook_is_undone_on_both_nodes() {
        let node = |name: &str| NodeId::new(name).unwrap();
        let going = || {
            let life = Life::intent(node("n1"), Millis::now(), Abandon::Undo);
            life.deleting(Millis::now()).unwrap()
        };
        let garbage =
            |instance: Option<&Life>| with_copies(going(), instance, Millis::now()).garbage;
        let stays = instance().life;
        assert_eq!(garbage(None), [node("n1")]);
        assert_eq!(garbage(Some(&stays)), [node("n1")]);
        let moving = Life { phase: Phase::Moving, garbage: vec![node("n2")], ..stays.clone() };
        assert_eq!(garbage(Some(&moving)), [node("n1"), node("n2")]);
        let moved = Life { node: node("n2"), garbage: vec![node("n1")], ..stays };
        assert_eq!(garbage(Some(&moved)), [node("n1"), node("n2")]);
    }

    #[test]
    fn p01_the_same_bind_with_the_same_id_is_the_same_binding() {
        let instance = instance();
        let id = |changes: Value, request_id: &str| {
            let mut request =
                json!({"service_id": "d1", "label": "l", "email": "e", "binding_options": {}});
            request.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            derived_id(&instance, &serde_json::from_value(request).unwrap(), request_id)
        };
        assert_eq!(id(json!({}), "r1"), id(json!({}), "r1"));
        assert_ne!(id(json!({}), "r1"), id(json!({}), "r2"));
        for field in ["label", "email", "app_id"] {
            assert_ne!(id(json!({}), "r1"), id(json!({ field: "other" }), "r1"), "{field}");
        }
        let options = json!({"binding_options": {"read_only": true}});
        assert_ne!(id(json!({}), "r1"), id(options, "r1"));
    }
}
