//! What a load has to finish after a crash: two files of the scratch directory. A third one says
//! which load was the last that succeeded, as long as the database is there.
//!
//! ```text
//! nothing ─▶ note ─▶ note and old content ─▶ note with an end ─▶ last load
//!            │        │                       └ unlock the accounts
//!            │        └ put the old content back ─▶ nothing
//!            └ unlock the accounts ─▶ nothing
//! ```
//! The old content's name appears when it is complete on disk. The note has an end when the new
//! content is complete on the server, and before anybody is let in: whatever is written after that
//! is written to the new content, and an operation that is repeated must not replace it.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tenon_protocol::OperationId;

use super::name::DatabaseName;
use super::option_file::Scratch;
use super::statement::Charset;
use crate::capability::blob::{Sink, Source};
use crate::durable;

/// Old content that an operator has to look at. Nothing removes it.
const ASIDE: &str = "aside-";

/// The files are called so, with the server's version and the database's name behind.
const BEGINNING: &str = "load-";
const NOTE: &str = ".json";
const CONTENT: &str = ".sql.zst";
const LAST: &str = ".last";
const UNFINISHED: &str = ".part";

/// What is known before anything is done, and in the end that it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) version: String,
    pub(super) database: String,
    pub(super) charset: Charset,
    /// Accounts that could log in before, and shall again.
    pub(super) accounts: Vec<String>,
    /// The operation that loads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<OperationId>,
    /// Bytes that were loaded, once the new content is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) loaded: Option<u64>,
}

/// The files of one database.
#[derive(Clone)]
pub(super) struct Journal {
    scratch: Scratch,
    stem: String,
}

impl Journal {
    pub(super) fn of(scratch: &Scratch, version: &str, database: &DatabaseName) -> Self {
        let stem = format!("{BEGINNING}{}-{}", plain(version), database.as_str());
        Self { scratch: scratch.clone(), stem }
    }

