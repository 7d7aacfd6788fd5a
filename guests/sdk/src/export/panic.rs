//! Tells the node's log why a call ended, before the sandbox is thrown away.
//!
//! There is no standard error in a sandbox: without this, a panic is a bare `unreachable`.

use std::panic;

use crate::log::{self, Level};

/// Called first in every export; memory is fresh in every call.
pub(super) fn report_panics() {
    panic::set_hook(Box::new(|info| {
        // The text of `info` is "panicked at <file>:<line>:<column>:\n<message>".
        log::emit(Level::Error, info, &[]);
    }));
}
