//! How much is in a directory. The node bounds what it writes itself; applications write past it,
//! and cannot be kept from that here. So an operator is told, and nothing is taken away.

use tenon_guest::{Binding, Call, Credential, Instance, Metering, Result, Usage, Writes};

use crate::{Files, directory};

impl Metering for Files {
    fn measure(cx: &Call<'_>, instance: &Instance) -> Result<Usage> {
        let bytes_used = directory::open(cx, instance)?.used_bytes()?;
        let limit = directory::quota_bytes(cx, instance)?;
        Ok(Usage {
            bytes_used,
            bytes_limit: limit.unwrap_or(0),
            connections: 0,
            over_quota: limit.is_some_and(|limit| bytes_used >= limit),
        })
    }

    fn enforce(
        _cx: &Call<'_>,
        _instance: &Instance,
        _owner: &Credential,
        _bindings: &[Binding],
        _writes: Writes,
    ) -> Result<()> {
        Ok(())
    }
}
