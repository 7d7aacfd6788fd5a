//! The same modules, functions and types as the generated ones, over the current [`super::World`].

pub(crate) mod blob;
pub(crate) mod context;
pub(crate) mod files;
pub(crate) mod log;
pub(crate) mod mysql;
pub(crate) mod secrets;
pub(crate) mod state;
