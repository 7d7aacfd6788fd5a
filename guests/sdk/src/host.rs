//! The far side of the capabilities: the node when compiled to WebAssembly, fakes everywhere else.
//!
//! Both have the same modules, functions and types, so that no other file of the SDK asks which.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::imports::tenon::host::{
    blob, context, files, log, mysql, secrets, state,
};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::fake::host::{blob, context, files, log, mysql, secrets, state};
