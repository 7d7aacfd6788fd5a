//! The file from which a server's program reads who it is.
//!
//! Only the node's user may read it, and it is gone when the program is.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rand::distr::{Alphanumeric, SampleString};
use tenon_protocol::chain;

use super::program::Job;

/// A directory for files of the moment, and its path for programs.
#[derive(Clone)]
pub(super) struct Scratch {
    pub(super) dir: Arc<Dir>,
    pub(super) path: PathBuf,
}

/// A file that a program reads who it is from. Dropped, it is removed.
pub(super) struct OptionFile {
    scratch: Scratch,
    name: String,
}

/// How such files are called, so that a start finds what a crash left.
const OPTION_FILE: &str = "client-";

impl OptionFile {
    pub(super) fn write(scratch: &Scratch, job: &Job<'_>) -> io::Result<Self> {
        let name = format!("{OPTION_FILE}{}", Alphanumeric.sample_string(&mut rand::rng(), 20));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = scratch.dir.open_with(&name, &options)?;
        let written = Self { scratch: scratch.clone(), name };
        file.write_all(options_of(job).as_bytes())?;
        Ok(written)
    }

    /// Has to be the first argument. The program reads no other file then.
    pub(super) fn argument(&self) -> OsString {
        let mut argument = OsString::from("--defaults-file=");
        argument.push(self.scratch.path.join(&self.name));
        argument
    }
}

impl Drop for OptionFile {
    fn drop(&mut self) {
        if let Err(error) = self.scratch.dir.remove_file(&self.name) {
            tracing::error!(error = %chain(&error), name = self.name, "a file with a password stays on disk");
        }
    }
}

impl Scratch {
    /// Removes the passwords that a crash left behind.
    pub(super) fn clean(&self) -> io::Result<()> {
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            if name.as_encoded_bytes().starts_with(OPTION_FILE.as_bytes()) {
                self.dir.remove_file(name)?;
            }
        }
        Ok(())
    }
}

/// Names of tables are here and not on the command line as there may be any number of them.
fn options_of(job: &Job<'_>) -> String {
    let Job { settings, user, password, database, left_out, .. } = job;
    let port = settings.port;
    let (host, user, password) = (quoted(&settings.host), quoted(user), quoted(password));
    let mut text = format!(
        "[client]\nprotocol=tcp\nhost={host}\nport={port}\nuser={user}\npassword={password}\n\
         [mysqldump]\n"
    );
    for table in *left_out {
        text.push_str("ignore-table=");
        text.push_str(&quoted(&format!("{}.{table}", database.as_str())));
        text.push('\n');
    }
    text
}

/// Source: `my_default.c` of MariaDB, which reads escapes inside and outside of quotation marks.
fn quoted(value: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in value.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_quoted() {
        assert_eq!(quoted("a\"b\\c#d\n"), "\"a\\\"b\\\\c#d\\n\"");
    }
}
