//! A node of Tenon: runs the logic of services in sandboxes, and owns what exists.
//!
//! `docs/` has the guides; ARCHITECTURE.md walks one provision through these files.

mod backups;
mod bus;
mod capability;
mod complaints;
mod component;
pub mod config;
mod crash;
mod credentials;
mod disabled;
mod dispatch;
mod durable;
mod duties;
mod exports;
mod fetch;
mod guest;
mod health;
mod identity;
mod jobs;
mod ledger;
mod locks;
mod maintenance;
pub mod measure;
mod node;
mod offering;
mod operations;
mod package;
mod quarantine;
mod quota;
mod rounds;
mod snapshots;
mod steps;
mod store_guard;

pub use bus::BusError;
pub use crash::POINTS as CRASH_POINTS;
pub use guest::compile_command;
pub use ledger::LedgerError;
pub use node::{Backups, BuildError, Environment, Node};
