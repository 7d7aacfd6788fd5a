//! Upload: a package that the platform hands over for a user, to be imported from a link.

use std::sync::Arc;

use tenon_protocol::upload::Recipient;
use tenon_protocol::{InstanceId, Secret, ServiceName};

use super::{OperationError, Operations, bare};
use crate::config::Extension;
use crate::uploads::{Part, Uploads};

/// An upload on its way.
pub(crate) struct Begun {
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) part: Part,
    recipient: Recipient,
}

/// Makes room for a package for `instance` of `service`, which is a label or a service name.
///
/// # Errors
///
/// [`OperationError::Forbidden`] before anything is looked up; [`OperationError::Crowded`] when
/// there are as many as may be.
pub(crate) async fn begin_upload(
    ops: &Operations,
    (service, instance): (&str, &str),
    token: &str,
) -> Result<Begun, OperationError> {
    let uploads = ops.uploads()?;
    if !uploads.admits(token) {
        return Err(OperationError::Forbidden);
    }
    ops.check_up()?;
    let missing = || OperationError::NotFound(bare(instance));
    let recipient = Recipient {
        service: ServiceName::new(service).map_err(|_no_name| missing())?,
        instance: InstanceId::new(instance).map_err(|_no_id| missing())?,
    };
    let mut found = Err(missing());
    for offering in &ops.offerings {
        if offering.label != service && offering.service.as_str() != service {
            continue;
        }
        found = ops.extended_instance(offering, instance, Extension::Serialization).await;
        // Versions of a label are offerings of their own.
        if !matches!(found, Err(OperationError::NotFound(_))) {
            break;
        }
    }
    found?;
    let part = uploads.begin().await?;
    Ok(Begun { uploads: Arc::clone(uploads), part, recipient })
}

/// Ends an upload that is whole: a link to it.
///
/// # Errors
///
/// [`OperationError`]; nothing is left then.
pub(crate) async fn finish_upload(
    ops: &Operations,
    mut begun: Begun,
) -> Result<Secret, OperationError> {
    let id = begun.uploads.name();
    let size = begun.part.keep(&id).await?;
    let Recipient { service, instance } = &begun.recipient;
    tracing::info!(%service, %instance, size, upload = %id, "a package is uploaded");
    Ok(ops.packages()?.links.to_upload(&begun.recipient, &id))
}
