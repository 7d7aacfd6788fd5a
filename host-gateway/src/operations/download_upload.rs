//! Download of what was uploaded, for whoever has the link.

use std::sync::Arc;

use tenon_protocol::upload::{Recipient, UploadId};
use tenon_protocol::{InstanceId, ServiceName};

use super::{OperationError, Operations};
use crate::packages::OpenPackage;
use crate::uploads::Uploads;

/// The upload that `names` (service, instance) and `token` lead to.
///
/// # Errors
///
/// [`OperationError::Forbidden`] before anything is looked up; [`OperationError::Crowded`] when too
/// many downloads are on their way.
pub(crate) async fn download_upload(
    ops: &Operations,
    names: (&str, &str),
    token: &str,
) -> Result<OpenPackage, OperationError> {
    let (uploads, id) = upload(ops, names, token)?;
    let slot = ops.packages()?.slot()?;
    let (file, size) = uploads
        .open_file(&id)
        .await?
        .ok_or_else(|| OperationError::NotFound(format!("upload {id}")))?;
    let tag = id.as_str().to_owned();
    Ok(OpenPackage { file, size, tag, file_name: id.file_name(), slot })
}

/// The upload that a link leads to, whether it is there or not.
///
/// # Errors
///
/// [`OperationError::Forbidden`] when it leads to none, or not any more.
pub(super) fn upload<'a>(
    ops: &'a Operations,
    (service, instance): (&str, &str),
    token: &str,
) -> Result<(&'a Arc<Uploads>, UploadId), OperationError> {
    let uploads = ops.uploads()?;
    let (Ok(service), Ok(instance)) = (ServiceName::new(service), InstanceId::new(instance)) else {
        return Err(OperationError::Forbidden);
    };
    let id = ops.packages()?.links.upload(token, &Recipient { service, instance });
    Ok((uploads, id.ok_or(OperationError::Forbidden)?))
}
