//! Rename a snapshot: only its record changes, by compare-and-set.

use std::sync::Arc;

use tenon_protocol::record::SnapshotRecord;

use super::order_job::{no_snapshot, snapshot_id};
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};
use crate::state::Put;

/// Characters of a name, as many as in the original.
const MAX_NAME: usize = 512;

/// Gives snapshot `snapshot` of instance `id` another name.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] when somebody else changes it at the same moment.
pub(crate) async fn rename_snapshot(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    (id, snapshot): (&str, &str),
    name: &str,
) -> Result<(), OperationError> {
    let instance = ops.extended_instance(offering, id, Extension::Snapshot).await?;
    check_name(name)?;
    let number = snapshot_id(snapshot)?;
    let found = ops.jobs.snapshot(&offering.service, &instance.id, &number).await?;
    let found = found.ok_or_else(|| no_snapshot(snapshot))?;
    let renamed = SnapshotRecord { name: name.to_owned(), ..found.record.clone() };
    match ops.jobs.replace_snapshot(&found, &renamed).await? {
        Put::Written(_) => Ok(()),
        Put::Lost => Err(OperationError::Busy(instance.id)),
    }
}

/// Refuses a name that is no name.
///
/// # Errors
///
/// [`OperationError::SnapshotName`].
pub(super) fn check_name(name: &str) -> Result<(), OperationError> {
    if name.is_empty() {
        return Err(OperationError::SnapshotName("The name is empty.".to_owned()));
    }
    if name.chars().count() > MAX_NAME {
        let why = format!("Input name exceed the max allowed {MAX_NAME} characters.");
        return Err(OperationError::SnapshotName(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tenon_protocol::Fault;

    use super::*;

    fn check_refused(name: &str, expected: &str) {
        let error = check_name(name).unwrap_err();
        let fault = Fault::from(&error);
        assert_eq!((fault.status, fault.msg.code), (400, 30808));
        assert_eq!(fault.msg.description, expected);
    }

    #[test]
    fn a_name_has_1_to_512_characters_whatever_their_bytes() {
        for good in ["n", &"x".repeat(512), &"ж".repeat(512)] {
            assert!(check_name(good).is_ok());
        }
        let long = "Invalid snapshot name. Input name exceed the max allowed 512 characters.";
        check_refused(&"ж".repeat(513), long);
        check_refused("", "Invalid snapshot name. The name is empty.");
    }
}
