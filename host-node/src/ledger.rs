//! The node's durable record: instances, bindings, fences, results, and the state of guests.
//!
//! One thread owns the file. Whatever waits for it when it turns to its queue becomes one
//! transaction with one fsync (group commit), and nobody is answered before that fsync: what the
//! ledger said is there after a crash. What is only *noted* goes along with the next transaction.
//! Knows no NATS and no guest.

mod book;
mod entry;
mod file;
mod jobs;
mod notes;
mod quotas;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase};
use tenon_protocol::chain;
use tenon_protocol::{BindingId, InstanceId, ServiceName};
use tokio::sync::oneshot;

use self::file::File;
pub(crate) use book::{Book, StateWrite, StateWrites};
pub(crate) use entry::{
    Access, Arrival, BindingEntry, BindingPhase, InstanceEntry, InstancePhase, KnownBy, Moving,
    QuarantineEntry,
};
pub(crate) use jobs::{Deed, JobEntry};
pub(crate) use notes::Note;
use notes::{Notes, Ticket};
pub(crate) use quotas::{QuotaEntry, QuotaPhase};

/// Updates that wait for the owner of the file; one more is refused as "busy".
const QUEUE: usize = 1024;

/// Updates that become one transaction at most.
const BATCH: usize = 128;

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
    file: Arc<File>,
    notes: Arc<Notes>,
    /// The last write failed: nothing is only noted until one succeeds.
    failing: Arc<AtomicBool>,
}

impl Ledger {
    /// Opens the ledger at `path`, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Open`] when it is in use or damaged, [`LedgerError::Storage`] when the disk
    /// does not let it be made ready.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = Arc::new(File::open(path)?);
        let (queue, updates) = sync_channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let (owned, flag) = (Arc::clone(&file), Arc::clone(&failing));
        let owner = Owner { file: owned, failing: flag, refused: None };
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || owner.run(&updates))
            .map_err(|source| LedgerError::Storage(redb::Error::Io(source)))?;
        Ok(Self { queue, file, notes: Arc::default(), failing })
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
        self.send(Pending { change: Some(change), outcome: None, done: Some(done) })?;
        result.await.map_err(|_closed| LedgerError::Closed)?
    }

    /// Writes an entry with the next transaction, and waits for nothing. Who looks for it sees it
    /// at once; a crash before the transaction forgets it.
    ///
    /// While the disk refuses writes it does wait, so that nothing is begun that could not be
    /// recorded.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it will not be written.
    pub(crate) async fn note(&self, note: Note) -> Result<(), LedgerError> {
        if self.failing.load(Ordering::Relaxed) {
            return self.put(note).await;
        }
        let ticket = self.notes.add(&note);
        // Dropped unsent or unwritten, it takes itself off the notes.
        self.send(Noted { note, ticket, notes: Arc::clone(&self.notes) })
    }

    /// Writes an entry; durable when this returns.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when nothing was written.
    pub(crate) async fn put(&self, note: Note) -> Result<(), LedgerError> {
        self.update(move |book| note.write(book)).await
    }

    /// The entry of an instance, noted or written.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be read.
    pub(crate) fn instance(
        &self,
        service: &ServiceName,
        id: &InstanceId,
    ) -> Result<Option<InstanceEntry>, LedgerError> {
        match self.notes.instance(service, id) {
            Some(entry) => Ok(Some(entry)),
            None => self.read(|view| view.instance(service, id)),
        }
    }

    /// The entry of a binding, noted or written.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be read.
    pub(crate) fn binding(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        id: &BindingId,
    ) -> Result<Option<BindingEntry>, LedgerError> {
        match self.notes.binding(service, instance, id) {
            Some(entry) => Ok(Some(entry)),
            None => self.read(|view| view.binding(service, instance, id)),
        }
    }

    fn send<U: Update + 'static>(&self, update: U) -> Result<(), LedgerError> {
        self.queue.try_send(Box::new(update)).map_err(|error| match error {
            TrySendError::Full(_) => LedgerError::Busy,
            TrySendError::Disconnected(_) => LedgerError::Closed,
        })
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
        self.file.with(|database| {
            let transaction = database.begin_read()?;
            look(&book::View::new(&transaction)?)
        })
    }
}

