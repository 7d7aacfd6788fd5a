//! The handles of an offering as collectors see them, from the records: without secrets, and a
//! bounded number.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tenon_protocol::message::{Configuration, Handle, Object};
use tenon_protocol::record::{BindingRecord, InstanceRecord, Life, Phase};
use tenon_protocol::{InstanceId, SealKey};

use super::shown::without_secrets;
use crate::config::OfferingConfig;
use crate::operations::{Operations, configuration, with_options};
use crate::state::{Record, StateError, decode};

/// More are not shown: a collector asks every half minute, and wants to look, not to copy.
pub(crate) const MAX_HANDLES: usize = 1_000;
/// Records that are read at once.
const PAGE: usize = 500;
/// Records that are looked at for them.
const MAX_RECORDS: usize = 20_000;

/// Handles by their id.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    pub(crate) shown: BTreeMap<String, Value>,
    /// Whether there may be more.
    pub(crate) cut: bool,
}

#[derive(Default)]
struct Found {
    instances: HashMap<InstanceId, InstanceRecord>,
    bindings: Vec<BindingRecord>,
    looked: usize,
}

/// Instances and bindings of `offering` that are there.
///
/// # Errors
///
/// [`StateError`] when the records cannot be read.
pub(crate) async fn all(
    ops: &Operations,
    offering: &OfferingConfig,
) -> Result<Handles, StateError> {
    let (found, cut) = find(ops, offering).await?;
    let mut handles = Handles { shown: BTreeMap::new(), cut };
    let bindings = found
        .bindings
        .iter()
        .map(|record| binding(&ops.seal_key, record, found.instances.get(&record.instance)));
    let instances = found.instances.values().map(|record| instance(&ops.seal_key, record));
    handles.shown.extend(instances.chain(bindings).take(MAX_HANDLES));
    Ok(handles)
}

/// The bindings of one instance of `offering`; none when it is not there.
///
/// # Errors
///
/// [`StateError`] when the records cannot be read.
pub(crate) async fn of_instance(
    ops: &Operations,
    offering: &OfferingConfig,
    id: &str,
) -> Result<Vec<Value>, StateError> {
    let owner = ops.instance(offering, id).await?;
    let Some(owner) = owner.filter(|owner| is_there(&owner.record.life)) else {
        return Ok(Vec::new());
    };
    let bindings = ops.records.bindings(&owner.record.id).await?;
    let there = bindings.iter().filter(|stored| is_there(&stored.record.life)).take(MAX_HANDLES);
    let handles = there.map(|stored| binding(&ops.seal_key, &stored.record, Some(&owner.record)).1);
    Ok(handles.collect())
}

/// Records of handles, until there are enough of them.
async fn find(ops: &Operations, offering: &OfferingConfig) -> Result<(Found, bool), StateError> {
    let mut found = Found::default();
    for bucket in ops.records.buckets() {
        let mut from = Some(1);
        while let Some(start) = from {
            let enough = found.instances.len() + found.bindings.len() >= MAX_HANDLES;
            if enough || found.looked >= MAX_RECORDS {
                return Ok((found, true));
            }
            let page = bucket.page(">", start, PAGE).await?;
            found.looked += page.entries.len();
            for entry in &page.entries {
                if entry.key.starts_with("inst.") {
                    let record = decode::<InstanceRecord>(entry)?.record;
                    if record.service == offering.service && is_there(&record.life) {
                        found.instances.insert(record.id.clone(), record);
                    }
                } else if entry.key.starts_with("bind.") {
                    let record = decode::<BindingRecord>(entry)?.record;
                    if record.service == offering.service && is_there(&record.life) {
                        found.bindings.push(record);
                    }
                }
            }
            from = page.next;
        }
    }
    let many = found.instances.len() + found.bindings.len() > MAX_HANDLES;
    Ok((found, many))
}

const fn is_there(life: &Life) -> bool {
    match life.phase {
        Phase::Ready | Phase::Moving => true,
        Phase::Intent | Phase::Deleting | Phase::Tomb => false,
    }
}

fn instance(key: &SealKey, record: &InstanceRecord) -> (String, Value) {
    handle(key, record, record.id.to_string(), configuration(record))
}

fn binding(
    key: &SealKey,
    record: &BindingRecord,
    owner: Option<&InstanceRecord>,
) -> (String, Value) {
    let options = without_secrets(Value::Object(record.options.clone()));
    let configuration = with_options(owner.map(configuration).unwrap_or_default(), options);
    handle(key, record, record.id.to_string(), configuration)
}

fn handle<R: Record>(
    key: &SealKey,
    record: &R,
    service_id: String,
    configuration: Configuration,
) -> (String, Value) {
    let sealed = record.life().credentials.as_ref();
    let opened: Option<Object> = sealed.and_then(|sealed| key.open(&record.key(), sealed).ok());
    let credentials = match without_secrets(Value::Object(opened.unwrap_or_default())) {
        Value::Object(credentials) => credentials,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Object::new()
        }
    };
    let handle = Handle { service_id: service_id.clone(), configuration, credentials };
    (service_id, serde_json::to_value(handle).unwrap_or_default())
}
