//! The package of a snapshot, as the original wrote and read it: a zip of a `manifest` in JSON and
//! of `content/<name>`. Reference, section 6.5.
//!
//! Works on files that it is given; knows no jobs, and no service but the forms in which the
//! original's services kept their data ([`form`]).

mod directory;
mod form;
mod manifest;
mod meter;
mod pack;
mod unpack;

use std::io;

use crate::capability::blob::{BlobError, blob_error};

pub(crate) use meter::Meter;
pub(crate) use pack::{Packing, pack};
pub(crate) use unpack::{Unpacked, unpack};

/// Why a package was not written, or not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackageError {
    /// What was fetched is no package of ours, or of the original.
    #[error("it is no package: {0}")]
    Invalid(String),
    /// Its content is not what its maker put in, or cannot be decompressed.
    #[error("its content is damaged: {0}")]
    Corrupt(String),
    /// Beyond what a snapshot may have.
    #[error("its content has more than {0} bytes")]
    TooLarge(u64),
    /// The job is over.
    #[error("the job is over")]
    Stopped,
    /// The disk.
    #[error("the snapshot store failed")]
    Disk(#[source] io::Error),
}

/// The end of a job, and the end of what may be written, as they travel inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the job is over")]
    Stopped,
    #[error("more than {0} bytes")]
    Limit(u64),
}

/// What an error of reading compressed bytes means: the disk's, or the bytes' own.
fn of_reading(error: io::Error) -> PackageError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Cut>()) {
        Some(Cut::Stopped) => PackageError::Stopped,
        Some(Cut::Limit(limit)) => PackageError::TooLarge(*limit),
        None if error.raw_os_error().is_some() => PackageError::Disk(error),
        None => PackageError::Corrupt(error.to_string()),
    }
}

/// What an error of writing means: the disk's, or a bound.
fn of_writing(error: io::Error) -> PackageError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Cut>()) {
        Some(Cut::Stopped) => PackageError::Stopped,
        Some(Cut::Limit(limit)) => PackageError::TooLarge(*limit),
        None => match blob_error(&error) {
            Some(BlobError::Limit { limit }) => PackageError::TooLarge(*limit),
            Some(BlobError::Closed | BlobError::Torn) | None => PackageError::Disk(error),
        },
    }
}

/// Copies all of `from`, telling the fault of one end from that of the other.
fn copy(from: &mut impl io::Read, to: &mut impl io::Write) -> Result<u64, PackageError> {
    const BUFFER: usize = 128 << 10;
    let mut buffer = vec![0; BUFFER];
    let mut copied = 0;
    loop {
        let read = from.read(&mut buffer).map_err(of_reading)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(copied);
        };
        to.write_all(bytes).map_err(of_writing)?;
        copied += read as u64;
    }
}

#[cfg(test)]
mod tests;
