//! One call.

use crate::fake::world;

pub(crate) struct Call {
    operation_id: String,
}

impl Call {
    pub(crate) fn new(operation_id: String) -> Self {
        Self { operation_id }
    }

    pub(crate) fn operation_id(&self) -> String {
        self.operation_id.clone()
    }

    /// Time stands still.
    pub(crate) fn remaining_ms(&self) -> u64 {
        30_000
    }

    pub(crate) fn traceparent(&self) -> String {
        String::new()
    }

    pub(crate) fn progress(&self, percent: u8, note: &str) {
        world().progress.borrow_mut().push(format!("{percent}% {note}"));
    }

    pub(crate) fn setting(&self, key: &str) -> Option<String> {
        world().settings.borrow().get(key).cloned()
    }
}
