//! `tenon:host/blob`: bulk bytes, in files of the node.
//!
//! Counts and bounds what is written and hashes it on the way. Does not know what the bytes mean.
//! Nothing is granted here: a guest holds only the sinks and sources that its call was handed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use sha2::{Digest, Sha256};
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
        options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE);
        let file = dir.open_with(name, &options)?.into_std();
        let open = OpenOutput {
            file,
            hasher: Sha256::new(),
            written: 0,
            limit: limit_bytes,
        };
        Ok(Self {
            output: Arc::new(Mutex::new(Output::Open(open))),
        })
    }

    /// Where another capability writes, from its own thread.
    pub(crate) fn writer(&self) -> SinkWriter {
        SinkWriter {
            output: Arc::clone(&self.output),
        }
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
            Output::Open(OpenOutput {
                file,
                hasher,
                written,
                ..
            }) => {
                file.sync_all()?;
                Ok(Finished {
                    size: written,
                    sha256: hex::encode(hasher.finalize()),
                })
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
        Ok(Self {
            input: Arc::new(Mutex::new(Input::Open(file))),
            size,
        })
    }

    /// Where another capability reads, from its own thread, on from where the guest is.
    pub(crate) fn reader(&self) -> SourceReader {
        SourceReader {
            input: Arc::clone(&self.input),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        *lock(&self.input) = Input::Closed;
    }
}

/// The reading end of a [`Source`].
pub(crate) struct SourceReader {
    input: Arc<Mutex<Input>>,
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
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a blob's file fails"
            );
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
mod tests {
    use super::*;

    struct Fixture {
        dir: Dir,
        table: ResourceTable,
        _on_disk: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let on_disk = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(on_disk.path(), cap_std::ambient_authority()).unwrap();
        Fixture {
            dir,
            table: ResourceTable::new(),
            _on_disk: on_disk,
        }
    }

    impl Fixture {
        fn sink(&mut self, limit: u64) -> Resource<Sink> {
            self.table
                .push(Sink::create(&self.dir, "blob", limit).unwrap())
                .unwrap()
        }

        async fn write(&mut self, sink: &Resource<Sink>, bytes: &[u8]) -> Result<(), Failure> {
            let mut view = BlobView {
                table: &mut self.table,
            };
            view.write(Resource::new_borrow(sink.rep()), bytes.to_vec())
                .await
                .unwrap()
        }

        async fn read(&mut self, source: &Resource<Source>, max: u32) -> Result<Vec<u8>, Failure> {
            let mut view = BlobView {
                table: &mut self.table,
            };
            view.read(Resource::new_borrow(source.rep()), max)
                .await
                .unwrap()
        }

        fn finish(&mut self, sink: Resource<Sink>) -> io::Result<Finished> {
            self.table.delete(sink).unwrap().finish()
        }
    }

    #[tokio::test]
    async fn what_is_written_is_counted_hashed_and_read_again() {
        let mut fixture = fixture();
        let sink = fixture.sink(100);
        fixture.write(&sink, b"hello ").await.unwrap();
        fixture.write(&sink, b"world").await.unwrap();
        let finished = fixture.finish(sink).unwrap();
        assert_eq!(finished.size, 11);
        assert_eq!(
            finished.sha256,
            "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
        );

        let source = Source::open(&fixture.dir, "blob").unwrap();
        assert_eq!(source.size, 11);
        let source = fixture.table.push(source).unwrap();
        assert_eq!(fixture.read(&source, 6).await.unwrap(), b"hello ");
        assert_eq!(fixture.read(&source, u32::MAX).await.unwrap(), b"world");
        assert_eq!(fixture.read(&source, 1).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_write_beyond_the_limit_fails_and_so_does_the_finish() {
        let mut fixture = fixture();
        let sink = fixture.sink(10);
        fixture.write(&sink, &[0; 10]).await.unwrap();
        assert!(matches!(
            fixture.write(&sink, &[0; 1]).await,
            Err(Failure::Limit)
        ));
        assert!(matches!(
            fixture.write(&sink, &[0; 1]).await,
            Err(Failure::Unavailable)
        ));
        let error = fixture.finish(sink).unwrap_err();
        assert!(matches!(blob_error(&error), Some(BlobError::Torn)));
    }

    #[tokio::test]
    async fn a_chunk_of_more_than_a_mebibyte_is_refused_and_does_no_harm() {
        let mut fixture = fixture();
        let sink = fixture.sink(u64::MAX);
        let large = vec![0; MAX_CHUNK + 1];
        assert!(matches!(
            fixture.write(&sink, &large).await,
            Err(Failure::Limit)
        ));
        fixture.write(&sink, &large[1..]).await.unwrap();
        assert_eq!(fixture.finish(sink).unwrap().size, MAX_CHUNK as u64);
    }

    #[test]
    fn an_end_that_outlives_its_call_moves_no_more_bytes() {
        let fixture = fixture();
        let sink = Sink::create(&fixture.dir, "blob", 100).unwrap();
        let mut writer = sink.writer();
        writer.write_all(b"one").unwrap();
        drop(sink);
        let error = writer.write_all(b"two").unwrap_err();
        assert!(matches!(blob_error(&error), Some(BlobError::Closed)));

        let source = Source::open(&fixture.dir, "blob").unwrap();
        let mut reader = source.reader();
        drop(source);
        let error = reader.read(&mut [0; 4]).unwrap_err();
        assert!(matches!(blob_error(&error), Some(BlobError::Closed)));
    }

    #[test]
    fn a_sink_starts_empty_whatever_an_earlier_attempt_left() {
        let fixture = fixture();
        Sink::create(&fixture.dir, "blob", 100)
            .unwrap()
            .writer()
            .write_all(b"old")
            .unwrap();
        let finished = Sink::create(&fixture.dir, "blob", 100)
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!(finished.size, 0);
    }

    #[test]
    fn a_name_that_leads_out_of_the_directory_is_refused() {
        let fixture = fixture();
        assert!(Sink::create(&fixture.dir, "../blob", 1).is_err());
        assert!(Source::open(&fixture.dir, "/etc/passwd").is_err());
    }
}
