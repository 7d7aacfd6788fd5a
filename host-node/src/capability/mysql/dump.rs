//! A database as one stream: the text of `mariadb-dump`, compressed by zstd.
//!
//! No byte of it is a guest's. The native exporter that takes the program's place will keep this
//! function's face.

use std::fs::File;
use std::io::{self, Write};

use super::Database;
use super::database::charset;
use super::error::MysqlError;
use super::program::{Complaint, Job, Task};
use crate::capability::blob::{BlobError, SinkWriter, blob_error};

/// Fastest level: six times the classic pipeline's speed, and 2 % larger.
const LEVEL: i32 = 1;

/// What becomes of views that name what is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The dump fails, naming the error: a snapshot without them would not be whole.
    Fails,
    /// They are left out: whoever wants back what was must not be refused for what is.
    LeftOut,
}

impl Database {
    /// Dumps all of the database into `out`; bytes written.
    pub(super) async fn dump(&self, out: SinkWriter, broken: Broken) -> Result<u64, MysqlError> {
        let mut admin = self.server.admin().await?;
        charset(&mut admin, &self.name).await?.ok_or(MysqlError::NotFound)?;
        let left_out = match broken {
            Broken::Fails => Vec::new(),
            Broken::LeftOut => self.broken_views(&mut admin).await?,
        };
        let flavour = admin.flavour();
        drop(admin);
        let settings = &self.server.settings;
        let job = Job {
            task: Task::Dump,
            flavour,
            settings,
            // The administrator: nobody else sees the bodies of all routines.
            user: &settings.user,
            password: settings.password.reveal(),
            database: &self.name,
            left_out: &left_out,
        };
        let mut dumping = self.server.programs.start(&job, self.context.scratch())?;
        let output = dumping.output().map_err(|error| MysqlError::node("a pipe", error))?;
        let compress = tokio::task::spawn_blocking(move || compress(output, out));
        let ended = dumping.wait().await.map_err(|error| MysqlError::node("a dump", error))?;
        let compressed =
            compress.await.map_err(|panic| MysqlError::node("a dump", panic.into()))?;
        // A sink that takes no more ends the program too: its word comes first.
        let written = compressed.map_err(of_sink)?;
        match ended.complaint() {
            None => Ok(written),
            Some(complaint) => Err(self.refused(complaint)),
        }
    }

    fn refused(&self, complaint: Complaint) -> MysqlError {
        let passing = complaint.is_passing();
        let Complaint { code, message } = complaint;
        match code.filter(|_| !passing) {
            Some(code) => MysqlError::Server { code, state: "HY000".to_owned(), message },
            None => MysqlError::away(self.server.version(), io::Error::other(message)),
        }
    }
}

fn compress(mut from: File, to: SinkWriter) -> io::Result<u64> {
    let mut encoder = zstd::Encoder::new(Counted { inner: to, bytes: 0 }, LEVEL)?;
    // Damage is noticed when it is read.
    encoder.include_checksum(true)?;
    io::copy(&mut from, &mut encoder)?;
    Ok(encoder.finish()?.bytes)
}

fn of_sink(error: io::Error) -> MysqlError {
    match blob_error(&error) {
        Some(BlobError::Limit { .. }) => MysqlError::Limit(error.to_string()),
        Some(BlobError::Closed | BlobError::Torn) => {
            MysqlError::Interrupted("the transfer was ended")
        }
        None => MysqlError::node("a dump's file", error),
    }
}

struct Counted {
    inner: SinkWriter,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