    /// Notes of loads that did not finish.
    pub(super) fn notes(scratch: &Scratch) -> io::Result<Vec<Note>> {
        let mut notes = Vec::new();
        for entry in scratch.dir.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(BEGINNING) && name.ends_with(NOTE) {
                notes.push(serde_json::from_slice(&scratch.dir.read(name)?)?);
            }
        }
        Ok(notes)
    }

    /// The load that has to be finished.
    pub(super) fn note(&self) -> io::Result<Option<Note>> {
        self.read(NOTE)
    }

    /// Bytes that `operation` loaded, if it was the last one that did.
    pub(super) fn loaded_by(&self, operation: &OperationId) -> io::Result<Option<u64>> {
        let last = self.read(LAST)?.filter(|last| last.operation.as_ref() == Some(operation));
        Ok(last.and_then(|last| last.loaded))
    }

    fn read(&self, ending: &str) -> io::Result<Option<Note>> {
        match self.scratch.dir.read(self.name(ending)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A crash leaves the note, or what was there.
    pub(super) fn write_note(&self, note: &Note) -> io::Result<()> {
        let (name, part) = (self.name(NOTE), self.name(UNFINISHED));
        durable::put(&self.scratch.dir, &part, &name, &serde_json::to_vec(note)?)
    }

    /// Where the old content goes.
    pub(super) fn begin_content(&self) -> io::Result<Sink> {
        Sink::create(&self.scratch.dir, &self.name(UNFINISHED), u64::MAX)
    }

    /// The old content is complete.
    pub(super) fn keep_content(&self, sink: Sink) -> io::Result<()> {
        sink.finish()?;
        let dir = &self.scratch.dir;
        dir.rename(self.name(UNFINISHED), dir, self.name(CONTENT))?;
        self.sync()
    }

    /// The old content; `None` when it is still, or again, on the server.
    pub(super) fn content(&self) -> io::Result<Option<Source>> {
        match Source::open(&self.scratch.dir, &self.name(CONTENT)) {
            Ok(source) => Ok(Some(source)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is on the server has to do, and is not all.
    pub(super) fn set_content_aside(&self) -> io::Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{ASIDE}{}-{}", since.as_secs(), self.name(CONTENT));
        let dir = &self.scratch.dir;
        dir.rename(self.name(CONTENT), dir, &name)?;
        tracing::error!(name, "the old content stays in the scratch directory");
        self.sync()
    }

    /// What is on the server is complete.
    pub(super) fn forget_content(&self) -> io::Result<()> {
        self.remove(&[CONTENT, UNFINISHED])
    }

    /// Nothing is left to do of the load of `note`.
    pub(super) fn end(&self, note: &Note) -> io::Result<()> {
        self.forget_content()?;
        match (note.loaded, &note.operation) {
            (Some(_), Some(_)) => {
                let dir = &self.scratch.dir;
                dir.rename(self.name(NOTE), dir, self.name(LAST))?;
                self.sync()
            }
            (Some(_), None) => self.remove(&[LAST, NOTE]),
            (None, _) => self.remove(&[NOTE]),
        }
    }

    /// The database is gone.
    pub(super) fn forget(&self) -> io::Result<()> {
        self.remove(&[CONTENT, UNFINISHED, LAST, NOTE])
    }

    fn remove(&self, endings: &[&str]) -> io::Result<()> {
        for ending in endings {
            match self.scratch.dir.remove_file(self.name(ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        durable::sync_names(&self.scratch.dir)
    }

    fn name(&self, ending: &str) -> String {
        format!("{}{ending}", self.stem)
    }
}

/// A version is the operator's text; a file's name is not.
pub(super) fn plain(version: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    version.replace(|letter| !plain(letter), "-")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cap_std::fs::Dir;

    use super::*;
    use crate::capability::mysql::name::Prefixes;

    fn scratch() -> (tempfile::TempDir, Scratch) {
        let on_disk = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(on_disk.path(), cap_std::ambient_authority()).unwrap();
        let scratch = Scratch { dir: Arc::new(dir), path: on_disk.path().to_owned() };
        (on_disk, scratch)
    }

    #[test]
    fn a_load_leaves_what_its_repetition_needs() {
        let (_on_disk, scratch) = scratch();
        let database = Prefixes::new("d", "u").unwrap().database("1").unwrap();
        let journal = Journal::of(&scratch, "10.11/../x", &database);
        assert_eq!(journal.note().unwrap(), None);

        let note = Note {
            version: "10.11".to_owned(),
            database: "d1".to_owned(),
            charset: Charset { name: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned() },
            accounts: vec!["u1".to_owned()],
            operation: None,
            loaded: None,
        };
        journal.write_note(&note).unwrap();
        assert_eq!(journal.note().unwrap(), Some(note.clone()));
        assert_eq!(Journal::notes(&scratch).unwrap(), std::slice::from_ref(&note));

        let sink = journal.begin_content().unwrap();
        assert!(journal.content().unwrap().is_none());
        journal.keep_content(sink).unwrap();
        assert!(journal.content().unwrap().is_some());
        journal.forget_content().unwrap();
        assert!(journal.content().unwrap().is_none());
        assert_eq!(journal.note().unwrap(), Some(note.clone()));
        for _ in 0..2 {
            journal.end(&note).unwrap();
        }
        assert_eq!(scratch.dir.entries().unwrap().count(), 0);
    }

    #[test]
    fn the_last_load_is_known_until_there_is_another() {
        let (_on_disk, scratch) = scratch();
        let database = Prefixes::new("d", "u").unwrap().database("1").unwrap();
        let journal = Journal::of(&scratch, "10.11", &database);
        let (first, second) = (OperationId::random(), OperationId::random());
        let old = format!(
            r#"{{"version":"10.11","database":"d1","charset":{},"accounts":[]}}"#,
            r#"{"name":"utf8mb4","collation":"utf8mb4_bin"}"#
        );
        let note: Note = serde_json::from_str(&old).unwrap();
        assert_eq!(serde_json::to_string(&note).unwrap(), old);
        let begun = Note { operation: Some(first.clone()), ..note.clone() };
        let loaded = Note { loaded: Some(3), ..begun.clone() };
        for (note, expected) in [(&begun, None), (&loaded, Some(3)), (&begun, Some(3))] {
            journal.write_note(note).unwrap();
            journal.end(note).unwrap();
            assert_eq!(journal.note().unwrap(), None);
            assert_eq!(journal.loaded_by(&first).unwrap(), expected);
            assert_eq!(journal.loaded_by(&second).unwrap(), None);
        }
        assert_eq!(Journal::notes(&scratch).unwrap(), []);
        journal.forget().unwrap();
        assert_eq!(scratch.dir.entries().unwrap().count(), 0);
    }
}
