//! What records and platform know, whole or not at all (P8).

use tenon_protocol::chain;
use tenon_protocol::record::{BindingRecord, InstanceRecord, Phase, key};

use crate::cloud_controller::Fetched;
use crate::config::OfferingConfig;
use crate::operations::{OperationError, Operations, credentials};
use crate::orphans::{Known, Listed};
use crate::state::{StateError, decode};

/// Records that are read at once.
const PAGE: usize = 500;

/// A record that matters to orphans.
enum Entry {
    Instance(InstanceRecord),
    Binding(BindingRecord),
}

/// All records of `offering`.
///
/// # Errors
///
/// [`StateError`] when one of them cannot be read.
pub(super) async fn known(
    ops: &Operations,
    offering: &OfferingConfig,
) -> Result<Known, StateError> {
    let mut known = Known::default();
    visit(ops, offering, |entry| {
        match entry {
            Entry::Instance(record) => {
                known.instances.insert(record.id.clone(), record.into());
            }
            Entry::Binding(record) => {
                known.bindings.insert((record.instance, record.id), record.life.phase);
            }
        }
        Ok(())
    })
    .await?;
    Ok(known)
}

/// All that records and platform list of `offering`, with the accounts.
///
/// # Errors
///
/// [`OperationError`] when either did not come whole.
pub(in crate::operations) async fn listed(
    ops: &Operations,
    offering: &OfferingConfig,
) -> Result<Listed, OperationError> {
    let mut listed = Listed::default();
    if let Some(fetched) = claimed(ops, offering).await? {
        fetched.names().for_each(|name| listed.instance(name));
        fetched.bindings().for_each(|handle| listed.account(&handle.credentials));
    }
    visit(ops, offering, |entry| {
        match entry {
            Entry::Instance(record) if record.life.phase != Phase::Tomb => {
                listed.instance(record.id.as_str());
            }
            Entry::Binding(record) if record.life.phase != Phase::Tomb => {
                let place = key::binding(&record.instance, &record.id);
                listed.account(&credentials(&ops.seal_key, &place, &record.life)?);
            }
            Entry::Instance(_) | Entry::Binding(_) => {}
        }
        Ok::<(), OperationError>(())
    })
    .await?;
    Ok(listed)
}

/// All that the platform has of `offering`; `None` when there is no platform.
///
/// # Errors
///
/// [`OperationError::Incomplete`] when it did not come whole.
pub(in crate::operations) async fn claimed(
    ops: &Operations,
    offering: &OfferingConfig,
) -> Result<Option<Fetched>, OperationError> {
    let Some(cloud_controller) = ops.cloud_controller.as_ref() else {
        return Ok(None);
    };
    let incomplete =
        |why: String| OperationError::Incomplete(format!("the cloud controller's list: {why}"));
    let fetched = cloud_controller.handles(offering).await;
    let fetched = fetched.map_err(|error| incomplete(chain(&error).to_string()))?;
    match fetched.unreadable() {
        0 => Ok(Some(fetched)),
        unreadable => Err(incomplete(format!("{unreadable} handles cannot be read"))),
    }
}

async fn visit<E: From<StateError>>(
    ops: &Operations,
    offering: &OfferingConfig,
    mut look: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    for bucket in ops.records.buckets() {
        let mut from = Some(1);
        while let Some(start) = from {
            let page = bucket.page(">", start, PAGE).await?;
            for entry in &page.entries {
                if entry.key.starts_with("inst.") {
                    let record = decode::<InstanceRecord>(entry)?.record;
                    if record.service == offering.service {
                        look(Entry::Instance(record))?;
                    }
                } else if entry.key.starts_with("bind.") {
                    let record = decode::<BindingRecord>(entry)?.record;
                    if record.service == offering.service {
                        look(Entry::Binding(record))?;
                    }
                }
            }
            from = page.next;
        }
    }
    Ok(())
}
