//! Lines in the node's log, marked there with plugin, operation and instance.
//!
//! The node cuts a message at 8 KiB, and drops what exceeds 64 KiB a call. Never log a secret.

use std::fmt::Display;

use crate::host::log;

// The contract's word, under the module that a reader looks for it in.
pub use crate::bindings::imports::tenon::host::log::Level;

/// One line at any level, with named values to search by.
pub fn emit(level: Level, message: impl Display, fields: &[(&str, &str)]) {
    let fields: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    log::emit(level, &message.to_string(), &fields);
}

/// What only somebody who debugs the service wants to read.
pub fn debug(message: impl Display) {
    emit(Level::Debug, message, &[]);
}

/// What an operator would ask for.
pub fn info(message: impl Display) {
    emit(Level::Info, message, &[]);
}

/// What is not as it should be, and was coped with.
pub fn warn(message: impl Display) {
    emit(Level::Warn, message, &[]);
}

/// What somebody has to look at.
pub fn error(message: impl Display) {
    emit(Level::Error, message, &[]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::World;

    #[test]
    fn a_line_has_level_message_and_fields() {
        let world = World::new();
        warn(format_args!("{} left", 3));
        emit(Level::Info, "done", &[("rows", "7")]);
        assert_eq!(world.logged(), ["warn 3 left", "info done rows=7"]);
    }
}
