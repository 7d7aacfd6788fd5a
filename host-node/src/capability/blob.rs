//! `tenon:host/blob`: bulk bytes, in files of the node.
//!
//! Counts and bounds what is written and hashes it on the way. Does not know what the bytes mean.
//! Nothing is granted here: a guest holds only the sinks and sources that its call was handed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use sha2::{Digest, Sha256};
use tenon_protocol::{OperationId, chain};
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::guest::bindings::tenon::host::blob::{
    Failure, Host, HostSink, HostSource, add_to_linker as link,
};

/// Most bytes that one call of a guest carries. More is refused in a write, cut in a read.
const MAX_CHUNK: usize = 1 << 20;

/// Snapshots hold tenants' data: only the node's user may read them.
const FILE_MODE: u32 = 0o600;

/// A file that is being written. Dropped before [`Sink::finish`], it takes no more bytes; the file
/// stays for whoever named it.
#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub struct Sink {
    output: Arc<Mutex<Output>>,
}

/// A file that is being read. Dropped, it gives no more bytes.
#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub struct Source {
    input: Arc<Mutex<Input>>,
    size: u64,
    operation: Option<OperationId>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) size: u64,
    /// SHA-256 of the content, 64 hex digits.
    pub(crate) sha256: String,
}

/// Why bytes cannot go on. Travels inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    /// The call that lent the sink or source is over.
    #[error("the transfer was ended")]
    Closed,
    /// The guest's, or its data's.
    #[error("the transfer has more than {limit} bytes")]
    Limit { limit: u64 },
    /// An earlier write did not reach the disk, so that the file has a hole.
    #[error("an earlier write failed")]
    Torn,
}

/// ```text
/// Open ──write fails, tear──▶ Torn
///   └────┬────────────────────┘
///        ▼ finish, drop
///      Closed
/// ```
enum Output {
    Open(OpenOutput),
    Torn,
    Closed,
}

struct OpenOutput {
    file: File,
    hasher: Sha256,
    written: u64,
    limit: u64,
}

enum Input {
    Open(File),
    Closed,
}

impl Sink {
    /// A new file `name` in `dir`, in the place of one that a broken attempt left. A write beyond
    /// `limit_bytes` fails.
    ///
    /// # Errors
    ///
    /// The operating system's, when the file cannot be made.
    pub(crate) fn create(dir: &Dir, name: &str, limit_bytes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let file = dir.open_with(name, &options)?.into_std();
        let open = OpenOutput { file, hasher: Sha256::new(), written: 0, limit: limit_bytes };
        Ok(Self { output: Arc::new(Mutex::new(Output::Open(open))) })
    }

    /// Where another capability writes, from its own thread.
    pub(crate) fn writer(&self) -> SinkWriter {
        SinkWriter { output: Arc::clone(&self.output) }
    }

    /// Makes [`Sink::finish`] fail: the capability that wrote could not write all, and a guest that
    /// says otherwise must not be believed.
    pub(crate) fn tear(&self) {
        let mut output = lock(&self.output);
        if matches!(*output, Output::Open(_)) {
            *output = Output::Torn;
        }
    }

    /// Bytes written so far, by anyone; 0 after a failed write.
    pub(crate) fn written(&self) -> u64 {
        match &*lock(&self.output) {
            Output::Open(open) => open.written,
            Output::Torn | Output::Closed => 0,
        }
    }

    /// Brings the bytes to disk. Blocks.
    ///
    /// # Errors
    ///
    /// [`BlobError::Torn`] when any write failed, whatever the guest said afterwards; the
    /// operating system's when the disk refuses.
    pub(crate) fn finish(self) -> io::Result<Finished> {
        match std::mem::replace(&mut *lock(&self.output), Output::Closed) {
            Output::Open(OpenOutput { file, hasher, written, .. }) => {
                file.sync_all()?;
                Ok(Finished { size: written, sha256: hex::encode(hasher.finalize()) })
            }
            Output::Torn => Err(io::Error::other(BlobError::Torn)),
            Output::Closed => Err(io::Error::other(BlobError::Closed)),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        *lock(&self.output) = Output::Closed;
    }
}

/// The writing end of a [`Sink`].
pub(crate) struct SinkWriter {
    output: Arc<Mutex<Output>>,
}

impl Write for SinkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut output = lock(&self.output);
        let result = match &mut *output {
            Output::Open(open) => open.write(bytes),
            Output::Torn => Err(io::Error::other(BlobError::Torn)),
            Output::Closed => return Err(io::Error::other(BlobError::Closed)),
        };
        if result.is_err() {
            *output = Output::Torn;
        }
        result.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OpenOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.written.saturating_add(bytes.len() as u64);
        if written > self.limit {
            return Err(io::Error::other(BlobError::Limit { limit: self.limit }));
        }
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.written = written;
        Ok(())
    }
}

