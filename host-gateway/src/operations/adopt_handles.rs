//! Adopt handles: what the platform has and no record knows is written down.
//!
//! A platform that was served by an original gateway hands its instances over this way. Nothing is
//! ever removed because the platform does not list it (P8). When all is written down, so is that it
//! was done: a gateway that starts serves from then on (P4).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::Handle;
use tenon_protocol::record::{BindingRecord, InstanceRecord, Life, Phase, RECORD_VERSION, key};
use tenon_protocol::{BindingId, InstanceId, NodeId};

use super::tend_orphans::release_adopted;
use super::{OperationError, Operations};
use crate::cloud_controller::Fetched;
use crate::config::OfferingConfig;
use crate::state::Cas;

/// Handles that are written at once.
const AT_ONCE: usize = 16;

/// What became of handles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Adopted {
    pub(crate) new: usize,
    pub(crate) known: usize,
    pub(crate) useless: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    New,
    Known,
    /// It does not say enough to be served.
    Useless,
}

/// Writes down what of `fetched` no record knows: instances first, bindings need them.
///
/// # Errors
///
/// [`OperationError`] when the store fails; what was adopted by then stays.
pub(crate) async fn adopt_handles(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    fetched: &Fetched,
) -> Result<Adopted, OperationError> {
    let mut adopted = Adopted::default();
    // Most handles are known at most starts: one look at all keys spares a question about each.
    let keys = ops.records.keys().await?;
    let mut fates = futures_util::stream::iter(fetched.instances())
        .map(async |handle| {
            if is_known(&keys, &handle) {
                return Ok((Fate::Known, None));
            }
            instance(ops, offering, handle).await
        })
        .buffer_unordered(AT_ONCE);
    let mut new = BTreeMap::<NodeId, Vec<InstanceId>>::new();
    while let Some(adoption) = fates.next().await {
        let (fate, place) = adoption?;
        adopted.count(fate);
        if let Some((node, id)) = place.filter(|_| fate == Fate::New) {
            new.entry(node).or_default().push(id);
        }
    }
    // No record knew them: somebody may have taken them for orphans.
    release_adopted(ops, offering, new).await;
    let mut fates = futures_util::stream::iter(fetched.bindings())
        .map(async |handle| {
            if is_known(&keys, &handle) {
                return Ok(Fate::Known);
            }
            binding(ops, offering, handle).await
        })
        .buffer_unordered(AT_ONCE);
    while let Some(fate) = fates.next().await {
        adopted.count(fate?);
    }
    let now = Millis::now();
    let plans = || fetched.plans.iter().map(String::as_str);
    let done = ops.records.change_platform(&offering.service, |known| {
        Some(known.unwrap_or_default().needing(plans(), now))
    });
    done.await?;
    ops.adoptions.done(&offering.service);
    Ok(adopted)
}

/// Whether a record, or the tomb of one, has the key of `handle`.
fn is_known(keys: &HashSet<String>, handle: &Handle) -> bool {
    key_of(handle).is_some_and(|key| keys.contains(&key))
}

/// Where the record of `handle` would stand; `None` when it names nothing.
fn key_of(handle: &Handle) -> Option<String> {
    let instance = InstanceId::new(handle.instance()?).ok()?;
    if handle.is_instance() {
        return Some(key::instance(&instance));
    }
    let id = BindingId::new(handle.service_id.as_str()).ok()?;
    Some(key::binding(&instance, &id))
}

impl Adopted {
    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::New => self.new += 1,
            Fate::Known => self.known += 1,
            Fate::Useless => self.useless += 1,
        }
    }
}

async fn instance(
    ops: &Operations,
    offering: &OfferingConfig,
    handle: Handle,
) -> Result<(Fate, Option<(NodeId, InstanceId)>), OperationError> {
    let node = handle.credentials.get("node_id").and_then(|node| node.as_str());
    let node = node.and_then(|node| NodeId::new(node).ok());
    let (Ok(id), Some(node)) = (InstanceId::new(handle.service_id.as_str()), node) else {
        tracing::warn!(service_id = handle.service_id, "a handle names no instance and node");
        return Ok((Fate::Useless, None));
    };
    let place = (node.clone(), id.clone());
    let sealed = ops.seal_key.seal(&key::instance(&id), &handle.credentials)?;
    let alias = || offering.version_aliases.get("current").cloned();
    let record = InstanceRecord {
        v: RECORD_VERSION,
        id,
        service: offering.service.clone(),
        plan: handle.configuration.plan.unwrap_or_else(|| offering.default_plan.clone()),
        version: handle
            .configuration
            .version
            .or_else(alias)
            .unwrap_or_else(|| offering.version.clone()),
        parameters: String::new(),
        created: Millis::now(),
        life: Life::adopted(node, sealed),
    };
    Ok((fate(&ops.records.create(record).await?), Some(place)))
}

async fn binding(
    ops: &Operations,
    offering: &OfferingConfig,
    handle: Handle,
) -> Result<Fate, OperationError> {
    let owner = ops.instance(offering, handle.instance().unwrap_or_default()).await?;
    let owner = owner.filter(|owner| owner.record.life.phase == Phase::Ready);
    let (Ok(id), Some(owner)) = (BindingId::new(handle.service_id.as_str()), owner) else {
        tracing::warn!(service_id = handle.service_id, "a handle names no binding of an instance");
        return Ok(Fate::Useless);
    };
    let instance = owner.record.id;
    let sealed = ops.seal_key.seal(&key::binding(&instance, &id), &handle.credentials)?;
    let data = handle.configuration.data.unwrap_or_default();
    let options = data.get("binding_options").and_then(|options| options.as_object()).cloned();
    let record = BindingRecord {
        v: RECORD_VERSION,
        id,
        instance,
        service: offering.service.clone(),
        options: options.unwrap_or_default(),
        created: Millis::now(),
        life: Life::adopted(owner.record.life.node, sealed),
    };
    Ok(fate(&ops.records.create(record).await?))
}

fn fate<R>(written: &Cas<R>) -> Fate {
    match written {
        Cas::Written(_) => Fate::New,
        // A tomb too: the platform has not noticed yet that it is gone.
        Cas::Lost => Fate::Known,
    }
}
