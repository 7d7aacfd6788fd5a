//! How large a database is, and what its accounts may still do when it is too large.

use tenon_guest::{Binding, Call, Credential, Instance, Metering, Result, Usage, Writes, log};

use crate::{MySql, instance, settings};

impl Metering for MySql {
    /// Sessions are not counted: the server would be asked for all of them, for each database.
    fn measure(cx: &Call<'_>, instance: &Instance) -> Result<Usage> {
        let bytes_used = instance::open(cx, instance)?.size_bytes()?;
        let limit = settings::max_size(cx)?;
        Ok(Usage {
            bytes_used,
            bytes_limit: limit.unwrap_or(0),
            connections: 0,
            over_quota: limit.is_some_and(|limit| bytes_used >= limit),
        })
    }

    /// The node knows every account of a database, and which of them only read.
    fn enforce(
        cx: &Call<'_>,
        instance: &Instance,
        _owner: &Credential,
        _bindings: &[Binding],
        writes: Writes,
    ) -> Result<()> {
        let accounts = instance::open(cx, instance)?.limit_writes(writes)?;
        if accounts > 0 {
            let verb = match writes {
                Writes::Blocked => "cannot write any more",
                Writes::Allowed => "can write again",
            };
            log::info(format_args!("{accounts} accounts of {} {verb}", instance.id));
        }
        Ok(())
    }
}
