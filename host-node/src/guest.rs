//! Guests: one offering's logic, in a fresh sandbox for each call.
//!
//! Knows wasmtime and what a call may cost. Knows no NATS, and no record of instances.

pub(crate) mod bindings;
mod call;
mod calls;
mod compile;
mod engine;
mod everyone;
mod failure;
mod generation;
mod load;
mod memory;
mod meter;
mod plugin;
mod reused;
mod snapshot_calls;
mod store;
mod watch;

pub(crate) use bindings::tenon::service::types as wit;
pub(crate) use call::{Bounds, CallFacts, Called, Guests, TimeLimit};
pub(crate) use calls::{
    Adopt, Bind, Describe, Disable, Enable, Enforce, GuestCall, Health, Inventory, Maintain,
    Measure, Provision, Purge, Tasks, Unbind, Unprovision, Writes,
};
pub(crate) use compile::Compiler;
pub use compile::compile_command;
pub(crate) use engine::GuestEngine;
pub(crate) use everyone::Everyone;
pub(crate) use failure::GuestFailure;
pub(crate) use plugin::Plugin;
pub(crate) use reused::Reused;
pub(crate) use snapshot_calls::{Formats, Restore, Snapshot};
pub(crate) use store::Grants;
pub(crate) use watch::{Watched, watch};
