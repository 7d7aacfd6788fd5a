//! The calls that a node makes, one value each, so that an ended one can be repeated.

use std::future::Future;

use wasmtime::Store;
use wasmtime::component::Resource;

use super::everyone::Everyone;
use super::failure::GuestFailure;
use super::generation::Exports;
use super::store::CallState;
use super::wit::{
    Binding, BindingRef, Credential, FoundBinding, HealthReport, InstanceRef, InventoryPage,
    Offering, Usage,
};
use crate::capability::context::Call;

/// Extensions of the contract: key, and a JSON text as the value.
pub(crate) type Attrs = Vec<(String, String)>;

/// Handle to the call, lent to the guest.
pub(crate) type Cx = Resource<Call>;

/// What became of a call that reached the guest.
pub(crate) type Outcome<T> = wasmtime::Result<Result<T, GuestFailure>>;

/// One call of one export.
pub(crate) trait GuestCall: Clone + Send + 'static {
    /// What the guest answers.
    type Output: Send + 'static;
    /// For the log.
    const NAME: &'static str;

    /// Makes the call in a fresh sandbox.
    ///
    /// The outer error is the sandbox's (a trap), the inner one the guest's own.
    fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        cx: Cx,
    ) -> impl Future<Output = Outcome<Self::Output>> + Send;
}

/// A call that hands its fields to one export: its name in the log, its fields, what the guest
/// answers; the interface, the extension without which a component need not export it, the export.
macro_rules! guest_call {
    (
        $(#[$doc:meta])*
        $name:literal: $call:ident { $($field:ident: $kind:ty),* } -> $output:ty,
        $interface:ident $(if $extension:literal)?, $export:ident($($argument:expr),*)
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $call {
            $(pub(crate) $field: $kind,)*
        }

        impl GuestCall for $call {
            type Output = $output;
            const NAME: &'static str = $name;

            async fn run(
                self,
                store: &mut Store<CallState>,
                exports: &Exports<'_>,
                cx: Cx,
            ) -> Outcome<$output> {
                let guest = exports.$interface(store)?;
                $(
                    let Some(guest) = guest else {
                        return Ok(Err(GuestFailure::NotOffered($extension)));
                    };
                )?
                let Self { $($field),* } = self;
                let result = guest.$export(store, cx, $($argument),*).await?;
                Ok(result.map_err(GuestFailure::Refused))
            }
        }
    };
}

/// `lifecycle.describe`.
#[derive(Clone)]
pub(crate) struct Describe;

impl GuestCall for Describe {
    type Output = Offering;
    const NAME: &'static str = "describe";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        _cx: Cx,
    ) -> Outcome<Offering> {
        let guest = exports.lifecycle(store)?;
        Ok(guest.call_describe(store).await?.map_err(GuestFailure::Refused))
    }
}

guest_call! {
    /// `lifecycle.provision`.
    "provision": Provision { instance: InstanceRef, parameters: Attrs, reuse: Option<Credential> } -> Credential,
    lifecycle, call_provision(&instance, &parameters, reuse.as_ref())
}

guest_call! {
    /// `lifecycle.unprovision`.
    "unprovision": Unprovision { instance: InstanceRef, bindings: Vec<Binding> } -> (),
    lifecycle, call_unprovision(&instance, &bindings)
}

guest_call! {
    /// `lifecycle.bind`.
    "bind": Bind { binding: BindingRef, parameters: Attrs, reuse: Option<Credential> } -> Credential,
    lifecycle, call_bind(&binding, &parameters, reuse.as_ref())
}

guest_call! {
    /// `lifecycle.unbind`.
    "unbind": Unbind { binding: Binding } -> (),
    lifecycle, call_unbind(&binding)
}

guest_call! {
    /// `lifecycle.inventory`: one page.
    "inventory": Inventory { page: Option<String> } -> InventoryPage,
    lifecycle, call_inventory(page.as_deref())
}

guest_call! {
    /// `lifecycle.purge`.
    "purge": Purge { instances: Vec<InstanceRef>, bindings: Vec<FoundBinding> } -> u32,
    lifecycle, call_purge(&instances, &bindings)
}

guest_call! {
    /// `lifecycle.health`.
    "health": Health {} -> HealthReport,
    lifecycle, call_health(None)
}

/// `maintenance.tasks`: what the guest wants to be called for; empty when it wants nothing.
#[derive(Clone)]
pub(crate) struct Tasks;

impl GuestCall for Tasks {
    type Output = Vec<(String, u32)>;
    const NAME: &'static str = "tasks";

    async fn run(
        self,
        store: &mut Store<CallState>,
        exports: &Exports<'_>,
        _cx: Cx,
    ) -> Outcome<Self::Output> {
        let Some(guest) = exports.maintenance(store)? else {
            return Ok(Ok(Vec::new()));
        };
        let tasks = guest.call_tasks(store).await?;
        Ok(Ok(tasks.into_iter().map(|task| (task.name, task.every_seconds)).collect()))
    }
}

guest_call! {
    /// `maintenance.run`.
    "maintain": Maintain { task: String } -> (),
    maintenance if "maintenance", call_run(&task)
}

guest_call! {
    /// `metering.measure`.
    "measure": Measure { instance: InstanceRef } -> Usage,
    metering if "metering", call_measure(&instance)
}

/// Whether an instance takes new data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    Allowed,
    Blocked,
}

guest_call! {
    /// `metering.enforce`.
    "enforce": Enforce { everyone: Everyone, writes: Writes } -> (),
    metering if "metering", call_enforce(
        &everyone.instance, &everyone.owner, &everyone.bindings, writes == Writes::Blocked
    )
}

guest_call! {
    /// `suspension.disable`.
    "disable": Disable { everyone: Everyone } -> (),
    suspension if "suspension", call_disable(&everyone.instance, &everyone.owner, &everyone.bindings)
}

guest_call! {
    /// `suspension.enable`.
    "enable": Enable { everyone: Everyone } -> (),
    suspension if "suspension", call_enable(&everyone.instance, &everyone.owner, &everyone.bindings)
}

guest_call! {
    /// `migration.adopt`: the owner's credential and the bindings, as they are on this node.
    "adopt": Adopt { everyone: Everyone } -> (Credential, Vec<Binding>),
    migration if "migration", call_adopt(&everyone.instance, &everyone.owner, &everyone.bindings)
}
