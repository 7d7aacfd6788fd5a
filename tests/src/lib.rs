//! The harness: starts the real platform in a directory of its own, and speaks to it as a
//! platform, a user and an operator would. Knows no host's inside.

mod classic;
mod component;
mod control;
pub mod demo;
mod error;
mod http;
mod mysql;
mod operator;
mod options;
mod pause;
mod platform;
mod plugins;
mod processes;
mod programs;
mod records;
mod wait;

pub use classic::{Classic, Ordered, Refusal};
pub use component::with_custom_section;
pub use control::{Availability, Control};
pub use error::HarnessError;
pub use mysql::{Login, Server};
pub use operator::Operator;
pub use options::Options;
pub use platform::Platform;
pub use plugins::{PluginState, plugin_states};
pub use records::Records;
pub use wait::wait_until;
