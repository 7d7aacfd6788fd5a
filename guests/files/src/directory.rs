//! From an instance to its directory, which is named like it.

use tenon_guest::files::{Failure, Root};
use tenon_guest::{Call, Error, HealthReport, Instance, Result};

/// The instance's directory, made if it is not there.
pub(crate) fn create(cx: &Call<'_>, instance: &Instance) -> Result<Root> {
    let quota = quota_bytes(cx, instance)?;
    cx.files().create(&instance.id, quota).map_err(|failure| {
        let cause = Error::from(failure);
        Error::new(cause.kind(), 31900, format!("Could not create instance directory: {cause}"))
    })
}

/// The instance's directory, which has to be there: an empty one in its place would hide a loss.
pub(crate) fn open(cx: &Call<'_>, instance: &Instance) -> Result<Root> {
    let quota = quota_bytes(cx, instance)?;
    match cx.files().open(&instance.id, quota) {
        Ok(root) => Ok(root),
        Err(Failure::NotFound) => {
            let text = format!("Could not find instance: {}", instance.id);
            Err(Error::not_found(31904, text))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Whether the directory is there.
pub(crate) fn health(cx: &Call<'_>, instance: &Instance) -> Result<HealthReport> {
    match cx.files().open(&instance.id, None) {
        Ok(_) => Ok(HealthReport::ok()),
        Err(Failure::NotFound) => {
            Ok(HealthReport::failed(format!("directory {} is gone", instance.id)))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Setting `quota_bytes.<plan>`, or else `quota_bytes`: how large a directory may become. `None`,
/// when neither is set, is as large as the disk.
pub(crate) fn quota_bytes(cx: &Call<'_>, instance: &Instance) -> Result<Option<u64>> {
    let of_plan = format!("quota_bytes.{}", instance.plan);
    let Some(text) = cx.setting(&of_plan).or_else(|| cx.setting("quota_bytes")) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|cause| Error::internal(0, format!("setting quota_bytes is {text:?}: {cause}")))
}
