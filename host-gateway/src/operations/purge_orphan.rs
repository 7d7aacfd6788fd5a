//! Purge orphans: what an operator says shall go, unless it was ordered.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenon_protocol::message::{Object, PurgeOrphanRequest, Reply};
use tenon_protocol::record::Phase;
use tenon_protocol::subject::{self, Operation};
use tenon_protocol::{InstanceId, NodeId};

use super::{OperationError, Operations, shown};
use crate::bus::BusError;
use crate::config::{OfferingConfig, Peers};
use crate::orphans::OrphanBinding;

/// Orphans of one message: far below what a message may hold.
const BATCH: usize = 500;

/// `DELETE /service/internal/v1/purge_orphan`. Reference, section 1.18.
#[derive(Debug, Deserialize)]
pub(crate) struct PurgeRequest {
    orphan_instances: BTreeMap<NodeId, Vec<String>>,
    orphan_bindings: BTreeMap<NodeId, Vec<Object>>,
}

/// Has nodes remove what `request` names; returns when all have confirmed it.
///
/// # Errors
///
/// [`OperationError::NoOrphan`] when one of them was ordered: then nothing is removed.
pub(crate) async fn purge_orphan(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    request: PurgeRequest,
) -> Result<(), OperationError> {
    ops.check_up()?;
    for id in request.orphan_instances.values().flatten() {
        check_instance(ops, offering, id).await?;
    }
    for credentials in request.orphan_bindings.values().flatten() {
        check_binding(ops, offering, credentials).await?;
    }
    for (node, instances) in &request.orphan_instances {
        for batch in instances.chunks(BATCH) {
            let orphans = (batch.to_vec(), Vec::new());
            purge(ops, offering, node, orphans).await?;
        }
    }
    for (node, bindings) in &request.orphan_bindings {
        for batch in bindings.chunks(BATCH) {
            purge(ops, offering, node, (Vec::new(), batch.to_vec())).await?;
        }
    }
    Ok(())
}

async fn check_instance(
    ops: &Operations,
    offering: &OfferingConfig,
    id: &str,
) -> Result<(), OperationError> {
    let found = ops.instance(offering, id).await?;
    match found.map(|stored| stored.record.life.phase) {
        Some(Phase::Intent | Phase::Ready | Phase::Moving) => {
            Err(OperationError::NoOrphan(shown(id)))
        }
        // Nodes fence a removal that is under way, or done.
        Some(Phase::Deleting | Phase::Tomb) | None => Ok(()),
    }
}

async fn check_binding(
    ops: &Operations,
    offering: &OfferingConfig,
    credentials: &Object,
) -> Result<(), OperationError> {
    let Some(named) = OrphanBinding::of(credentials) else {
        return check_account(ops, offering, credentials).await;
    };
    let found = ops.records.binding(&named.name, &named.handle_id).await?;
    match found.map(|stored| stored.record.life.phase) {
        Some(Phase::Intent | Phase::Ready | Phase::Moving) => {
            Err(OperationError::NoOrphan(named.handle_id.to_string()))
        }
        Some(Phase::Deleting | Phase::Tomb) | None => Ok(()),
    }
}

/// An original node's binding has no id: its account is looked for in the credentials of the
/// instance's bindings.
async fn check_account(
    ops: &Operations,
    offering: &OfferingConfig,
    credentials: &Object,
) -> Result<(), OperationError> {
    let text = |object: &Object, key: &str| {
        object.get(key).and_then(|value| value.as_str()).map(str::to_owned)
    };
    let user = |object: &Object| text(object, "username").or_else(|| text(object, "user"));
    let id = text(credentials, "name").and_then(|name| InstanceId::new(name).ok());
    let Some(id) = id.filter(|_| offering.peers == Peers::Original) else {
        return Err(OperationError::Malformed);
    };
    for binding in ops.records.bindings(&id).await? {
        let record = &binding.record;
        let place = tenon_protocol::record::key::binding(&record.instance, &record.id);
        let own = super::credentials(&ops.seal_key, &place, &record.life)?;
        if user(&own).is_some() && user(&own) == user(credentials) {
            return Err(OperationError::NoOrphan(record.id.to_string()));
        }
    }
    Ok(())
}

async fn purge(
    ops: &Operations,
    offering: &OfferingConfig,
    node: &NodeId,
    (orphan_ins_list, orphan_binding_list): (Vec<String>, Vec<Object>),
) -> Result<(), OperationError> {
    let subject = subject::operation(&offering.service, Operation::PurgeOrphan, node);
    let body = PurgeOrphanRequest { orphan_ins_list, orphan_binding_list };
    let done = match offering.peers {
        Peers::Native => ops.bus.ask::<_, Reply>(&subject, &body, offering.node_timeout).await,
        Peers::Original => tell(ops, subject, &body).await,
    };
    let silent = || OperationError::Silent(node.clone());
    let reply = done.map_err(|error| match error {
        BusError::Away => OperationError::Away,
        BusError::Nobody(_)
        | BusError::TimedOut(_)
        | BusError::Unsendable { .. }
        | BusError::Garbled { .. } => silent(),
    })?;
    let refused = |fault| OperationError::Node { node: node.clone(), fault };
    reply.into_result().map_err(refused)
}

/// An original node does not answer.
async fn tell<B: Serialize>(
    ops: &Operations,
    subject: String,
    body: &B,
) -> Result<Reply, BusError> {
    let payload = serde_json::to_vec(body);
    let payload =
        payload.map_err(|source| BusError::Garbled { subject: subject.clone(), source })?;
    ops.bus.tell(subject, payload.into()).await.map(|()| Reply { success: true, error: None })
}
