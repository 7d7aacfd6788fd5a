//! The calls of a move from one node to another: `suspension` and `migration`.

use wasmtime::Store;

use super::calls::{Cx, GuestCall, Outcome};
use super::failure::GuestFailure;
use super::generation::Exports;
use super::store::CallState;
use super::wit::{Binding, Credential, InstanceRef};

/// An instance with all who have access to it.
#[derive(Clone)]
pub(crate) struct Everyone {
    pub(crate) instance: InstanceRef,
    pub(crate) owner: Credential,
    pub(crate) bindings: Vec<Binding>,
}

/// `suspension.disable`.
#[derive(Clone)]
pub(crate) struct Disable(pub(crate) Everyone);

impl GuestCall for Disable {
    type Output = ();
    const NAME: &'static str = "disable";

    async fn run(self, store: &mut Store<CallState>, exports: &Exports<'_>, cx: Cx) -> Outcome<()> {
        let Some(guest) = exports.suspension(store)? else {
            return Ok(Err(GuestFailure::NotOffered("suspension")));
        };
        let Everyone { instance, owner, bindings } = &self.0;
        let result = guest.call_disable(store, cx, instance, owner, bindings).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `suspension.enable`.
#[derive(Clone)]
pub(crate) struct Enable(pub(crate) Everyone);

impl GuestCall for Enable {
    type Output = ();
    const NAME: &'static str = "enable";

    async fn run(self, store: &mut Store<CallState>, exports: &Exports<'_>, cx: Cx) -> Outcome<()> {
        let Some(guest) = exports.suspension(store)? else {
            return Ok(Err(GuestFailure::NotOffered("suspension")));
        };
        let Everyone { instance, owner, bindings } = &self.0;
        let result = guest.call_enable(store, cx, instance, owner, bindings).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}

/// `migration.adopt`.
#[derive(Clone)]
pub(crate) struct Adopt(pub(crate) Everyone);

impl GuestCall for Adopt {
    /// The owner's credential and the bindings, as they are on this node.
    type Output = (Credential, Vec<Binding>);
    const NAME: &'static str = "adopt";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> Outcome<Self::Output> {
        let Some(guest) = exports.migration(store)? else {
            return Ok(Err(GuestFailure::NotOffered("migration")));
        };
        let Everyone { instance, owner, bindings } = &self.0;
        let result = guest.call_adopt(store, cx, instance, owner, bindings).await?;
        Ok(result.map_err(GuestFailure::Refused))
    }
}
