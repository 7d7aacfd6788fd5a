//! The node's durable record: instances, bindings, fences, results, and the state of guests.
//!
//! One thread owns the file. Whatever waits for it when it turns to its queue becomes one
//! transaction with one fsync (group commit), and nobody is answered before that fsync: what the
//! ledger said is there after a crash. Knows no NATS and no guest.

mod book;
mod entry;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use redb::{Database, ReadableDatabase};
use tokio::sync::oneshot;

pub(crate) use book::{Book, StateWrite, StateWrites};
pub(crate) use entry::{BindingEntry, BindingPhase, InstanceEntry, InstancePhase};

/// Updates that wait for the owner of the file; one more is refused as "busy".
const QUEUE: usize = 1024;

/// Updates that become one transaction at most.
const BATCH: usize = 128;

/// Bytes of pages that the ledger keeps in memory.
const CACHE_BYTES: usize = 8 << 20;

/// Why the ledger could not be read or written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened: another node uses it, or it is no ledger.
    #[error("the ledger {path} cannot be opened")]
    Open {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: redb::DatabaseError,
    },
    /// The disk is full or broken. Writes fail closed until it is not.
    #[error("the ledger cannot be written or read")]
    Storage(#[source] redb::Error),
    /// More updates wait than the queue holds.
    #[error("the ledger is busy: {QUEUE} updates wait")]
    Busy,
    /// The node is stopping.
    #[error("the ledger is closed")]
    Closed,
    /// An entry was written by a newer node, or is damaged.
    #[error("a ledger entry cannot be understood")]
    Entry(#[source] serde_json::Error),
}

impl<E: Into<redb::Error>> From<E> for LedgerError {
    fn from(error: E) -> Self {
        Self::Storage(error.into())
    }
}

/// Handle to the ledger; cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger {
    queue: SyncSender<Box<dyn Update>>,
    database: Arc<Database>,
}

impl Ledger {
    /// Opens the ledger at `path`, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Open`] when it is in use or damaged, [`LedgerError::Storage`] when the disk
    /// does not let it be made ready.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(
            |source| LedgerError::Open { path: path.display().to_string(), source },
        )?;
        let database = Arc::new(database);
        book::create_tables(&database)?;
        let (queue, updates) = sync_channel(QUEUE);
        let owner = Arc::clone(&database);
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || own(&owner, &updates))
            .map_err(|source| LedgerError::Storage(redb::Error::Io(source)))?;
        Ok(Self { queue, database })
    }

    /// Runs `change` in a transaction; its result is durable when this returns.
    ///
    /// `change` may share its transaction with others. It looks first and writes last: an error
    /// of its own (inside `T`) must leave nothing half written.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when nothing was written.
    pub(crate) async fn update<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Book<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (done, result) = oneshot::channel();
        let update = Pending { change: Some(change), outcome: None, done: Some(done) };
        self.queue.try_send(Box::new(update)).map_err(|error| match error {
            TrySendError::Full(_) => LedgerError::Busy,
            TrySendError::Disconnected(_) => LedgerError::Closed,
        })?;
        result.await.map_err(|_closed| LedgerError::Closed)?
    }

    /// Runs `look` on what is durable now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be read.
    pub(crate) fn read<T>(
        &self,
        look: impl FnOnce(&book::View) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let transaction = self.database.begin_read()?;
        look(&book::View::new(&transaction)?)
    }
}

/// An update that waits, with its type forgotten.
trait Update: Send {
    /// Makes the change, and remembers what to answer.
    fn apply(&mut self, book: &mut Book<'_>) -> Result<(), LedgerError>;
    /// Answers, once everything is durable or nothing is.
    fn finish(self: Box<Self>, committed: Result<(), LedgerError>);
}

struct Pending<T, F> {
    change: Option<F>,
    outcome: Option<T>,
    done: Option<oneshot::Sender<Result<T, LedgerError>>>,
}

impl<T, F> Update for Pending<T, F>
where
    T: Send,
    F: FnOnce(&mut Book<'_>) -> Result<T, LedgerError> + Send,
{
    fn apply(&mut self, book: &mut Book<'_>) -> Result<(), LedgerError> {
        if let Some(change) = self.change.take() {
            self.outcome = Some(change(book)?);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, committed: Result<(), LedgerError>) {
        let Some(done) = self.done.take() else { return };
        let answer = committed.and_then(|()| self.outcome.take().ok_or(LedgerError::Closed));
        // The asker may have gone: the change stands all the same.
        drop(done.send(answer));
    }
}

/// The owner's loop: ends when the last handle is gone.
fn own(database: &Database, updates: &Receiver<Box<dyn Update>>) {
    while let Ok(first) = updates.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match updates.try_recv() {
                Ok(next) => batch.push(next),
                Err(_nobody_waits) => break,
            }
        }
        commit(database, batch);
    }
}

/// Makes all changes of `batch` durable with one fsync, or none of them.
///
/// When one of several fails, the whole transaction is dropped: the first asker learns why, the
/// others that the ledger is busy, which they may repeat.
fn commit(database: &Database, mut batch: Vec<Box<dyn Update>>) {
    let result = transact(database, &mut batch);
    match result {
        Ok(()) => batch.into_iter().for_each(|update| update.finish(Ok(()))),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the ledger refused a write");
            let mut batch = batch.into_iter();
            if let Some(first) = batch.next() {
                first.finish(Err(error));
            }
            batch.for_each(|update| update.finish(Err(LedgerError::Busy)));
        }
    }
}

fn transact(database: &Database, batch: &mut [Box<dyn Update>]) -> Result<(), LedgerError> {
    let transaction = database.begin_write()?;
    {
        let mut book = Book::new(&transaction)?;
        for update in batch {
            update.apply(&mut book)?;
        }
    }
    transaction.commit()?;
    Ok(())
}
