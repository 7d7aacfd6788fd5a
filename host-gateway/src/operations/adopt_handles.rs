//! Adopt handles: what the platform has and no record knows is written down.
//!
//! A platform that was served by an original gateway hands its instances over this way. Nothing is
//! ever removed because the platform does not list it (P8). When all is written down, so is that it
//! was done: a gateway that starts serves from then on (P4).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;
use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::Handle;
use tenon_protocol::record::{BindingRecord, InstanceRecord, Life, Phase, RECORD_VERSION, key};
use tenon_protocol::{BindingId, InstanceId, NodeId};

use super::tend_orphans::release_adopted;
use super::{OperationError, Operations};
use crate::cloud_controller::{Fetched, Odd, Oddity};
use crate::config::OfferingConfig;
use crate::state::{Cas, StateError};

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
    Useless(Oddity),
}

/// A handle that was looked at.
struct Seen {
    id: String,
    fate: Fate,
    /// Where it is, of an instance that is new.
    place: Option<(NodeId, InstanceId)>,
    version: Version,
}

/// Whether a handle has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Said,
    Missing,
}

/// Writes down what of `fetched` no record knows: instances first, bindings need them. What is odd
/// about it is to be told.
///
/// # Errors
///
/// [`OperationError`] when the store fails; what was adopted by then stays.
pub(crate) async fn adopt_handles(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    fetched: &Fetched,
) -> Result<(Adopted, Odd), OperationError> {
    let (mut adopted, mut odd) = (Adopted::default(), Odd::default());
    // Most handles are known at most starts: one look at all keys spares a question about each.
    let keys = ops.records.keys().await?;
    let mut handles = futures_util::stream::iter(fetched.instances())
        .map(async |handle| match is_known(&keys, &handle) {
            true => Ok(Seen::of(handle.service_id, Fate::Known)),
            false => instance(ops, offering, handle).await,
        })
        .buffer_unordered(AT_ONCE);
    let mut new = BTreeMap::<NodeId, Vec<InstanceId>>::new();
    while let Some(seen) = handles.next().await {
        if let Some((node, id)) = adopted.count(seen?, &mut odd) {
            new.entry(node).or_default().push(id);
        }
    }
    // No record knew them: somebody may have taken them for orphans.
    release_adopted(ops, offering, new).await;
    let mut handles = futures_util::stream::iter(fetched.bindings())
        .map(async |handle| match is_known(&keys, &handle) {
            true => Ok(Seen::of(handle.service_id, Fate::Known)),
            false => binding(ops, offering, handle).await,
        })
        .buffer_unordered(AT_ONCE);
    while let Some(seen) = handles.next().await {
        adopted.count(seen?, &mut odd);
    }
    let now = Millis::now();
    let done = ops.records.change_platform(&offering.service, |known| {
        Some(known.unwrap_or_default().needing(fetched.known_plans(), now))
    });
    done.await?;
    ops.adoptions.done(&offering.service);
    if let Err(error) = note_foreign(ops, offering, fetched, &mut odd).await {
        tracing::warn!(error = %chain(&error), "what is another offering's was not looked for");
    }
    Ok((adopted, odd))
}

/// Notes what a record says to be another offering's: keys do not tell.
async fn note_foreign(
    ops: &Operations,
    offering: &OfferingConfig,
    fetched: &Fetched,
    odd: &mut Odd,
) -> Result<(), StateError> {
    let claimed: HashSet<String> = fetched.instances().map(|handle| handle.service_id).collect();
    let look = |record: InstanceRecord| {
        let InstanceRecord { id, service, .. } = record;
        if service != offering.service && claimed.contains(id.as_str()) {
            odd.note(Oddity::Foreign, || format!("{id} of {service}"));
        }
    };
    ops.records.each_instance(look).await
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
    /// Counts what became of a handle; where it is when it is a new instance.
    fn count(&mut self, seen: Seen, odd: &mut Odd) -> Option<(NodeId, InstanceId)> {
        let Seen { id, fate, place, version } = seen;
        match fate {
            Fate::New => self.new += 1,
            Fate::Known => self.known += 1,
            Fate::Useless(_) => self.useless += 1,
        }
        match (fate, version) {
            (Fate::Useless(what), _) => odd.note(what, || id),
            (Fate::New, Version::Missing) => odd.note(Oddity::Versionless, || id),
            (Fate::New, Version::Said) | (Fate::Known, _) => {}
        }
        place.filter(|_| fate == Fate::New)
    }
}

impl Seen {
    const fn of(id: String, fate: Fate) -> Self {
        Self { id, fate, place: None, version: Version::Said }
    }
}

async fn instance(
    ops: &Operations,
    offering: &OfferingConfig,
    handle: Handle,
) -> Result<Seen, OperationError> {
    let node = handle.credentials.get("node_id").and_then(|node| node.as_str());
    let node = node.and_then(|node| NodeId::new(node).ok());
    let (Ok(id), Some(node)) = (InstanceId::new(handle.service_id.as_str()), node) else {
        return Ok(Seen::of(handle.service_id, Fate::Useless(Oddity::Placeless)));
    };
    let place = (node.clone(), id.clone());
    let sealed = ops.seal_key.seal(&key::instance(&id), &handle.credentials)?;
    let alias = || offering.version_aliases.get("current").cloned();
    let version = handle.configuration.version.as_ref().map_or(Version::Missing, |_| Version::Said);
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
    let fate = fate(&ops.records.create(record).await?);
    Ok(Seen { id: handle.service_id, fate, place: Some(place), version })
}

async fn binding(
    ops: &Operations,
    offering: &OfferingConfig,
    handle: Handle,
) -> Result<Seen, OperationError> {
    let owner = ops.instance(offering, handle.instance().unwrap_or_default()).await?;
    let owner = owner.filter(|owner| owner.record.life.phase == Phase::Ready);
    let (Ok(id), Some(owner)) = (BindingId::new(handle.service_id.as_str()), owner) else {
        return Ok(Seen::of(handle.service_id, Fate::Useless(Oddity::Ownerless)));
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
    Ok(Seen::of(handle.service_id, fate(&ops.records.create(record).await?)))
}

fn fate<R>(written: &Cas<R>) -> Fate {
    match written {
        Cas::Written(_) => Fate::New,
        // A tomb too: the platform has not noticed yet that it is gone.
        Cas::Lost => Fate::Known,
    }
}
