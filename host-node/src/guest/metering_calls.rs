//! The calls of `metering`.

use wasmtime::Store;

use super::calls::{Cx, GuestCall, Outcome};
use super::failure::GuestFailure;
use super::generation::Exports;
use super::move_calls::Everyone;
use super::store::CallState;
use super::wit::{InstanceRef, Usage};

/// `metering.measure`.
#[derive(Clone)]
pub(crate) struct Measure {
    pub(crate) instance: InstanceRef,
}

impl GuestCall for Measure {
    type Output = Usage;
    const NAME: &'static str = "measure";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> Outcome<Usage> {
        let Some(guest) = exports.metering(store)? else {
            return Ok(Err(GuestFailure::NotOffered("metering")));
        };
        let result = guest.call_measure(store, cx, &self.instance).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// Whether an instance takes new data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    Allowed,
    Blocked,
}

/// `metering.enforce`.
#[derive(Clone)]
pub(crate) struct Enforce {
    pub(crate) everyone: Everyone,
    pub(crate) writes: Writes,
}

impl GuestCall for Enforce {
    type Output = ();
    const NAME: &'static str = "enforce";

    async fn run(self, store: &mut Store<CallState>, exports: &Exports<'_>, cx: Cx) -> Outcome<()> {
        let Some(guest) = exports.metering(store)? else {
            return Ok(Err(GuestFailure::NotOffered("metering")));
        };
        let Everyone { instance, owner, bindings } = &self.everyone;
        let block = self.writes == Writes::Blocked;
        let result = guest.call_enforce(store, cx, instance, owner, bindings, block).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}
