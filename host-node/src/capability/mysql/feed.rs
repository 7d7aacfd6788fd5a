//! Feeds a dump to a server's client program, in the name of the database's helper.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Database;
use super::definer::{CopyError, Ending, copy_without_definers};
use super::error::MysqlError;
use super::helper::Helper;
use super::program::{Complaint, Job, Task};
use super::statement::Flavour;
use crate::capability::blob::{SourceReader, blob_error};

/// Between zstd, the filter and the program.
const BUFFER: usize = 128 << 10;

/// Most memory that a dump may ask of the decompressor: 128 MiB, the format's usual bound.
const WINDOW_LOG: u32 = 27;

/// What the program does with a statement that the server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It ends, and the dump is told to be bad.
    Ends,
    /// It goes on, and the last one is logged.
    IsSkipped,
}

impl Database {
    /// Fills the empty database from a dump; bytes read. Dropped, it ends the program.
    pub(super) async fn feed(
        &self,
        helper: &Helper,
        flavour: Flavour,
        input: SourceReader,
        refusal: Refusal,
    ) -> Result<u64, MysqlError> {
        let job = Job {
            task: match refusal {
                Refusal::Ends => Task::Load,
                Refusal::IsSkipped => Task::Salvage,
            },
            flavour,
            settings: &self.server.settings,
            user: helper.name.as_str(),
            password: helper.password.reveal(),
            database: &self.name,
            left_out: &[],
        };
        let mut loading = self.server.programs.start(&job, self.context.scratch())?;
        let to = loading.input().map_err(|error| MysqlError::node("a pipe", error))?;
        let pump = tokio::task::spawn_blocking(move || pump(input, to));
        let ended = loading.wait().await.map_err(|error| MysqlError::node("a load", error))?;
        let pumped = pump.await.map_err(|panic| MysqlError::node("a load", panic.into()))?;
        self.result_of(pumped, ended.complaint(), refusal)
    }

    fn result_of(
        &self,
        pumped: Result<(u64, Ending), CopyError>,
        complaint: Option<Complaint>,
        refusal: Refusal,
    ) -> Result<u64, MysqlError> {
        match (pumped, complaint) {
            (Err(CopyError::Read(error)), _) => Err(of_input(&error)),
            (Ok((bytes, Ending::Completed)), None) => Ok(bytes),
            (Ok((_, Ending::CutOff)), None) => {
                Err(MysqlError::Corrupt("it ends before its end".to_owned()))
            }
            (_, Some(complaint)) if complaint.is_passing() => {
                let cause = io::Error::other(complaint.message);
                Err(MysqlError::away(self.server.version(), cause))
            }
            (Ok((bytes, Ending::Completed)), Some(complaint)) if refusal == Refusal::IsSkipped => {
                let (database, complaint) = (self.name.as_str(), complaint.message);
                tracing::error!(database, complaint, "the old content is back without all of it");
                Ok(bytes)
            }
            (_, Some(complaint)) => Err(MysqlError::Corrupt(complaint.message)),
            (Err(CopyError::Write(error)), None) => Err(MysqlError::node("a load", error)),
        }
    }
}

/// What can be read is the dump's fault, unless it is the call's end.
fn of_input(error: &io::Error) -> MysqlError {
    if blob_error(error).is_some() {
        return MysqlError::Interrupted("the call is over");
    }
    MysqlError::Corrupt(error.to_string())
}

/// How a dump compressed by gzip begins, as the original's backups and packages are.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a dump says, however it is compressed. Blocks.
fn decompressed(input: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let gzip = input.fill_buf()?.starts_with(&GZIP);
    if gzip {
        let decoder = flate2::bufread::MultiGzDecoder::new(input);
        return Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)));
    }
    let mut decoder = zstd::Decoder::with_buffer(input)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)))
}

/// Decompresses a dump into a program, without its definers; bytes read. Blocks.
fn pump(input: SourceReader, to: File) -> Result<(u64, Ending), CopyError> {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted { inner: input, read: Arc::clone(&read) };
    let from = decompressed(counted).map_err(CopyError::Read)?;
    let mut to = BufWriter::with_capacity(BUFFER, to);
    let ending = copy_without_definers(from, &mut to)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Cursor;

    fn text(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        decompressed(Cursor::new(bytes))?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_dump_of_ours_and_one_of_the_original_say_the_same() {
        assert_eq!(text(zstd::encode_all(&b"SQL"[..], 1).unwrap()).unwrap(), "SQL");
        assert_eq!(text(gzip("SQL")).unwrap(), "SQL");
        // As programs that compress in parallel write it.
        assert_eq!(text([gzip("S"), gzip("QL")].concat()).unwrap(), "SQL");
    }

    #[test]
    fn a_dump_that_is_cut_off_or_none_is_an_error() {
        let mut cut = gzip("SQL, and more of it");
        cut.truncate(cut.len() - 4);
        assert!(text(cut).is_err());
        assert!(text(b"SQL".to_vec()).is_err());
    }
}
