//! From a message to an operation, and from its result to an answer.
//!
//! The one place where bytes of the bus become values. Decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::Message;
use serde::de::DeserializeOwned;
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    BindRequest, CredentialsReply, HandlePage, HandlePair, InventoryRequest, Object, OrphanAct,
    OrphanAnswer, OrphanItem, OrphanOrder, ProvisionRequest, PurgeOrphanRequest, Reply,
    RestoreRequest, UnbindRequest, UnprovisionRequest, UpdateReply,
};
use tenon_protocol::order::header;
use tenon_protocol::subject::Operation;
use tenon_protocol::{
    BindingId, Code, Fault, Generation, InstanceId, OperationId, Order, RequestId, StoreEpoch,
};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::complaints::complain;
use crate::config::Peers;
use crate::offering::{Offering, ledger_fault};
use crate::operations::{self, Task};
use crate::steps::Outcome;

/// The span of one request; what it is about is filled in once it is read.
pub(crate) fn span(offering: &Offering, operation: Operation) -> Span {
    let offering = offering.config.label.as_str();
    info_span!(
        "operation",
        operation = operation.as_str(),
        offering,
        request_id = Empty,
        instance = Empty
    )
}

/// Answers one request. `accepted` is `false` when the node has no room for more requests.
///
/// Without a plugin nothing is begun: there would be nobody to undo it.
pub(crate) async fn request(
    offering: &Arc<Offering>,
    operation: Operation,
    message: &Message,
    accepted: bool,
) -> Vec<u8> {
    let accepted = accepted && offering.plugin.current().is_some();
    hear_store(offering, message).await;
    let busy = || Err(Fault::unavailable());
    match operation {
        Operation::Provision if !accepted || offering.disabled.load(Ordering::Relaxed) => {
            credentials(busy())
        }
        Operation::Bind if !accepted => credentials(busy()),
        Operation::Provision => {
            let made = provision(offering, message).await;
            credentials(counted(made, &offering.provision_served))
        }
        Operation::Bind => {
            let made = bind(offering, message).await;
            credentials(counted(made, &offering.binding_served))
        }
        Operation::Unprovision
        | Operation::Unbind
        | Operation::Restore
        | Operation::DisableInstance
        | Operation::EnableInstance
        | Operation::ImportInstance
        | Operation::UpdateInstance
        | Operation::CleanupnfsInstance
            if !accepted =>
        {
            done(Err(Fault::unavailable()))
        }
        Operation::Unprovision => done(unprovision(offering, message).await),
        Operation::Unbind => done(unbind(offering, message).await),
        Operation::PurgeOrphan => {
            let purged =
                if accepted { purge_orphan(offering, message).await } else { busy().map(drop) };
            done(purged.inspect_err(|fault| tell_refused_purge(offering, message, fault)))
        }
        Operation::Restore => done(restore(offering, message).await),
        Operation::UpdateInstance => handles(update(offering, message).await),
        Operation::DisableInstance
        | Operation::EnableInstance
        | Operation::ImportInstance
        | Operation::CleanupnfsInstance => done(step(offering, operation, message).await.map(drop)),
    }
}

/// The answer, if the bus takes one that is so long. Otherwise nobody would be answered at all.
pub(crate) fn sendable(
    offering: &Offering,
    answer: Vec<u8>,
    message: &Message,
    longest: usize,
) -> Vec<u8> {
    if answer.len() <= longest {
        return answer;
    }
    let (subject, bytes) = (message.subject.as_str(), answer.len());
    let offering = &offering.config.label;
    tracing::warn!(offering, subject, bytes, longest, "an answer is longer than the bus takes");
    done(Err(Fault::new(Code::MESSAGE_TOO_LONG, "The answer is longer than the bus takes")))
}

fn counted<T>(made: Result<T, Fault>, served: &AtomicU64) -> Result<T, Fault> {
    made.inspect(|_made| {
        served.fetch_add(1, Ordering::Relaxed);
    })
}

/// Answers a request for a page of the inventory; an error is an empty answer with its number.
pub(crate) async fn inventory(offering: &Offering, message: &Message, accepted: bool) -> Vec<u8> {
    let request = if message.payload.is_empty() {
        Ok(InventoryRequest::default())
    } else {
        decode(offering, message)
    };
    let page = match request {
        Ok(_) if !accepted => Err(Fault::unavailable()),
        Ok(request) => operations::inventory::inventory(offering, &request).await,
        Err(fault) => Err(fault),
    };
    match page {
        Ok(page) => serde_json::to_vec(&page).unwrap_or_default(),
        Err(fault) => done(Err(fault)),
    }
}

/// Answers an order about orphans.
pub(crate) async fn orphans(offering: &Offering, message: &Message, accepted: bool) -> Vec<u8> {
    let result = match decode::<OrphanOrder>(offering, message) {
        Ok(_) if !accepted || offering.plugin.current().is_none() => Err(Fault::unavailable()),
        Ok(order) => obey(offering, order).await,
        Err(fault) => Err(fault),
    };
    serde_json::to_vec(&OrphanAnswer::of(result)).unwrap_or_default()
}

