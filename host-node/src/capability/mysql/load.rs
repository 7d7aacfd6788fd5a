//! Replaces the whole content of a database by a dump, or leaves it as it was.
//!
//! The applications are locked out and the old content is kept aside before anything is dropped.
//! The dump runs as the database's helper, which has rights on that database only. A load that
//! fails, or whose call ends, or that a crash interrupts, ends with the old content: the first two
//! in a task of their own that the call's end does not stop, the last at the next look or load.
//!
//! An operation loads once, however often it is attempted: see [`super::journal`].

use std::io;

use tenon_protocol::{OperationId, chain};
use tokio_util::sync::CancellationToken;

use super::database::charset;
use super::dump::Broken;
use super::error::MysqlError;
use super::feed::Refusal;
use super::journal::{Journal, Note};
use super::name::AccountName;
use super::server::Admin;
use super::statement::{self, Charset, Lock, Standing};
use super::{Database, account, session};
use crate::capability::blob::SourceReader;
use crate::guest::bindings::tenon::host::mysql::Writes;

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
        if let Some(note) = on_disk(&journal, Journal::note).await? {
            self.finish(&journal, &note).await?;
        }
        let operation = input.operation();
        if let Some(operation) = operation.clone() {
            let loaded = on_disk(&journal, move |journal| journal.loaded_by(&operation)).await?;
            if let Some(read) = loaded {
                tracing::info!(database = self.name.as_str(), "was loaded already");
                return Ok(read);
            }
        }
        let mut note = self.take_note(&journal, operation).await?;
        let mut loaded = self.replace(&journal, &note, input.clone(), cancelled).await;
        if let Ok(read) = loaded {
            let ended = Note { loaded: Some(read), ..note.clone() };
            let end = ended.clone();
            let write = move |journal: &Journal| input.while_lent(|| journal.write_note(&end));
            match on_disk(&journal, move |journal| write(journal).transpose()).await? {
                Some(()) => note = ended,
                None => loaded = Err(MysqlError::Interrupted("the call is over")),
            }
        }
        match (loaded, self.finish(&journal, &note).await) {
            (loaded, Ok(())) => loaded,
            (Ok(_), Err(error)) => Err(error),
            (Err(cause), Err(error)) => {
                let database = self.name.as_str();
                tracing::error!(error = %chain(&cause), database, "the old content is not back yet");
                Err(error)
            }
        }
    }

    fn journal(&self) -> Journal {
        Journal::of(self.context.scratch(), self.server.version(), &self.name)
    }

    /// Writes down what the end needs to know.
    async fn take_note(
        &self,
        journal: &Journal,
        operation: Option<OperationId>,
    ) -> Result<Note, MysqlError> {
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
            operation,
            loaded: None,
        };
        let written = note.clone();
        on_disk(journal, move |journal| journal.write_note(&written)).await?;
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
        self.fill(&note.charset, input, Refusal::Ends, cancelled).await
    }

    /// Whatever is written after this is written by the node.
    async fn lock_out(&self, note: &Note) -> Result<(), MysqlError> {
        let mut admin = self.server.admin().await?;
        let accounts = self.accounts_of(note);
        if !accounts.is_empty() {
            admin.run([statement::lock(&accounts)]).await?;
        }
        let all = self.all_accounts(&mut admin).await?;
        session::end_all_surely(&mut admin, &all).await
    }

    async fn keep_old_content(&self, journal: &Journal) -> Result<(), MysqlError> {
        let sink = on_disk(journal, Journal::begin_content).await?;
        self.dump(sink.writer(), Broken::LeftOut).await?;
        on_disk(journal, move |journal| journal.keep_content(sink)).await
    }

    /// Ends a load, from wherever it stopped: puts the old content back if it is kept and the new
    /// one not complete, and lets the applications in. No call's end stops this.
    async fn finish(&self, journal: &Journal, note: &Note) -> Result<(), MysqlError> {
        if note.loaded.is_none() && on_disk(journal, Journal::content).await?.is_some() {
            self.put_back(journal, note).await?;
        }
        let mut admin = self.server.admin().await?;
        if self.writes() == Writes::Blocked {
            // What was loaded has routines in the helper's name.
            self.keep_limit(&mut admin, Writes::Blocked).await?;
        }
        let accounts = self.still_there(&mut admin, note).await?;
        if !accounts.is_empty() {
            admin.run([statement::unlock(&accounts)]).await?;
        }
        let note = note.clone();
        on_disk(journal, move |journal| journal.end(&note)).await
    }

    /// Fills the database from what was kept. What the server had, and its own dump does not bring
    /// back, is skipped at the second try: the kept file stays on disk then, for the operator.
    async fn put_back(&self, journal: &Journal, note: &Note) -> Result<(), MysqlError> {
        match self.put_back_once(journal, note, Refusal::Ends).await {
            Ok(()) => on_disk(journal, Journal::forget_content).await,
            Err(MysqlError::Corrupt(why)) => {
                let database = self.name.as_str();
                tracing::error!(database, why, "the old content does not come back as it is");
                self.put_back_once(journal, note, Refusal::IsSkipped).await?;
                on_disk(journal, Journal::set_content_aside).await
            }
            Err(error) => Err(error),
        }
    }

    async fn put_back_once(
        &self,
        journal: &Journal,
        note: &Note,
        refusal: Refusal,
    ) -> Result<(), MysqlError> {
        let kept = on_disk(journal, Journal::content).await?.ok_or(MysqlError::NotFound)?;
        let never = CancellationToken::new();
        self.fill(&note.charset, kept.reader(), refusal, &never).await.map(|_| ())
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
    ///
    /// Only the program is stopped when the call ends. A statement of the administrator that was
    /// cut off might reach the server later, and drop what is there by then; and so might one of
    /// an earlier program, whose session is ended first.
    async fn fill(
        &self,
        charset: &Charset,
        input: SourceReader,
        refusal: Refusal,
        cancelled: &CancellationToken,
    ) -> Result<u64, MysqlError> {
        // All rights, also in a database that takes no new data: this is no application's.
        let helper = self.put_helper(Writes::Allowed).await?;
        let mut admin = self.server.admin().await?;
        session::end_all_surely(&mut admin, std::slice::from_ref(&helper.name)).await?;
        let drop_it = statement::drop_database(&self.name);
        admin.run([drop_it, statement::create_database_as(&self.name, charset)]).await?;
        let flavour = admin.flavour();
        drop(admin);
        unless(cancelled, self.feed(&helper, flavour, input, refusal)).await
    }

    /// Whether a load goes on, or was interrupted: there may be no database for a moment.
    pub(super) async fn is_being_loaded(&self) -> Result<bool, MysqlError> {
        Ok(on_disk(&self.journal(), Journal::note).await?.is_some())
    }

    /// The database goes: nothing is to come back.
    pub(super) async fn forget_load(&self) -> Result<(), MysqlError> {
        on_disk(&self.journal(), Journal::forget).await
    }

    /// Ends a load that a crash interrupted.
    ///
    /// # Errors
    ///
    /// [`MysqlError::Busy`] when one goes on.
    pub(super) async fn finish_interrupted(&self) -> Result<(), MysqlError> {
        let _claim = self.server.claim(&self.name)?;
        let journal = self.journal();
        match on_disk(&journal, Journal::note).await? {
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

/// Works on a journal where blocking is no harm.
pub(super) async fn on_disk<J: Clone + Send + 'static, T: Send + 'static>(
    journal: &J,
    work: impl FnOnce(&J) -> io::Result<T> + Send + 'static,
) -> Result<T, MysqlError> {
    let journal = journal.clone();
    let done = tokio::task::spawn_blocking(move || work(&journal)).await;
    let done = done.unwrap_or_else(|panic| Err(panic.into()));
    done.map_err(|error| MysqlError::node("a journal", error))
}
