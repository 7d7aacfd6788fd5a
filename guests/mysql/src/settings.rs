//! What the operator says about this service.

use tenon_guest::{Call, Error, Result};

/// `max_connections`: how many connections an account may have at once; 0, also when it is not
/// set, is unlimited.
pub(crate) fn max_connections(cx: &Call<'_>) -> Result<u32> {
    let Some(text) = cx.setting("max_connections") else {
        return Ok(0);
    };
    text.parse().map_err(|cause| {
        Error::internal(0, format!("setting max_connections is {text:?}: {cause}"))
    })
}

/// `versions`: the servers of this node, separated by commas, for example `10.11,8.4`.
pub(crate) fn versions(cx: &Call<'_>) -> Result<Vec<String>> {
    let text = cx.setting("versions").unwrap_or_default();
    let versions: Vec<String> =
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
    if versions.is_empty() {
        return Err(Error::internal(0, "setting versions names no server"));
    }
    Ok(versions)
}