async fn obey(offering: &Offering, order: OrphanOrder) -> Result<Vec<OrphanItem>, Fault> {
    let OrphanOrder { store, act } = order;
    match act {
        OrphanAct::Purge(purge) => operations::purge_orphan::purge(offering, &store, &purge).await,
        OrphanAct::Release { instances } => {
            operations::quarantine::release(offering, instances).await
        }
        OrphanAct::AcceptStore => {
            offering.store.accept(store).await.map_err(ledger_fault)?;
            Ok(Vec::new())
        }
    }
}

/// Which records are behind an order of ours. Written down when it is news; what cannot be
/// written is news again next time.
async fn hear_store(offering: &Offering, message: &Message) {
    let named = message.headers.as_ref().and_then(|headers| headers.get(header::STORE));
    let epoch = named.and_then(|epoch| StoreEpoch::new(epoch.as_str()).ok());
    if let Some(epoch) = epoch.filter(|_| offering.config.peers == Peers::Native)
        && let Err(error) = offering.store.heard_epoch(&epoch).await
    {
        tracing::warn!(error = %chain(&error), "the name of the records was not written down");
    }
}

async fn provision(offering: &Offering, message: &Message) -> Result<Object, Fault> {
    let request: ProvisionRequest = decode(offering, message)?;
    let given = request.credentials.as_ref().and_then(|old| old.get("name"));
    let given = given.and_then(|name| name.as_str()).map(instance_id).transpose()?;
    let task = task(offering, message, || Ok(given.unwrap_or_else(InstanceId::random)))?;
    offering.steps.refuse_while_running(&task.order.instance)?;
    operations::provision::provision(offering, &task, request).await
}

async fn unprovision(offering: &Offering, message: &Message) -> Result<(), Fault> {
    let request: UnprovisionRequest = decode(offering, message)?;
    let task = task(offering, message, || named(offering, &request.name))?;
    offering.steps.refuse_while_running(&task.order.instance)?;
    operations::unprovision::unprovision(offering, &task, &request).await
}

async fn bind(offering: &Offering, message: &Message) -> Result<Object, Fault> {
    let request: BindRequest = decode(offering, message)?;
    let mut task = task(offering, message, || named(offering, &request.name))?;
    task.order.binding.get_or_insert_with(BindingId::random);
    offering.steps.refuse_while_running(&task.order.instance)?;
    operations::bind::bind(offering, &task, request).await
}

async fn unbind(offering: &Offering, message: &Message) -> Result<(), Fault> {
    let request: UnbindRequest = decode(offering, message)?;
    let name = request.credentials.get("name").and_then(|name| name.as_str()).unwrap_or_default();
    let task = task(offering, message, || named(offering, name))?;
    offering.steps.refuse_while_running(&task.order.instance)?;
    operations::unbind::unbind(offering, &task, &request).await
}

async fn purge_orphan(offering: &Offering, message: &Message) -> Result<(), Fault> {
    let request: PurgeOrphanRequest = decode(offering, message)?;
    refuse_strangers(offering, message)?;
    operations::purge_orphan::purge_orphan(offering, &request).await
}

/// A gateway of 2013 waits for no answer to a purge: whoever reads the log has to hear of it.
fn tell_refused_purge(offering: &Offering, message: &Message, fault: &Fault) {
    if message.reply.is_some() {
        return;
    }
    let (offering, subject) = (&offering.config.label, message.subject.as_str());
    let (code, why) = (fault.msg.code, fault.msg.description.as_str());
    tracing::warn!(offering, subject, code, why, "a purge failed that nobody waits for");
}

/// A step of a move: it goes on when nobody waits for it any more.
async fn step(offering: &Arc<Offering>, operation: Operation, message: &Message) -> Outcome {
    let pair: HandlePair = decode(offering, message)?;
    let task = task_about(offering, message, &pair)?;
    let (ours, ordered) = (Arc::clone(offering), task.clone());
    let work = async move { move_step(&ours, operation, &ordered, &pair).await };
    offering.steps.run(operation, &task, work).await
}

/// The same with one page of the instance's bindings.
async fn update(offering: &Arc<Offering>, message: &Message) -> Outcome {
    let page: HandlePage = decode(offering, message)?;
    let rest = page.rest();
    let pair = page.into_pair();
    let task = task_about(offering, message, &pair)?;
    let (ours, ordered) = (Arc::clone(offering), task.clone());
    let work = async move {
        operations::update_instance::update_instance(&ours, &ordered, &pair, rest).await
    };
    offering.steps.run(Operation::UpdateInstance, &task, work).await
}

/// The order in the message's headers, if it is about the instance that its body names.
fn task_about(offering: &Offering, message: &Message, pair: &HandlePair) -> Result<Task, Fault> {
    let named = operations::handles::instance_of(pair)?;
    let task = task(offering, message, || Ok(named.clone()))?;
    if task.order.instance != named {
        complain(offering, message, "its headers name another instance than its body");
        return Err(Fault::malformed());
    }
    Ok(task)
}

