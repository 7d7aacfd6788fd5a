//! Why a configuration file is refused.

use std::path::{Path, PathBuf};

use tenon_protocol::position;

/// Why a configuration file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of another type.
    #[error("{}:{line}: {message}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Names the key, and what is allowed.
        message: String,
    },
    /// A value that cannot be meant.
    #[error("{}:{line}: {key} {message}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Counted from 1; of the table when the key itself is absent.
        line: usize,
        /// For example `offerings.0.token`.
        key: String,
        /// What is allowed.
        message: String,
    },
}

impl ConfigError {
    /// What the TOML reader says, on one line.
    pub(super) fn form(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let line = position::line_at(text, start);
        let word = position::key_at(text, start).unwrap_or_default();
        let message = error.message().replace('\n', ", ");
        let message = if message.contains(&word) { message } else { format!("{word}: {message}") };
        Self::Form { path: path.to_owned(), line, message }
    }
}
