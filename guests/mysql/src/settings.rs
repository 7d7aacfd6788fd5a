//! What the operator says about this service.

use std::fmt::Display;
use std::str::FromStr;

use tenon_guest::mysql::Remedy;
use tenon_guest::{Call, Error, Result};

/// `max_connections`: how many connections an account may have at once; 0, also when it is not
/// set, is unlimited.
pub(crate) fn max_connections(cx: &Call<'_>) -> Result<u32> {
    Ok(number(cx, "max_connections")?.unwrap_or(0))
}

/// `max_db_size_mb`: how large a database may become, in bytes; `None` when it is not set, or 0.
pub(crate) fn max_size(cx: &Call<'_>) -> Result<Option<u64>> {
    let megabytes: Option<u64> = number(cx, "max_db_size_mb")?;
    Ok(megabytes.filter(|size| *size > 0).map(|size| size.saturating_mul(1 << 20)))
}

/// `max_long_query_seconds`: how long a statement may run; `None` when it is not set, or 0.
pub(crate) fn max_long_query(cx: &Call<'_>) -> Result<Option<u32>> {
    Ok(number(cx, "max_long_query_seconds")?.filter(|seconds| *seconds > 0))
}

/// `max_long_tx_seconds`: how long a transaction may be open; `None` when it is not set, or 0.
pub(crate) fn max_long_transaction(cx: &Call<'_>) -> Result<Option<u32>> {
    Ok(number(cx, "max_long_tx_seconds")?.filter(|seconds| *seconds > 0))
}

/// `kill_long_tx`: whether such a transaction is ended, or only told of, as when it is not set.
pub(crate) fn long_transaction_remedy(cx: &Call<'_>) -> Result<Remedy> {
    match cx.setting("kill_long_tx").as_deref() {
        Some("true") => Ok(Remedy::End),
        Some("false") | None => Ok(Remedy::Tell),
        Some(text) => Err(Error::internal(0, format!("setting kill_long_tx is {text:?}"))),
    }
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

fn number<T: FromStr<Err: Display>>(cx: &Call<'_>, key: &str) -> Result<Option<T>> {
    let parse = |text: String| {
        let wrong = |cause| Error::internal(0, format!("setting {key} is {text:?}: {cause}"));
        text.parse().map_err(wrong)
    };
    cx.setting(key).map(parse).transpose()
}
