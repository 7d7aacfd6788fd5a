//! The gateway: takes the platform's requests, remembers them, and has nodes carry them out.
//!
//! `docs/reference/config.md` says how it is configured, `ARCHITECTURE.md` how it is built.

mod admin;
mod adoptions;
mod bus;
mod cloud_controller;
mod component;
pub mod config;
pub mod crash;
pub mod gateway;
mod http;
mod jitter;
mod links;
mod metrics;
mod nats;
mod nodes;
mod operations;
mod orphans;
mod packages;
mod patience;
mod placement;
mod questions;
mod sender;
mod siblings;
mod state;
mod uploads;

pub use config::Config;
pub use gateway::Gateway;
