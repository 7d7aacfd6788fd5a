//! Replaces the whole content of a database by a dump, or leaves it as it was.
//!
//! The applications are locked out and the old content is kept aside before anything is dropped.
//! The dump runs as the database's helper, which has rights on that database only. A load that
//! fails, or whose call ends, or that a crash interrupts, ends with the old content: the first two
//! in a task of their own that the call's end does not stop, the last at the next start or load.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::database::charset;
use super::definer::{CopyError, Ending, copy_without_definers};
use super::dump::is_client_code;
use super::error::MysqlError;
use super::journal::{Journal, Note};
use super::name::AccountName;
use super::program::{Identity, Task};
use super::server::Admin;
use super::statement::{self, Charset, Lock, Standing};
use super::{Database, account, session};
use crate::capability::blob::SourceReader;

/// Between zstd, the filter and the program.
const BUFFER: usize = 128 << 10;

/// Most memory that a dump may ask of the decompressor: 128 MiB, the format's usual bound.
const WINDOW_LOG: u32 = 27;

impl Database {
    /// Loads a dump; bytes read.
    pub(super) async fn load(&self, input: SourceReader) -> Result<u64, MysqlError> {
        let cancelled = CancellationToken::new();
        // Dropped with the call.
        let _guard = cancelled.clone().drop_guard();
        let database = self.clone();
        let task = async move { database.load_or_put_back(input, &cancelled).await };
        let loaded = self.server.tasks.spawn(task).await;
        loaded.map_err(|error| MysqlError::node("a load", error.into()))?
    }

    async fn load_or_put_back(
        &self,
        input: SourceReader,
        cancelled: &CancellationToken,
    ) -> Result<u64, MysqlError> {
        let _claim = self.server.claim(&self.name)?;
        let journal = self.journal();
        if let Some(note) = journal.note().map_err(of_journal)? {
            self.finish(&journal, &note).await?;
        }
        let note = self.take_note(&journal).await?;
        let loaded = self.replace(&journal, &note, input, cancelled).await;
        if loaded.is_ok() {
            journal.forget_content().map_err(of_journal)?;
        }
        match (loaded, self.finish(&journal, &note).await) {
            (loaded, Ok(())) => loaded,
            (Ok(_), Err(error)) => Err(error),
            (Err(cause), Err(error)) => {
                let cause: &dyn std::error::Error = &cause;
                tracing::error!(cause, database = self.name.as_str(), "old content is not back yet");
                Err(error)
            }
        }
    }

    fn journal(&self) -> Journal {
        Journal::of(self.context.scratch(), self.server.version(), &self.name)
    }

    /// Writes down what the end needs to know.
    async fn take_note(&self, journal: &Journal) -> Result<Note, MysqlError> {
        let mut admin = self.server.admin().await?;
        let charset = charset(&mut admin, &self.name).await?.ok_or(MysqlError::NotFound)?;
        let mut accounts = Vec::new();
        for name in self.tenant_accounts(&mut admin).await? {
            let standing = account::standing(&mut admin, &self.name, &name).await?;
            if standing == Standing::Own(Lock::Open) {
                accounts.push(name.as_str().to_owned());
            }
        }
        let note = Note {
            version: self.server.version().to_owned(),
            database: self.name.as_str().to_owned(),
            charset,
            accounts,
        };
        journal.write_note(&note).map_err(of_journal)?;
        Ok(note)
    }

    /// Locks out, keeps the old content, loads the new.
    async fn replace(
        &self,
        journal: &Journal,
        note: &Note,
        input: SourceReader,
        cancelled: &CancellationToken,
    ) -> Result<u64, MysqlError> {
        self.lock_out(note).await?;
        unless(cancelled, self.keep_old_content(journal)).await?;
        unless(cancelled, self.fill(&note.charset, input)).await
    }

    /// Whatever is written after this is written by the node.
    async fn lock_out(&self, note: &Note) -> Result<(), MysqlError> {
        let mut admin = self.server.admin().await?;
        let accounts = self.accounts_of(note);
        if !accounts.is_empty() {
            admin.run([statement::lock(&accounts)]).await?;
        }
        let all = self.all_accounts(&mut admin).await?;
        session::end_all(&mut admin, &all).await.map(|_| ())
    }

    async fn keep_old_content(&self, journal: &Journal) -> Result<(), MysqlError> {
        let sink = journal.begin_content().map_err(of_journal)?;
        self.dump(sink.writer()).await?;
        journal.keep_content(sink).map_err(of_journal)
    }

