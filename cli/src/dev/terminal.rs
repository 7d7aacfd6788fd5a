//! What a person reads while `tenon dev` runs.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::arguments::Arguments;
use super::dev_file::DevFile;
use super::table::table;

/// Where lines go: to standard output, unless that is for `dev.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// For a person.
    Table,
    /// For a program that reads `dev.json` from a pipe.
    Json,
}

impl Terminal {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        if arguments.json { Self::Json } else { Self::Table }
    }

    /// One line about what happens.
    pub(crate) fn say(self, line: &str) {
        let line = format!("{line}\n");
        match self {
            Self::Table => write(io::stdout(), &line),
            Self::Json => write(io::stderr(), &line),
        }
    }

    /// What runs, once all of it answers.
    pub(crate) fn show(self, file: &DevFile, root: &Path, after: Duration) {
        match self {
            Self::Table => write(io::stdout(), &table(file, root, after.as_secs_f64())),
            Self::Json => write(io::stdout(), &format!("{}\n", serde_json::json!(file))),
        }
    }
}

fn write(mut stream: impl Write, text: &str) {
    // Nobody reads any more: that is no reason to stop what runs.
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).ok();
}
