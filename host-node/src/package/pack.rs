//! A snapshot as a package. The same snapshot gives the same bytes: no time is in them.

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest, Sha256};
use tenon_protocol::SnapshotId;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::form::{self, Form};
use super::manifest::{Manifest, VERSION};
use super::meter::{Meter, Metered};
use super::{Cut, PackageError, copy, of_reading, of_writing};

/// Most memory that a snapshot may ask of the decompressor: 128 MiB, the format's usual bound.
const WINDOW_LOG: u32 = 27;

/// Content of a larger snapshot may pass 4 GiB, beyond which a zip needs fields that tools of 2013
/// cannot read; below it they are left out.
const LARGE: u64 = 256 << 20;

/// As the original's.
const MODE: u32 = 0o644;

/// What is packed.
pub(crate) struct Packing<'a> {
    pub(crate) snapshot: &'a SnapshotId,
    /// The guest's tag for the data.
    pub(crate) format: &'a str,
    /// Bytes of the data, and what they are expected to be.
    pub(crate) size: u64,
    pub(crate) sha256: &'a str,
    pub(crate) service_version: &'a str,
    pub(crate) plan: &'a str,
    pub(crate) provider: &'a str,
}

/// Writes a package of `data` to `out`, at most `max_bytes`. Blocks.
///
/// # Errors
///
/// [`PackageError::Corrupt`] when the data is not what it was; what was written is none then.
pub(crate) fn pack(
    what: &Packing<'_>,
    data: impl Read,
    out: impl Write + Seek,
    max_bytes: u64,
    meter: Meter,
) -> Result<(), PackageError> {
    let form = form::of_format(what.format);
    let as_it_is = form.is_none();
    let manifest = Manifest {
        version: VERSION,
        service_version: Some(what.service_version.to_owned()),
        plan: Some(what.plan.to_owned()),
        provider: Some(what.provider.to_owned()),
        format: as_it_is.then(|| what.format.to_owned()),
        sha256: as_it_is.then(|| what.sha256.to_owned()),
    };
    let metered = Metered { inner: data, meter, done: 0, all: what.size, note: "packing" };
    let mut hashed = Hashed { inner: metered, hash: Sha256::new() };
    let mut zip = ZipWriter::new(Bounded { inner: out, at: 0, max: max_bytes });
    let options = SimpleFileOptions::default()
        // Content is compressed already.
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(MODE);
    zip.start_file("manifest", options).map_err(of_zip)?;
    let manifest = serde_json::to_vec(&manifest).map_err(|error| of_writing(error.into()))?;
    zip.write_all(&manifest).map_err(of_writing)?;
    let name = format!("content/{}{}", what.snapshot, form.map_or(".data", |form| form.suffix));
    zip.start_file(name, options.large_file(what.size > LARGE)).map_err(of_zip)?;
    content(form, &mut hashed, &mut zip)?;
    if hex::encode(hashed.hash.finalize()) != what.sha256 {
        return Err(PackageError::Corrupt("it does not have its checksum".to_owned()));
    }
    zip.finish().map_err(of_zip)?;
    Ok(())
}

fn content(
    form: Option<Form>,
    data: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), PackageError> {
    if form.is_none() {
        return copy(data, out).map(drop);
    }
    let mut decoder = zstd::Decoder::new(&mut *data).map_err(of_reading)?;
    decoder.window_log_max(WINDOW_LOG).map_err(of_reading)?;
    // Levels are a matter of time: the faster one is a tenth larger.
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    copy(&mut decoder, &mut encoder)?;
    encoder.finish().map_err(of_writing)?;
    // The checksum is over all of it.
    copy(data, &mut io::sink()).map(drop)
}

fn of_zip(error: zip::result::ZipError) -> PackageError {
    of_writing(error.into())
}

struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// A writer that refuses to go beyond `max` bytes.
struct Bounded<W> {
    inner: W,
    at: u64,
    max: u64,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.at.saturating_add(bytes.len() as u64) > self.max {
            return Err(io::Error::other(Cut::Limit(self.max)));
        }
        let written = self.inner.write(bytes)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Seek> Seek for Bounded<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.inner.seek(to)?;
        Ok(self.at)
    }
}
