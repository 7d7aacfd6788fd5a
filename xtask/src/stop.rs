//! Why a command stopped, and what its reader can type next. Every error of xtask ends at a person.

use std::fmt;

/// A command cannot go on.
#[derive(Debug)]
pub(crate) struct Stop {
    problem: String,
    remedy: Option<String>,
}

impl Stop {
    /// `problem` says it all; [`Stop::or_type`] adds what to type.
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: None }
    }

    /// The arguments make no sense; `help` says which would.
    pub(crate) fn usage(problem: &str, help: &str) -> Self {
        Self { problem: problem.into(), remedy: Some(format!("\n{}", help.trim_end())) }
    }

    /// The reader gets past it with `command`.
    pub(crate) fn or_type(mut self, command: &str) -> Self {
        self.remedy = Some(format!("type: {command}"));
        self
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.problem)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n{remedy}"),
            None => Ok(()),
        }
    }
}
