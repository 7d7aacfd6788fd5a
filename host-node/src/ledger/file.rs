//! The file behind the ledger: opened, and opened anew after the disk refused a write.
//!
//! After such a refusal the engine refuses everything, reads too, until its file is opened anew:
//! what it has in memory may be more than what is on the disk.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::Database;

use super::{LedgerError, book};

/// Bytes of pages that the ledger keeps in memory.
const CACHE_BYTES: usize = 8 << 20;

/// The file, which may be closed for a moment.
pub(super) struct File {
    path: PathBuf,
    database: RwLock<Option<Database>>,
}

impl File {
    /// Opens the file at `path`, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// As [`super::Ledger::open`].
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let database = open(path)?;
        book::create_tables(&database)?;
        Ok(Self { path: path.to_owned(), database: RwLock::new(Some(database)) })
    }

    /// Runs `work` on the open file.
    ///
    /// # Errors
    ///
    /// Those of `work`; [`LedgerError::Storage`] while the file cannot be opened anew.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        work(database.as_ref().ok_or(LedgerError::Storage(redb::Error::PreviousIo))?)
    }

    /// Closes the file, and opens it with what is on the disk. Waits for whoever reads.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Open`] when the disk still refuses; the file stays closed.
    pub(super) fn reopen(&self) -> Result<(), LedgerError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // It locks its file: the next one cannot be opened before this one is gone.
        drop(database.take());
        *database = Some(open(&self.path)?);
        Ok(())
    }
}

fn open(path: &Path) -> Result<Database, LedgerError> {
    let database = Database::builder().set_cache_size(CACHE_BYTES).create(path);
    database.map_err(|source| LedgerError::Open { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::ReadableDatabase;

    #[test]
    fn a_file_can_be_opened_anew_and_is_closed_when_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::open(&dir.path().join("l")).unwrap();
        let read = || file.with(|database| Ok(database.begin_read().is_ok()));
        file.reopen().unwrap();
        assert!(read().unwrap());

        let other = File { path: dir.path().join("nosuch/l"), ..file };
        assert!(matches!(other.reopen(), Err(LedgerError::Open { .. })));
        let read = other.with(|database| Ok(database.begin_read().is_ok()));
        assert!(matches!(read, Err(LedgerError::Storage(redb::Error::PreviousIo))));
    }
}
