//! Show a job of an instance. Jobs of other instances are not there for it (P31).

use std::sync::Arc;

use tenon_protocol::JobId;
use tenon_protocol::job::JobView;

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
    own.map(|record| record.view()).ok_or_else(missing)
}
