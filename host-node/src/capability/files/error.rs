//! What can go wrong with files, and what a guest hears of it.

use std::io;

use rustix::io::Errno;
use tenon_protocol::chain;

use crate::capability::blob::{BlobError, blob_error};
use crate::guest::bindings::tenon::host::files::Failure;

/// Why a call of the interface failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    /// The operator gave this guest no files.
    #[error("files are not granted")]
    NotGranted,
    /// Guest's: a label or path that is not allowed, or a tree deeper than one can be.
    #[error("label or path is not allowed")]
    BadPath,
    /// Guest's: something is there already.
    #[error("it is there already")]
    Exists,
    /// Guest's: nothing is there, or it is of another kind.
    #[error("it is not there")]
    NotFound,
    /// Guest's, or the disk's: no room.
    #[error("there is no room")]
    Quota,
    /// Guest's: a directory with something in it.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The archive's: damaged, or with entries that cannot be.
    #[error("the archive is damaged: {0}")]
    Corrupt(String),
    /// The disk's, or the node's.
    #[error("files do not answer")]
    Unavailable(#[source] io::Error),
}

impl From<io::Error> for FilesError {
    fn from(error: io::Error) -> Self {
        if let Some(blob) = blob_error(&error) {
            return match blob {
                BlobError::Limit { .. } => Self::Quota,
                BlobError::Closed | BlobError::Torn => Self::Unavailable(error),
            };
        }
        match Errno::from_io_error(&error) {
            Some(Errno::EXIST) => Self::Exists,
            Some(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => Self::NotFound,
            Some(Errno::NOTEMPTY) => Self::NotEmpty,
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::Quota,
            Some(Errno::LOOP | Errno::NAMETOOLONG | Errno::INVAL) => Self::BadPath,
            // Thus cap-std answers a symbolic link that leads out: without an errno.
            None if error.kind() == io::ErrorKind::PermissionDenied => Self::BadPath,
            Some(_) | None => Self::Unavailable(error),
        }
    }
}

impl FilesError {
    /// What the guest hears. The cause goes to the node's log: it may name other tenants' paths.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::NotGranted => Failure::NotGranted,
            Self::BadPath => Failure::BadPath,
            Self::Exists => Failure::Exists,
            Self::NotFound => Failure::NotFound,
            Self::Quota => Failure::Quota,
            Self::NotEmpty => Failure::NotEmpty,
            Self::Corrupt(why) => {
                tracing::warn!(why, "an archive cannot be unpacked");
                Failure::Corrupt
            }
            Self::Unavailable(cause) => {
                tracing::error!(error = %chain(&cause), "files do not answer");
                Failure::Unavailable
            }
        }
    }
}
