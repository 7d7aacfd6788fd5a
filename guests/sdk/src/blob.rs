//! Bulk bytes on their way into or out of a snapshot.
//!
//! A service hands a sink or a source on to another capability, so that no byte of the data enters
//! the sandbox, or moves chunks itself; the node owns transport, checksum and compression.

use crate::host::blob;

// The contract's word, under the module that a reader looks for it in.
pub use crate::bindings::imports::tenon::host::blob::Failure;

/// Most bytes that one call to the node carries.
const CHUNK: u32 = 1 << 20;

/// Where a snapshot goes.
#[derive(Clone, Copy)]
pub struct Sink<'a> {
    pub(crate) raw: &'a blob::Sink,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(raw: &'a blob::Sink) -> Self {
        Self { raw }
    }

    /// Appends bytes, any number of them.
    ///
    /// # Errors
    /// When the transfer was ended, or is beyond its limit.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        bytes.chunks(CHUNK as usize).try_for_each(|chunk| self.raw.write(chunk))
    }

    /// Bytes written so far, also by other capabilities.
    pub fn written(&self) -> u64 {
        self.raw.written()
    }
}

/// Where a snapshot is restored from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub(crate) raw: &'a blob::Source,
}

impl<'a> Source<'a> {
    pub(crate) fn new(raw: &'a blob::Source) -> Self {
        Self { raw }
    }

    /// The next bytes, at most `max` and at most 1 MiB; `None` at the end.
    ///
    /// # Errors
    /// When the transfer was ended, or does not match its checksum.
    pub fn read(&self, max: u32) -> Result<Option<Vec<u8>>, Failure> {
        let bytes = self.raw.read(max.min(CHUNK))?;
        Ok(if bytes.is_empty() { None } else { Some(bytes) })
    }

    /// All that is left, for small content.
    ///
    /// # Errors
    /// As [`Source::read`]; [`Failure::Limit`] when there is more than `max`.
    pub fn read_all(&self, max: usize) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        while let Some(mut bytes) = self.read(CHUNK)? {
            if all.len() + bytes.len() > max {
                return Err(Failure::Limit);
            }
            all.append(&mut bytes);
        }
        Ok(all)
    }

    /// Bytes in total.
    pub fn size(&self) -> u64 {
        self.raw.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Blob;

    #[test]
    fn more_than_a_chunk_is_written_and_read_in_chunks() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
        let blob = Blob::new();
        blob.sink().write(&bytes).unwrap();
        assert_eq!(blob.sink().written(), 3_000_000);
        assert_eq!(blob.source().read(u32::MAX).unwrap().unwrap().len(), CHUNK as usize);
        assert!(blob.source().read_all(3_000_000).unwrap() == bytes);
    }

    #[test]
    fn reading_more_than_expected_is_refused() {
        assert_eq!(Blob::with_bytes(b"four").source().read_all(3), Err(Failure::Limit));
    }

    #[test]
    fn a_full_sink_is_told_to_the_writer() {
        assert_eq!(Blob::new().limited(3).sink().write(b"four"), Err(Failure::Limit));
    }
}
