//! Import from a URL: the instance's node fetches a package, and it becomes a new snapshot.

use std::sync::Arc;

use tenon_protocol::clock::Millis;
use tenon_protocol::job::JobView;
use tenon_protocol::record::JobKind;
use tenon_protocol::{Secret, SnapshotId};

use super::order_job::{order_job, ordered_before, quota};
use super::{OperationError, Operations};
use crate::config::{Extension, OfferingConfig};

/// Longest URL that is taken.
const MAX_URL: usize = 2_048;

/// Orders that the package behind `url` becomes a snapshot of instance `id`. Nothing is rolled back.
///
/// # Errors
///
/// [`OperationError`], [`OperationError::Busy`] while another job works on the instance.
pub(crate) async fn import_from_url(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
    id: &str,
    url: Secret,
    request_id: Option<&str>,
) -> Result<JobView, OperationError> {
    ops.check_up()?;
    // The node looks closer, at the address too.
    if !is_http(url.reveal()) {
        return Err(OperationError::Malformed);
    }
    let instance = ops.extended_instance(offering, id, Extension::Serialization).await?;
    // A link of our own leads to the store: the node takes the package from there.
    let linked = match &ops.packages {
        Some(packages) => packages.links.behind(url.reveal(), Millis::now()),
        None => Ok(None),
    };
    let snapshot: SnapshotId = ops.jobs.new_snapshot_id().await?;
    let quota = quota(offering, &instance);
    let order =
        |linked| JobKind::ImportFromUrl { snapshot, url: Some(url), linked, name: None, quota };
    let job = match linked {
        Ok(linked) => order_job(ops, &instance, order(linked), request_id).await?,
        // It was good, perhaps, when this request was made first.
        Err(closed) => {
            tracing::debug!(%closed, "nothing is imported");
            let before = (&order(None), request_id);
            ordered_before(ops, &instance, before, OperationError::Forbidden).await?
        }
    };
    Ok(job.view())
}

/// The original's pattern was not anchored: a file's URL that held another one passed (P33).
fn is_http(url: &str) -> bool {
    let fits = url.len() <= MAX_URL && url.bytes().all(|byte| byte.is_ascii_graphic());
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    fits && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p33_a_url_is_one_of_http_from_its_first_character() {
        for good in ["http://a", "https://a.example:8443/x?token=1"] {
            assert!(is_http(good), "{good}");
        }
        for bad in [
            "",
            "ftp://x",
            "http://",
            "http:///etc/passwd",
            "file:///etc/passwd?http://a",
            " http://a",
            "http://a\nfile:///etc/passwd",
            "HTTP://a",
            "gopher://a/http://a",
        ] {
            assert!(!is_http(bad), "{bad:?}");
        }
        assert!(!is_http(&format!("http://{}", "a".repeat(MAX_URL))));
    }
}
