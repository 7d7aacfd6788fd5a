//! Everything that can go wrong in a test besides the thing that it tests.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::classic::Refusal;

/// A step of a test cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A binary was not built.
    #[error("there is no {0}; type: cargo build --workspace --bins")]
    NoProgram(PathBuf),
    /// `tenon dev` ended before it was ready, or does not stop.
    #[error("tenon dev ended with {status}:\n{output}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// Something did not become true in time.
    #[error("waited {seconds} s in vain: {what}")]
    TimedOut {
        /// What should have become true.
        what: String,
        /// How long it was given.
        seconds: u64,
    },
    /// The platform refused a request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The platform did not answer, or not in its own form.
    #[error("no good answer over HTTP")]
    Http(#[from] reqwest::Error),
    /// `tenon dev` refused an order.
    #[error("tenon dev refused {order}: {answer}")]
    Control {
        /// What was asked.
        order: String,
        /// What it answered.
        answer: String,
    },
    /// The database server refused.
    #[error("no good answer from the database")]
    Mysql(#[from] mysql_async::Error),
    /// The bus refused.
    #[error("no good answer from the bus while {what}")]
    Bus {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A message or record has another form than the protocol says.
    #[error("{0} has another form than expected")]
    Form(String, #[source] serde_json::Error),
    /// Credentials lack a field.
    #[error("credentials have no {0}")]
    NoCredential(&'static str),
    /// Something that `dev.json` should name is not there.
    #[error("dev.json names no {0}")]
    NotRunning(String),
    /// The disk refuses.
    #[error("cannot use {path}")]
    Disk {
        /// What was touched.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}