/// An update that waits, with its type forgotten.
trait Update: Send {
    /// Whether somebody waits for it to be durable.
    fn is_awaited(&self) -> bool;
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
    fn is_awaited(&self) -> bool {
        self.done.is_some()
    }

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

/// An entry that nobody waits for.
struct Noted {
    note: Note,
    ticket: Ticket,
    notes: Arc<Notes>,
}

impl Update for Noted {
    fn is_awaited(&self) -> bool {
        false
    }

    fn apply(&mut self, book: &mut Book<'_>) -> Result<(), LedgerError> {
        self.note.write(book)
    }

    fn finish(self: Box<Self>, _committed: Result<(), LedgerError>) {}
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.notes.remove(&self.ticket);
    }
}

/// Longest that something noted waits for a transaction to go along with.
const NOTED: Duration = Duration::from_millis(200);

/// Pause before the file is opened anew after the disk refused a write.
const MEND_PAUSE: Duration = Duration::from_secs(1);

/// The one who writes.
struct Owner {
    file: Arc<File>,
    failing: Arc<AtomicBool>,
    /// When the disk refused a write, or the file; `None` while it does not.
    refused: Option<Instant>,
}

impl Owner {
    /// Ends when the last handle is gone.
    fn run(mut self, updates: &Receiver<Box<dyn Update>>) {
        let mut batch: Vec<Box<dyn Update>> = Vec::new();
        loop {
            let next = match (batch.is_empty(), self.refused) {
                (false, _) => updates.recv_timeout(NOTED),
                (true, Some(_)) => updates.recv_timeout(MEND_PAUSE),
                (true, None) => updates.recv().map_err(|_closed| RecvTimeoutError::Disconnected),
            };
            self.mend();
            let over = matches!(next, Err(RecvTimeoutError::Disconnected));
            // Something noted alone has waited long enough.
            let late = matches!(next, Err(RecvTimeoutError::Timeout));
            batch.extend(next);
            while batch.len() < BATCH
                && let Ok(more) = updates.try_recv()
            {
                batch.push(more);
            }
            let awaited = batch.iter().any(|update| update.is_awaited());
            let full = batch.len() >= BATCH;
            if !batch.is_empty() && (awaited || full || over || late) {
                self.commit(std::mem::take(&mut batch));
            }
            if over {
                return;
            }
        }
    }

    /// Opens the file anew, some time after the disk refused a write: there may be room again.
    fn mend(&mut self) {
        if self.refused.is_none_or(|moment| moment.elapsed() < MEND_PAUSE) {
            return;
        }
        match self.file.reopen() {
            Ok(()) => {
                self.refused = None;
                tracing::warn!("the ledger was opened anew");
            }
            Err(error) => {
                self.refused = Some(Instant::now());
                tracing::error!(error = %chain(&error), "the ledger stays closed");
            }
        }
    }

    /// Makes all changes of `batch` durable with one fsync, or none of them.
    ///
    /// When one of several fails, the whole transaction is dropped: the first asker learns why,
    /// the others that the ledger is busy, which they may repeat.
    fn commit(&mut self, mut batch: Vec<Box<dyn Update>>) {
        let result = self.file.with(|database| transact(database, &mut batch));
        self.failing.store(result.is_err(), Ordering::Relaxed);
        match result {
            Ok(()) => batch.into_iter().for_each(|update| update.finish(Ok(()))),
            Err(error) => {
                self.note_failure(&error);
                let (asked, noted): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|update| update.is_awaited());
                drop(noted);
                let mut asked = asked.into_iter();
                if let Some(first) = asked.next() {
                    first.finish(Err(error));
                }
                asked.for_each(|update| update.finish(Err(LedgerError::Busy)));
            }
        }
    }

    /// Logs a failure, and once only that the disk refuses.
    fn note_failure(&mut self, error: &LedgerError) {
        let disk = matches!(error, LedgerError::Storage(_));
        if disk && self.refused.is_some() {
            return;
        }
        tracing::error!(error = %chain(error), "the ledger refused a write");
        self.refused = disk.then(Instant::now).or(self.refused);
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
