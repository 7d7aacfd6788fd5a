//! Guests: one offering's logic, in a fresh sandbox for each call.
//!
//! Knows wasmtime and what a call may cost. Knows no NATS, and no record of instances.

pub(crate) mod bindings;
mod call;
mod calls;
mod compile;
mod engine;
mod failure;
mod generation;
mod load;
mod memory;
mod meter;
mod metering_calls;
mod move_calls;
mod plugin;
mod reused;
mod store;
mod watch;

pub(crate) use bindings::tenon::service::types as wit;
pub(crate) use call::{Bounds, CallFacts, Called, Guests, TimeLimit};
pub(crate) use calls::{
    Bind, Describe, Formats, GuestCall, Health, Inventory, Maintain, Provision, Purge, Restore,
    Snapshot, Tasks, Unbind, Unprovision,
};
pub(crate) use compile::Compiler;
pub use compile::compile_command;
pub(crate) use engine::GuestEngine;
pub(crate) use failure::GuestFailure;
pub(crate) use metering_calls::{Enforce, Measure, Writes};
pub(crate) use move_calls::{Adopt, Disable, Enable, Everyone};
pub(crate) use plugin::Plugin;
pub(crate) use reused::Reused;
pub(crate) use store::Grants;
pub(crate) use watch::{Watched, watch};
