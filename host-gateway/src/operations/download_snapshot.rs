//! Download: the package of a snapshot, for whoever has a link to it.

use std::sync::Arc;

use tenon_protocol::download::Download;
use tenon_protocol::{InstanceId, ServiceName, SnapshotId};

use super::{OperationError, Operations, shown};
use crate::packages::OpenPackage;

/// The package that `names` (service, instance, snapshot) and `token` lead to.
///
/// # Errors
///
/// [`OperationError::Forbidden`] before anything is looked up; [`OperationError::Crowded`] when too
/// many are on their way.
pub(crate) async fn download_snapshot(
    ops: &Arc<Operations>,
    (service, instance, snapshot): (&str, &str, &str),
    token: &str,
) -> Result<OpenPackage, OperationError> {
    let packages = ops.packages()?;
    let names = (ServiceName::new(service), InstanceId::new(instance), SnapshotId::new(snapshot));
    let (Ok(service), Ok(instance), Ok(snapshot)) = names else {
        return Err(OperationError::Forbidden);
    };
    let download = Download { service, instance, snapshot };
    if !packages.links.allows(token, &download) {
        return Err(OperationError::Forbidden);
    }
    let Download { service, instance, snapshot } = &download;
    let missing = || OperationError::NotFound(format!("snapshot {}", shown(snapshot.as_str())));
    let found = ops.jobs.snapshot(service, instance, snapshot).await?.ok_or_else(missing)?;
    let package = found.record.package.ok_or_else(missing)?;
    packages.open(&download, package).await?.ok_or_else(missing)
}
