//! `tenon:host/log`: a guest's lines in the node's log, bounded. Always linked.

use wasmtime::component::{HasData, Linker};

use super::context::CallContext;
use crate::guest::bindings::tenon::host::log::{Host, Level, add_to_linker as link};

/// Longest message; the rest is cut.
const MAX_MESSAGE: usize = 8 << 10;

/// Most bytes of one call; lines beyond are dropped and counted.
const MAX_CALL: usize = 64 << 10;

/// Fields shown of one line.
const MAX_FIELDS: usize = 16;

/// What one call has logged.
pub(crate) struct LogContext {
    plugin: String,
    operation: &'static str,
    subject: String,
    left: usize,
    dropped: u64,
}

impl LogContext {
    pub(crate) fn new(plugin: &str, call: &CallContext) -> Self {
        let subject = call.subject.clone();
        let plugin = plugin.to_owned();
        Self { plugin, operation: call.name, subject, left: MAX_CALL, dropped: 0 }
    }

    fn line(&mut self, level: Level, message: &str, fields: &[(String, String)]) {
        // A flood takes the time of the host: none of it is spent on a line that nobody sees.
        if self.left == 0 {
            self.dropped += 1;
            return;
        }
        if self.left == 0 {
            // Not even looked at: a flood costs the guest its own time, and not the host's.
            self.dropped += 1;
            return;
        }
        let mut text = printable(message);
        for (key, value) in fields.iter().take(MAX_FIELDS) {
            text = format!("{text} {}={:?}", printable(key), printable(value));
        }
        text.truncate(floor(&text, MAX_MESSAGE));
        if text.len() > self.left {
            self.left = 0;
            self.dropped += 1;
            return;
        }
        self.left -= text.len();
        let Self { plugin, operation, subject, .. } = self;
        match level {
            Level::Trace => tracing::trace!(target: "guest", plugin, operation, subject, "{text}"),
            Level::Debug => tracing::debug!(target: "guest", plugin, operation, subject, "{text}"),
            Level::Info => tracing::info!(target: "guest", plugin, operation, subject, "{text}"),
            Level::Warn => tracing::warn!(target: "guest", plugin, operation, subject, "{text}"),
            Level::Error => tracing::error!(target: "guest", plugin, operation, subject, "{text}"),
        }
    }
}

impl Drop for LogContext {
    fn drop(&mut self) {
        if self.dropped > 0 {
            let Self { plugin, operation, subject, dropped, .. } = self;
            tracing::warn!(target: "guest", plugin, operation, subject, dropped, "log lines dropped");
        }
    }
}

/// The text without control characters: a guest cannot forge a second line.
fn printable(text: &str) -> String {
    let cut = text.get(..floor(text, MAX_MESSAGE)).unwrap_or_default();
    cut.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The largest end of at most `max` bytes that does not split a character.
fn floor(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0)
}

/// What the interface sees of a store.
pub(crate) struct LogView<'a>(pub(crate) &'a mut LogContext);

impl Host for LogView<'_> {
    async fn emit(
        &mut self,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.0.line(level, &message, &fields);
        Ok(())
    }
}

/// Marks the view for the linker.
pub(crate) struct HasLog;

impl HasData for HasLog {
    type Data<'a> = LogView<'a>;
}

/// Links the interface.
///
/// # Errors
///
/// wasmtime's error when it is linked already.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: for<'a> fn(&'a mut T) -> LogView<'a>,
) -> wasmtime::Result<()> {
    link::<T, HasLog>(linker, view)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> LogContext {
        LogContext {
            plugin: "p".to_owned(),
            operation: "bind",
            subject: "d1".to_owned(),
            left: MAX_CALL,
            dropped: 0,
        }
    }

    #[test]
    fn a_flood_is_dropped_and_counted() {
        let mut log = context();
        for _ in 0..100 {
            log.line(Level::Debug, &"x".repeat(20_000), &[]);
        }
        assert_eq!(log.dropped, 100 - (MAX_CALL / MAX_MESSAGE) as u64);
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(printable("a\nb\r\u{1b}[0m"), "a b  [0m");
        assert_eq!(printable(&"é".repeat(8_000)).len(), MAX_MESSAGE);
    }
}