impl Source {
    /// The file `name` in `dir`, from its beginning.
    ///
    /// # Errors
    ///
    /// The operating system's, when it cannot be opened.
    pub(crate) fn open(dir: &Dir, name: &str) -> io::Result<Self> {
        let file = dir.open(name)?.into_std();
        let size = file.metadata()?.len();
        Ok(Self { input: Arc::new(Mutex::new(Input::Open(file))), size, operation: None })
    }

    /// The same, read by every attempt at `operation`: what it replaces is replaced once.
    pub(crate) fn of_operation(mut self, operation: OperationId) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Where another capability reads, from its own thread, on from where the guest is.
    pub(crate) fn reader(&self) -> SourceReader {
        SourceReader { input: Arc::clone(&self.input), operation: self.operation.clone() }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        *lock(&self.input) = Input::Closed;
    }
}

/// The reading end of a [`Source`].
#[derive(Clone)]
pub(crate) struct SourceReader {
    input: Arc<Mutex<Input>>,
    operation: Option<OperationId>,
}

impl SourceReader {
    /// What it is read for, if it is told apart from other attempts.
    pub(crate) fn operation(&self) -> Option<OperationId> {
        self.operation.clone()
    }

    /// Does what makes the bytes count, if the call that lent the source is not over; `None` when it
    /// is. A call does not end in the middle of it.
    pub(crate) fn while_lent<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        match &*lock(&self.input) {
            Input::Open(_) => Some(act()),
            Input::Closed => None,
        }
    }
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut *lock(&self.input) {
            Input::Open(file) => file.read(buffer),
            Input::Closed => Err(io::Error::other(BlobError::Closed)),
        }
    }
}

/// A panic of another holder leaves a value that is still one of the states.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a transfer stopped, if one of the ends did it.
pub(crate) fn blob_error(error: &io::Error) -> Option<&BlobError> {
    error.get_ref()?.downcast_ref()
}

fn failure(error: &io::Error) -> Failure {
    match blob_error(error) {
        Some(BlobError::Closed) => Failure::Closed,
        Some(BlobError::Limit { .. }) => Failure::Limit,
        Some(BlobError::Torn) => Failure::Unavailable,
        None => {
            tracing::error!(error = %chain(error), "a blob's file fails");
            Failure::Unavailable
        }
    }
}

/// What the interface sees of a store.
pub(crate) struct BlobView<'a> {
    pub(crate) table: &'a mut ResourceTable,
}

impl Host for BlobView<'_> {}

impl HostSink for BlobView<'_> {
    async fn write(
        &mut self,
        sink: Resource<Sink>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let mut writer = self.table.get(&sink)?.writer();
        if bytes.len() > MAX_CHUNK {
            return Ok(Err(Failure::Limit));
        }
        let written = tokio::task::spawn_blocking(move || writer.write_all(&bytes)).await?;
        Ok(written.map_err(|error| failure(&error)))
    }

    async fn written(&mut self, sink: Resource<Sink>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&sink)?.written())
    }

    async fn drop(&mut self, sink: Resource<Sink>) -> wasmtime::Result<()> {
        self.table.delete(sink)?;
        Ok(())
    }
}

impl HostSource for BlobView<'_> {
    async fn read(
        &mut self,
        source: Resource<Source>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let reader = self.table.get(&source)?.reader();
        let max = MAX_CHUNK.min(max as usize) as u64;
        let work = move || {
            let mut bytes = Vec::new();
            reader.take(max).read_to_end(&mut bytes).map(|_| bytes)
        };
        let read = tokio::task::spawn_blocking(work).await?;
        Ok(read.map_err(|error| failure(&error)))
    }

    async fn size(&mut self, source: Resource<Source>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&source)?.size)
    }

    async fn drop(&mut self, source: Resource<Source>) -> wasmtime::Result<()> {
        self.table.delete(source)?;
        Ok(())
    }
}

/// Marks the view for the linker.
pub(crate) struct HasBlob;

impl HasData for HasBlob {
    type Data<'a> = BlobView<'a>;
}

/// Links the interface.
///
/// # Errors
///
/// wasmtime's error when it is linked already.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: for<'a> fn(&'a mut T) -> BlobView<'a>,
) -> wasmtime::Result<()> {
    link::<T, HasBlob>(linker, view)
}

#[cfg(test)]
mod tests;
