//! Get a serialized URL: a link to the package of a snapshot, signed anew each time.

use std::sync::Arc;

use tenon_protocol::download::Download;
use tenon_protocol::message::SerializedUrl;

use super::order_job::{no_snapshot, snapshot_id};
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// A link to the package of snapshot `snapshot` of instance `id`.
///
/// # Errors
///
/// [`OperationError`].
pub(crate) async fn get_serialized_url(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    snapshot: &str,
) -> Result<SerializedUrl, OperationError> {
    let instance = ops.extended_instance(offering, id, Extension::Serialization).await?;
    let number = snapshot_id(snapshot)?;
    let found = ops.jobs.snapshot(&offering.service, &instance.id, &number).await?;
    let found = found.ok_or_else(|| no_snapshot(snapshot))?.record;
    let packages = ops.packages()?;
    if found.package.is_none() {
        let id = &instance.id;
        let what = format!("Download url for service_id={id}, snapshot={number}");
        return Err(OperationError::NotFound(what));
    }
    let download = Download { service: found.service, instance: found.instance, snapshot: number };
    Ok(SerializedUrl { url: packages.link(&download) })
}