/// A restore is as long as a step, and asked for in the same way.
async fn restore(offering: &Arc<Offering>, message: &Message) -> Result<(), Fault> {
    let request: RestoreRequest = decode(offering, message)?;
    let task = task(offering, message, || named(offering, &request.instance_id))?;
    let (ours, ordered) = (Arc::clone(offering), task.clone());
    let work = async move {
        let restored = operations::restore::restore(&ours, &ordered, &request).await;
        restored.map(|()| Vec::new())
    };
    offering.steps.run(Operation::Restore, &task, work).await.map(drop)
}

async fn move_step(
    offering: &Offering,
    operation: Operation,
    task: &Task,
    pair: &HandlePair,
) -> Outcome {
    let nothing = |()| Vec::new();
    match operation {
        Operation::DisableInstance => {
            operations::disable_instance::disable_instance(offering, task, pair).await.map(nothing)
        }
        Operation::EnableInstance => {
            operations::enable_instance::enable_instance(offering, task, pair).await.map(nothing)
        }
        Operation::ImportInstance => {
            operations::import_instance::import_instance(offering, task, pair).await.map(nothing)
        }
        Operation::CleanupnfsInstance => {
            operations::cleanupnfs_instance::cleanupnfs_instance(offering, task).await.map(nothing)
        }
        Operation::Provision
        | Operation::Unprovision
        | Operation::Bind
        | Operation::Unbind
        | Operation::UpdateInstance
        | Operation::Restore
        | Operation::PurgeOrphan => Err(Fault::internal()),
    }
}

/// The order in the message's headers; without them an original gateway asks.
fn task(
    offering: &Offering,
    message: &Message,
    instance: impl FnOnce() -> Result<InstanceId, Fault>,
) -> Result<Task, Fault> {
    let get = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str());
    let order = Order::from_headers(get).map_err(|error| {
        complain(offering, message, &format!("its headers are wrong: {}", chain(&error)));
        Fault::malformed()
    })?;
    let Some(order) = order else {
        refuse_strangers(offering, message)?;
        let order = original_order(instance()?);
        Span::current().record("instance", order.instance.as_str());
        return Ok(Task { order, recorded: false });
    };
    Span::current().record("instance", order.instance.as_str());
    Span::current().record("request_id", order.request.as_ref().map(RequestId::as_str));
    if order.deadline < Millis::now() {
        // Nobody waits for it any more: a late command is not executed (P3).
        tracing::debug!(subject = %message.subject, "a request came after its deadline");
        return Err(Fault::gateway_timeout());
    }
    let recorded = offering.config.peers == Peers::Native;
    Ok(Task { order, recorded })
}

/// Refuses what a gateway of 2013 asks of a node that does not expect one: nothing fences such a
/// command off, however late it is, from what our gateways ordered since.
fn refuse_strangers(offering: &Offering, message: &Message) -> Result<(), Fault> {
    match offering.config.peers {
        Peers::Original => Ok(()),
        Peers::Native => {
            let named = format!("it has no header {}, and peers are native", header::OPERATION);
            complain(offering, message, &named);
            let text = format!("Node {} takes orders of Tenon's gateways only", offering.node());
            Err(Fault::new(Code::NATIVE_ONLY, text))
        }
    }
}

fn original_order(instance: InstanceId) -> Order {
    // The original's own limit of one operation.
    let deadline = Millis::now().after(std::time::Duration::from_secs(60));
    Order::of(instance, OperationId::random(), Generation::default(), deadline)
}

/// An id that an original gateway names: what cannot be one is not found.
fn named(offering: &Offering, name: &str) -> Result<InstanceId, Fault> {
    let title = offering.title();
    InstanceId::new(name).map_err(|_not_an_id| Fault::node_no_instance(&title, name))
}

fn instance_id(name: &str) -> Result<InstanceId, Fault> {
    InstanceId::new(name).map_err(|_not_an_id| Fault::malformed())
}

fn decode<T: DeserializeOwned>(offering: &Offering, message: &Message) -> Result<T, Fault> {
    serde_json::from_slice(&message.payload).map_err(|error| {
        // The class of the error only: its text may show a part of the body, and that a secret.
        complain(offering, message, &format!("it cannot be read: {:?}", error.classify()));
        Fault::malformed()
    })
}

fn credentials(result: Result<Object, Fault>) -> Vec<u8> {
    serde_json::to_vec(&CredentialsReply::of(result)).unwrap_or_default()
}

fn handles(outcome: Outcome) -> Vec<u8> {
    serde_json::to_vec(&UpdateReply::of(outcome)).unwrap_or_default()
}

fn done(result: Result<(), Fault>) -> Vec<u8> {
    serde_json::to_vec(&Reply::of(result)).unwrap_or_default()
}
