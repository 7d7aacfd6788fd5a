//! How many entries a zip claims to have, looked at before its directory is read into memory.

use std::io::{self, Read, Seek, SeekFrom};

use super::PackageError;

/// A package has two; the rest is room for services of the original that had more files.
const MAX_ENTRIES: u64 = 64;

/// The end of a directory may have so much behind it: a comment.
const TAIL: u64 = 22 + 65_535;

const END: &[u8] = b"PK\x05\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";

/// Refuses a file whose directory, wherever a reader may find it, is not short.
///
/// # Errors
///
/// [`PackageError::Invalid`]; [`PackageError::Disk`] when it cannot be read.
pub(super) fn check(file: &mut (impl Read + Seek)) -> Result<(), PackageError> {
    let size = file.seek(SeekFrom::End(0)).map_err(PackageError::Disk)?;
    let tail = read_at(file, size.saturating_sub(TAIL), TAIL)?;
    let mut ends = 0;
    for at in 0..tail.len() {
        let Some(rest) = tail.get(at..) else { break };
        if rest.starts_with(END) {
            ends += 1;
            few(number(rest, 10, 2))?;
        }
        if rest.starts_with(LOCATOR) {
            // Its directory's end is elsewhere, and counts in a longer number.
            let place = number(rest, 8, 8).unwrap_or(u64::MAX).min(size);
            few(number(&read_at(file, place, 56)?, 32, 8))?;
        }
    }
    if ends == 0 {
        return Err(PackageError::Invalid("it has no directory".to_owned()));
    }
    file.rewind().map_err(PackageError::Disk)
}

fn few(entries: Option<u64>) -> Result<(), PackageError> {
    if entries.is_some_and(|entries| entries <= MAX_ENTRIES) {
        return Ok(());
    }
    Err(PackageError::Invalid(format!("it has more than {MAX_ENTRIES} entries")))
}

fn read_at(file: &mut (impl Read + Seek), place: u64, most: u64) -> Result<Vec<u8>, PackageError> {
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(place))
        .and_then(|_| io::Read::take(&mut *file, most).read_to_end(&mut bytes));
    read.map_err(PackageError::Disk)?;
    Ok(bytes)
}

/// The little-endian number of `length` bytes at `at`.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}
