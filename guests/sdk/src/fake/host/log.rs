//! The log, kept for the test to read.

use crate::fake::World;
use crate::log::Level;

/// Outside of a world nobody reads it.
pub(crate) fn emit(level: Level, message: &str, fields: &[(String, String)]) {
    let Some(world) = World::current() else {
        return;
    };
    let level = match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let fields: String = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    world.log.borrow_mut().push(format!("{level} {message}{fields}"));
}