    /// Ends a load, from wherever it stopped: puts the old content back if it is kept, and lets
    /// the applications in.
    async fn finish(&self, journal: &Journal, note: &Note) -> Result<(), MysqlError> {
        if let Some(old) = journal.content().map_err(of_journal)? {
            self.fill(&note.charset, old.reader()).await?;
            journal.forget_content().map_err(of_journal)?;
        }
        let mut admin = self.server.admin().await?;
        let accounts = self.still_there(&mut admin, note).await?;
        if !accounts.is_empty() {
            admin.run([statement::unlock(&accounts)]).await?;
        }
        journal.end().map_err(of_journal)
    }

    /// Accounts may have been dropped since the note was written.
    async fn still_there(
        &self,
        admin: &mut Admin<'_>,
        note: &Note,
    ) -> Result<Vec<AccountName>, MysqlError> {
        let mut accounts = self.accounts_of(note);
        let there = self.tenant_accounts(admin).await?;
        accounts.retain(|account| there.contains(account));
        Ok(accounts)
    }

    fn accounts_of(&self, note: &Note) -> Vec<AccountName> {
        let found = note.accounts.iter().filter_map(|user| self.prefixes().found_account(user));
        found.collect()
    }

    /// Makes the database anew and fills it from a dump; bytes read.
    async fn fill(&self, charset: &Charset, input: SourceReader) -> Result<u64, MysqlError> {
        let helper = self.put_helper().await?;
        let mut admin = self.server.admin().await?;
        let flavour = admin.flavour();
        let drop_it = statement::drop_database(&self.name);
        admin.run([drop_it, statement::create_database_as(&self.name, charset)]).await?;
        drop(admin);
        let identity = Identity {
            settings: &self.server.settings,
            user: helper.name.as_str(),
            password: helper.password.reveal(),
        };
        let scratch = self.context.scratch();
        let programs = &self.server.programs;
        let mut loading =
            programs.start(Task::Load, flavour, &identity, self.name.as_str(), scratch)?;
        let to = loading.input().map_err(|error| MysqlError::node("a pipe", error))?;
        let pump = tokio::task::spawn_blocking(move || pump(input, to));
        let ended = loading.wait().await.map_err(|error| MysqlError::node("a load", error))?;
        let pumped = pump.await.map_err(|panic| MysqlError::node("a load", panic.into()))?;
        match (pumped, ended.complaint()) {
            (Err(CopyError::Read(error)), _) => Err(of_dump(&error)),
            (_, Some(complaint)) => match complaint.code {
                Some(code) if is_client_code(code) => {
                    let cause = io::Error::other(complaint.message);
                    Err(MysqlError::away(self.server.version(), cause))
                }
                Some(_) | None => Err(MysqlError::Corrupt(complaint.message)),
            },
            (Err(CopyError::Write(error)), None) => Err(MysqlError::node("a load", error)),
            (Ok((_, Ending::CutOff)), None) => {
                Err(MysqlError::Corrupt("it ends before its end".to_owned()))
            }
            (Ok((bytes, Ending::Completed)), None) => Ok(bytes),
        }
    }

    /// Ends a load that a crash interrupted.
    pub(super) async fn finish_interrupted(&self) -> Result<(), MysqlError> {
        let _claim = self.server.claim(&self.name)?;
        let journal = self.journal();
        match journal.note().map_err(of_journal)? {
            Some(note) => self.finish(&journal, &note).await,
            None => Ok(()),
        }
    }
}

/// Stops work when the call is over. What it started is killed.
async fn unless<T>(
    cancelled: &CancellationToken,
    work: impl Future<Output = Result<T, MysqlError>> + Send,
) -> Result<T, MysqlError> {
    tokio::select! {
        result = work => result,
        () = cancelled.cancelled() => Err(MysqlError::Interrupted("the call is over")),
    }
}

fn of_journal(error: io::Error) -> MysqlError {
    MysqlError::node("the journal of a load", error)
}

fn of_dump(error: &io::Error) -> MysqlError {
    if crate::capability::blob::blob_error(error).is_some() {
        return MysqlError::Interrupted("the call is over");
    }
    MysqlError::Corrupt(error.to_string())
}

/// Feeds a dump to a program, without its definers; bytes read. Blocks.
fn pump(input: SourceReader, to: File) -> Result<(u64, Ending), CopyError> {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted { inner: input, read: Arc::clone(&read) };
    let mut decoder = zstd::Decoder::new(counted).map_err(CopyError::Read)?;
    decoder.window_log_max(WINDOW_LOG).map_err(CopyError::Read)?;
    let mut to = io::BufWriter::with_capacity(BUFFER, to);
    let ending = copy_without_definers(BufReader::with_capacity(BUFFER, decoder), &mut to)?;
    to.flush().map_err(CopyError::Write)?;
    Ok((read.load(Ordering::Relaxed), ending))
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
