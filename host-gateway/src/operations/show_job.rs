//! Show a job of an instance. Jobs of other instances are not there for it (P31).

use std::sync::Arc;

use serde_json::{Value, json};
use tenon_protocol::JobId;
use tenon_protocol::download::Download;
use tenon_protocol::job::{JobStatus, JobView};
use tenon_protocol::record::{JobKind, JobRecord};

use super::{OperationError, Operations, shown};
use crate::config::{Extension, OfferingConfig};

/// How far job `job` of instance `id` is.
///
/// # Errors
///
/// [`OperationError`].
pub(crate) async fn show_job(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    job: &str,
) -> Result<JobView, OperationError> {
    let instance = ops.extended_instance(offering, id, Extension::Job).await?;
    let missing = || OperationError::NotFound(shown(job));
    let job = JobId::new(job).map_err(|_not_an_id| missing())?;
    let found = ops.jobs.find(&offering.service, &job).await?;
    let own = found.filter(|record| record.instance == instance.id);
    let own = own.ok_or_else(missing)?;
    let mut view = own.view();
    if let Some(link) = link_of(ops, own)? {
        view.result = Some(link);
    }
    Ok(view)
}

/// The result of a job that made a package: a link, signed anew each time. It is in no record.
fn link_of(ops: &Operations, job: JobRecord) -> Result<Option<Value>, OperationError> {
    let made = job.status == JobStatus::Completed;
    match job.kind {
        JobKind::CreateSerializedUrl { snapshot, .. } if made => {
            let download = Download { service: job.service, instance: job.instance, snapshot };
            let url = ops.packages()?.link(&download);
            Ok(Some(json!({ "url": url.reveal() })))
        }
        JobKind::CreateSnapshot { .. }
        | JobKind::RollbackSnapshot { .. }
        | JobKind::DeleteSnapshot { .. }
        | JobKind::CreateSerializedUrl { .. }
        | JobKind::ImportFromUrl { .. }
        | JobKind::ForgetSnapshots => Ok(None),
    }
}
