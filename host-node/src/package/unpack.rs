//! A package as the data of a snapshot. What is read was fetched from anywhere: nothing of it is
//! believed, no name of it becomes a path, and everything is bounded.

use std::io::{BufReader, Read, Seek, Write};

use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use super::form::{self, Form};
use super::manifest::{Manifest, VERSION};
use super::meter::{Limited, Meter, Metered};
use super::{PackageError, copy, directory, of_reading, of_writing};

/// Bytes of a manifest; the original's has a hundred.
const MAX_MANIFEST: u64 = 64 << 10;

/// Where content is.
const CONTENT: &str = "content/";

/// Characters of a content's name.
const MAX_NAME: usize = 255;

/// Level of what is compressed anew.
const LEVEL: i32 = 1;

/// What a package was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// The guest's tag for the data.
    pub(crate) format: String,
    /// Of the service that the data comes from, where the package says so.
    pub(crate) service_version: Option<String>,
}

/// Writes the data in `package` to `out`, in a format of `formats`, of which at most `max_bytes`
/// are decompressed. Blocks.
///
/// # Errors
///
/// [`PackageError`]; what was written is no snapshot then.
pub(crate) fn unpack(
    mut package: impl Read + Seek,
    out: impl Write,
    formats: &[String],
    max_bytes: u64,
    meter: Meter,
) -> Result<Unpacked, PackageError> {
    directory::check(&mut package)?;
    let mut zip = ZipArchive::new(package).map_err(of_zip)?;
    let manifest = manifest(&mut zip)?;
    let (index, name) = content(&mut zip)?;
    let form = match &manifest.format {
        Some(format) if formats.contains(format) => None,
        Some(format) => return Err(unknown(format)),
        None => Some(form::of_name(&name, formats).ok_or_else(|| unknown(&name))?),
    };
    let entry = zip.by_index(index).map_err(of_zip)?;
    let all = entry.size();
    let metered = Metered { inner: entry, meter, done: 0, all, note: "unpacking" };
    let format = match (form, manifest.format) {
        (Some(form), _) => convert(form, metered, out, max_bytes)?,
        (None, format) => as_it_is(metered, out, max_bytes, manifest.sha256.as_deref())
            .map(|()| format.unwrap_or_default())?,
    };
    Ok(Unpacked { format, service_version: manifest.service_version })
}

fn unknown(what: &str) -> PackageError {
    let what: String = what.chars().filter(|c| !c.is_control()).take(80).collect();
    PackageError::Invalid(format!("the service does not read {what}"))
}

fn manifest(zip: &mut ZipArchive<impl Read + Seek>) -> Result<Manifest, PackageError> {
    let entry = match zip.by_name("manifest") {
        Err(ZipError::FileNotFound) => {
            return Err(PackageError::Invalid("it has no manifest".to_owned()));
        }
        entry => entry.map_err(of_zip)?,
    };
    let mut text = Vec::new();
    Limited::new(entry, MAX_MANIFEST).read_to_end(&mut text).map_err(of_reading)?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| PackageError::Invalid(format!("its manifest is none: {error}")))?;
    if manifest.version != VERSION {
        let version = manifest.version;
        return Err(PackageError::Invalid(format!("its manifest has version {version}")));
    }
    Ok(manifest)
}

/// The first content, as the original took it: its place and its name. Every other name is looked
/// at too: whoever made one that leads elsewhere meant no good.
fn content(zip: &mut ZipArchive<impl Read + Seek>) -> Result<(usize, String), PackageError> {
    let mut found = None;
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(of_zip)?;
        let name = std::str::from_utf8(entry.name_raw()).unwrap_or_default().to_owned();
        match name.strip_prefix(CONTENT) {
            Some("") => {}
            Some(base) if is_base_name(base) => {
                found = found.or_else(|| Some((index, base.to_owned())));
            }
            None if name == "manifest" => {}
            Some(_) | None => {
                return Err(PackageError::Invalid("a name in it is not allowed".to_owned()));
            }
        }
    }
    found.ok_or_else(|| PackageError::Invalid("it has no content".to_owned()))
}

fn is_base_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':');
    name.len() <= MAX_NAME && !matches!(name, "." | "..") && name.chars().all(plain)
}

/// The same text, compressed otherwise.
fn convert(
    form: Form,
    from: impl Read,
    out: impl Write,
    max_bytes: u64,
) -> Result<String, PackageError> {
    let decoder = flate2::bufread::MultiGzDecoder::new(BufReader::new(from));
    let mut encoder = zstd::Encoder::new(out, LEVEL).map_err(of_writing)?;
    encoder.include_checksum(true).map_err(of_writing)?;
    copy(&mut Limited::new(decoder, max_bytes), &mut encoder)?;
    encoder.finish().map_err(of_writing)?;
    Ok(form.format.to_owned())
}

fn as_it_is(
    from: impl Read,
    mut out: impl Write,
    max_bytes: u64,
    sha256: Option<&str>,
) -> Result<(), PackageError> {
    let mut hash = Sha256::new();
    let mut hashing = Tee { hash: &mut hash, out: &mut out };
    copy(&mut Limited::new(from, max_bytes), &mut hashing)?;
    let found = hex::encode(hash.finalize());
    if sha256.is_some_and(|expected| expected != found) {
        return Err(PackageError::Corrupt("it does not have its checksum".to_owned()));
    }
    Ok(())
}

struct Tee<'a, W> {
    hash: &'a mut Sha256,
    out: &'a mut W,
}

impl<W: Write> Write for Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever a reader of zips dislikes is its maker's"
)]
fn of_zip(error: ZipError) -> PackageError {
    match error {
        ZipError::Io(error) if error.raw_os_error().is_some() => PackageError::Disk(error),
        other => PackageError::Invalid(other.to_string()),
    }
}
