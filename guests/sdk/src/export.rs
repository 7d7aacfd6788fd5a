//! From a type that implements the traits to the functions that a node calls.

#[cfg(target_arch = "wasm32")]
mod adapter;
#[cfg(target_arch = "wasm32")]
mod panic;

#[cfg(target_arch = "wasm32")]
pub use adapter::Adapter;

/// Makes a component of the crate: `export!(Vault: Service + Snapshots)`.
///
/// The type is one that implements the named traits, [`Service`](crate::Service) first. Exactly
/// these interfaces are exported, and exactly those capabilities imported that the code uses. A
/// panic ends the call after its message and place went to the log, at level error.
///
/// Natively, where tests run, the macro checks the same and exports nothing.
#[macro_export]
macro_rules! export {
    ($service:ident: Service $(+ $interface:ident)*) => {
        const _: () = {
            $crate::__export_interface!(Service, $service);
            $($crate::__export_interface!($interface, $service);)*
        };
    };
}

/// One interface of [`export!`].
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_interface {
    (Service, $service:ident) => { $crate::__export_interface!(@ lifecycle export_lifecycle $service); };
    (Snapshots, $service:ident) => { $crate::__export_interface!(@ snapshots export_snapshots $service); };
    (Suspension, $service:ident) => { $crate::__export_interface!(@ suspension export_suspension $service); };
    (Metering, $service:ident) => { $crate::__export_interface!(@ metering export_metering $service); };
    (Migration, $service:ident) => { $crate::__export_interface!(@ migration export_migration $service); };
    (Maintenance, $service:ident) => { $crate::__export_interface!(@ maintenance export_maintenance $service); };
    (@ $world:ident $export:ident $service:ident) => {
        const _: () = {
            type Adapter = $crate::__private::Adapter<$service>;
            $crate::__private::bindings::$world::$export!(
                Adapter with_types_in $crate::__private::bindings::$world
            );
        };
    };
}

/// One interface of [`export!`], where there is no node to call it.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_interface {
    ($interface:ident, $service:ident) => {
        const _: () = {
            const fn implements<T: $crate::$interface>() {}
            implements::<$service>();
        };
    };
}
