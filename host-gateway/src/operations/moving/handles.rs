//! The handles of an instance and its bindings, as nodes and the platform are told them.
//!
//! Original nodes are told of all bindings, each time, in one message. Nodes of ours know who has
//! access: they are told of as many as a page holds, or of none. Only where they have never seen
//! them they are told of all, page by page.

use serde::Serialize;
use tenon_protocol::message::{Handle, HandlePage, HandlePair};
use tenon_protocol::record::{BindingRecord, InstanceRecord, Phase};

use crate::config::{OfferingConfig, Peers};
use crate::operations::{OperationError, Operations, configuration, credentials, with_options};
use crate::state::Record;

/// Bytes of handles in one message, if the bus takes so long ones: the answer to it has the same
/// handles, and credentials may be longer on another node.
const PAGE_BYTES: usize = 256 << 10;
/// Pages, of what the bus takes: for the same reason.
const PAGES_IN_A_MESSAGE: usize = 4;
/// Lists of handles, of what the bus takes, that an original node may be told: what it answers is
/// kept in one record, sealed, which makes it twice as long.
const LISTS_IN_A_RECORD: usize = 3;

/// The handles of one instance.
pub(in crate::operations) struct Handles {
    pub(in crate::operations) instance: Handle,
    pub(in crate::operations) bindings: Vec<Handle>,
}

impl Handles {
    /// The handles that a node answered, the instance's first.
    ///
    /// # Errors
    ///
    /// [`OperationError`] when there is none.
    pub(in crate::operations) fn of(handles: Vec<Handle>) -> Result<Self, OperationError> {
        let mut handles = handles.into_iter();
        let instance = handles.next().ok_or(OperationError::Malformed)?;
        Ok(Self { instance, bindings: handles.collect() })
    }
}

/// The handles of the instance of `record` and of its bindings that are there, by their records.
///
/// # Errors
///
/// [`OperationError`] when they cannot be read.
pub(in crate::operations) async fn handles(
    ops: &Operations,
    record: &InstanceRecord,
) -> Result<Handles, OperationError> {
    let mut bindings = Vec::new();
    for stored in ops.records.bindings(&record.id).await? {
        if stored.record.life.phase == Phase::Ready {
            bindings.push(binding_handle(ops, record, &stored.record)?);
        }
    }
    Ok(Handles { instance: instance_handle(ops, record)?, bindings })
}

/// The handle of the instance of `record`.
///
/// # Errors
///
/// [`OperationError`] when its credentials cannot be opened.
pub(super) fn instance_handle(
    ops: &Operations,
    record: &InstanceRecord,
) -> Result<Handle, OperationError> {
    Ok(Handle {
        service_id: record.id.to_string(),
        configuration: configuration(record),
        credentials: credentials(&ops.seal_key, &record.key(), &record.life)?,
    })
}

fn binding_handle(
    ops: &Operations,
    instance: &InstanceRecord,
    record: &BindingRecord,
) -> Result<Handle, OperationError> {
    Ok(Handle {
        service_id: record.id.to_string(),
        configuration: with_options(configuration(instance), record.options.clone()),
        credentials: credentials(&ops.seal_key, &record.key(), &record.life)?,
    })
}

/// What a node that has the instance, or gets its data, is told with a step.
///
/// # Errors
///
/// [`OperationError`] when records cannot be read.
pub(in crate::operations) async fn pair(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
) -> Result<HandlePair, OperationError> {
    let whole = whole(ops, record).await?;
    Ok(if is_told(ops, offering, &whole) { whole } else { HandlePair(whole.0, Vec::new()) })
}

/// Whether a node that knows who has access is told of `all` of them: an original one always is,
/// one of ours while they fit into a page.
pub(in crate::operations) fn is_told<B: Serialize>(
    ops: &Operations,
    offering: &OfferingConfig,
    all: &B,
) -> bool {
    match offering.peers {
        Peers::Native => is_within(all, page_bytes(ops)),
        Peers::Original => true,
    }
}

/// What a node is told that is to make the accounts of all bindings.
///
/// # Errors
///
/// As [`pair`].
pub(in crate::operations) async fn pages(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
) -> Result<Vec<HandlePage>, OperationError> {
    let whole = whole(ops, record).await?;
    Ok(match offering.peers {
        Peers::Native => HandlePage::cut(whole, page_bytes(ops)),
        Peers::Original => vec![HandlePage::Last(whole)],
    })
}

/// Refuses to move an instance of which original nodes cannot be told. Nothing was changed yet.
///
/// # Errors
///
/// [`OperationError::TooManyBindings`].
pub(in crate::operations) async fn check_fits(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
) -> Result<(), OperationError> {
    match offering.peers {
        Peers::Native => Ok(()),
        Peers::Original if is_within(&whole(ops, record).await?, longest_list(ops)) => Ok(()),
        Peers::Original => Err(OperationError::TooManyBindings(record.id.clone())),
    }
}

/// Bytes of a page.
fn page_bytes(ops: &Operations) -> usize {
    PAGE_BYTES.min(ops.bus.max_payload() / PAGES_IN_A_MESSAGE)
}

fn longest_list(ops: &Operations) -> usize {
    ops.bus.max_payload() / LISTS_IN_A_RECORD
}

/// Whether `body` has at most `limit` bytes.
pub(in crate::operations) fn is_within<B: Serialize>(body: &B, limit: usize) -> bool {
    serde_json::to_vec(body).is_ok_and(|json| json.len() <= limit)
}

async fn whole(ops: &Operations, record: &InstanceRecord) -> Result<HandlePair, OperationError> {
    let Handles { instance, bindings } = handles(ops, record).await?;
    Ok(HandlePair(instance, bindings))
}
