//! Removal of what was uploaded, before its time.

use super::download_upload::upload;
use super::{OperationError, Operations};

/// Removes the upload that `names` (service, instance) and `link_token` lead to.
///
/// # Errors
///
/// [`OperationError::Forbidden`] without the token of uploads, or a link.
pub(crate) async fn delete_upload(
    ops: &Operations,
    names: (&str, &str),
    link_token: &str,
    upload_token: &str,
) -> Result<(), OperationError> {
    if !ops.uploads()?.admits(upload_token) {
        return Err(OperationError::Forbidden);
    }
    let (uploads, id) = upload(ops, names, link_token)?;
    uploads.remove(&id).await
}
