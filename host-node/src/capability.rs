//! What a node lends to guests, one file for each interface of `wit/deps/host`.
//!
//! Each has the same parts: context (what this guest may do), the generated trait implemented on
//! a view, linking, and the client of the outside system. A refusal is a value; a trap is a bug.

pub(crate) mod blob;
pub(crate) mod context;
pub(crate) mod files;
pub(crate) mod log;
pub(crate) mod mysql;
pub(crate) mod secrets;
pub(crate) mod state;
