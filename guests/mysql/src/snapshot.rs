//! Snapshots: the node dumps and loads, not a byte enters the sandbox.

use tenon_guest::blob::{Sink, Source};
use tenon_guest::{Call, Error, Facts, Instance, Result, Snapshots};

use crate::{MySql, instance};

/// What the node's `dump` writes and `load` reads.
const FORMAT: &str = "mysql-dump/1";

impl Snapshots for MySql {
    fn formats() -> Vec<String> {
        vec![FORMAT.to_owned()]
    }

    fn snapshot(cx: &Call<'_>, instance: &Instance, out: &Sink<'_>) -> Result<Facts> {
        let bytes = instance::open(cx, instance)?.dump(out)?;
        Ok(Facts::new().with("bytes", bytes).with("server", instance.version.as_str()))
    }

    fn restore(cx: &Call<'_>, instance: &Instance, input: &Source<'_>, format: &str) -> Result<()> {
        if format != FORMAT {
            return Err(Error::corrupt_data(
                0,
                format!("snapshot has the unknown format {format:?}"),
            ));
        }
        instance::open(cx, instance)?.load(input)?;
        Ok(())
    }
}
