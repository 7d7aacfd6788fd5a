//! Snapshots: the node packs and unpacks, not a byte enters the sandbox.

use tenon_guest::blob::{Sink, Source};
use tenon_guest::{Call, Error, Facts, Instance, Result, Snapshots};

use crate::{Files, directory};

/// What the node's `pack` writes and `unpack` reads.
const FORMAT: &str = "files-tar/1";

impl Snapshots for Files {
    fn formats() -> Vec<String> {
        vec![FORMAT.to_owned()]
    }

    fn snapshot(cx: &Call<'_>, instance: &Instance, out: &Sink<'_>) -> Result<Facts> {
        let bytes = directory::open(cx, instance)?.pack(out)?;
        Ok(Facts::new().with("bytes", bytes))
    }

    fn restore(cx: &Call<'_>, instance: &Instance, input: &Source<'_>, format: &str) -> Result<()> {
        if format != FORMAT {
            return Err(Error::corrupt_data(
                0,
                format!("snapshot has the unknown format {format:?}"),
            ));
        }
        directory::open(cx, instance)?.unpack(input)?;
        Ok(())
    }
}
