//! Purge orphan: what nobody owns goes.

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Object, PurgeOrphanRequest, UnbindRequest, UnprovisionRequest};
use tenon_protocol::{BindingId, Fault, InstanceId, OperationId, Order};

use super::{Task, unbind, unprovision};
use crate::credentials::user_of;
use crate::guest::{CallFacts, Purge, wit};
use crate::ledger::InstancePhase;
use crate::offering::{Offering, ledger_fault};

/// Removes instances and bindings that a gateway, or an operator, named.
///
/// What the ledger knows goes the way of unprovision and unbind; what it does not know is named
/// to the guest. One that fails does not keep the others.
///
/// # Errors
///
/// The first error, after everything was tried.
pub(crate) async fn purge_orphan(
    offering: &Offering,
    request: &PurgeOrphanRequest,
) -> Result<(), Fault> {
    let mut result = Ok(());
    let mut strangers = Vec::new();
    for name in &request.orphan_ins_list {
        let Ok(id) = InstanceId::new(name.as_str()) else { continue };
        let known = offering.ledger.read(|view| view.instance(offering.service(), &id));
        let known = known.map_err(ledger_fault)?;
        if known.is_some_and(|entry| entry.phase != InstancePhase::Gone) {
            let request = UnprovisionRequest { name: id.to_string(), bindings: Vec::new() };
            result = result.and(unprovision::unprovision(offering, &task(&id), &request).await);
        } else {
            strangers.push(id);
        }
    }
    for credentials in &request.orphan_binding_list {
        result = result.and(purge_binding(offering, credentials).await);
    }
    result.and(purge_strangers(offering, strangers).await)
}

async fn purge_binding(offering: &Offering, credentials: &Object) -> Result<(), Fault> {
    let text = |key: &str| credentials.get(key).and_then(|value| value.as_str());
    let id = InstanceId::new(text("name").unwrap_or_default());
    let id = id.map_err(|_not_an_id| Fault::malformed())?;
    let mut task = task(&id);
    // Our gateways name a binding by its id, original ones by its user.
    let binding = text("handle_id").map(BindingId::new).transpose();
    task.order.binding = binding.map_err(|_not_an_id| Fault::malformed())?;
    if task.order.binding.is_none() && user_of(credentials).is_none() {
        return Err(Fault::malformed());
    }
    let request = UnbindRequest { credentials: credentials.clone() };
    unbind::unbind(offering, &task, &request).await
}

async fn purge_strangers(offering: &Offering, ids: Vec<InstanceId>) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    let version = offering.config.versions.first().cloned().unwrap_or_default();
    let instances = ids.into_iter().map(|id| wit::InstanceRef {
        id: id.to_string(),
        plan: offering.config.plan.clone(),
        version: version.clone(),
    });
    let call = Purge { instances: instances.collect(), bindings: Vec::new() };
    let called = offering.call(&CallFacts::internal("purge"), call).await;
    let called = called.map_err(|failure| failure.to_fault())?;
    let writes = called.writes;
    let applied = offering.ledger.update(move |book| book.apply_state(&writes)).await;
    applied.map_err(ledger_fault)?;
    tracing::info!(offering = offering.config.label, purged = called.output, "purged strangers");
    Ok(())
}

/// Like an original gateway: without a fence, and by credentials.
fn task(instance: &InstanceId) -> Task {
    let order = Order {
        operation: OperationId::random(),
        generation: tenon_protocol::Generation::default(),
        deadline: Millis::now(),
        instance: instance.clone(),
        binding: None,
        parameters: String::new(),
        traceparent: String::new(),
    };
    Task { order, recorded: false }
}
