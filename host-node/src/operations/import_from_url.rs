//! Import from a URL: a package is fetched, or taken from the store when it lies there, looked at,
//! and becomes the data of a new snapshot. Nothing is rolled back.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::link::Linked;
use tenon_protocol::record::{JobRecord, RECORD_VERSION, SnapshotRecord};
use tenon_protocol::{Fault, Secret, SnapshotId};
use tokio_util::sync::CancellationToken;

use super::create_snapshot::{in_time, job_facts, name_of, present, storage};
use crate::capability::blob::{Finished, Sink};
use crate::capability::context::Progress;
use crate::fetch::{fetch, shown};
use crate::guest::Formats;
use crate::offering::Offering;
use crate::package::{Meter, PackageError, Unpacked, unpack};
use crate::snapshots::{Access, Aside, InstanceDir, SnapshotStore};

/// What is imported.
#[derive(Clone, Copy)]
pub(crate) struct Import<'a> {
    pub(crate) snapshot: &'a SnapshotId,
    pub(crate) url: &'a Secret,
    /// What of the store the URL leads to, if it does.
    pub(crate) linked: Option<&'a Linked>,
    pub(crate) name: Option<&'a str>,
}

/// Lets the package behind the URL be a snapshot of the job's instance.
///
/// Returns its record, to be written once the data is safe, which it is.
///
/// # Errors
///
/// A numbered error; nothing is left in the store.
pub(crate) async fn import_from_url(
    offering: &Offering,
    job: &JobRecord,
    import: Import<'_>,
    progress: Arc<Mutex<Progress>>,
) -> Result<SnapshotRecord, Fault> {
    let store = offering.snapshots.as_ref().ok_or_else(|| Fault::no_extension("serialization"))?;
    drop(present(offering, job)?);
    let dir = store.instance(offering.service(), &job.instance).map_err(storage)?;
    let done = tokio::time::timeout(
        store.job_ttl,
        fetch_and_keep(offering, (store, &dir), job, import, progress),
    );
    done.await.unwrap_or_else(|_elapsed| Err(Fault::job_ttl(store.job_ttl)))
}

async fn fetch_and_keep(
    offering: &Offering,
    (store, dir): (&SnapshotStore, &InstanceDir),
    job: &JobRecord,
    import: Import<'_>,
    progress: Arc<Mutex<Progress>>,
) -> Result<SnapshotRecord, Fault> {
    let called = offering.call(&job_facts(job, Arc::clone(&progress)), Formats).await;
    let formats = called.map_err(|failure| failure.to_fault())?.output;
    offering.crash.point("fetch.begun");
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let meter = Meter { progress, stop };
    let aside = dir.aside_of(&job.id);
    let package = match import.linked {
        Some(linked) => stored(store, job, linked, import.url),
        None => fetched((store, dir), job, import.url, &meter).await,
    }?;
    let size = package.metadata().map_err(storage)?.len();
    offering.crash.point("fetch.fetched");
    let work = Work {
        dir: dir.clone(),
        _aside: Arc::clone(&aside),
        job: job.clone(),
        package,
        formats,
        max: store.max_bytes,
        meter,
    };
    let unpacked = tokio::task::spawn_blocking(move || work.unpack()).await;
    let unpacked = unpacked.map_err(|_panicked| Fault::internal())?;
    let (found, data) = unpacked.map_err(|error| fault_of(&error, import.url, size))?;
    offering.crash.point("fetch.unpacked");
    // Not before: a removal does not wait for a fetch.
    let _beside = in_time(offering.locks.shared(&job.instance)).await?;
    let entry = present(offering, job)?;
    dir.keep(&job.id, import.snapshot).map_err(storage)?;
    offering.crash.point("fetch.stored");
    let created = Millis::now();
    Ok(SnapshotRecord {
        v: RECORD_VERSION,
        id: import.snapshot.clone(),
        instance: job.instance.clone(),
        service: job.service.clone(),
        node: job.node.clone(),
        plan: entry.plan,
        version: found.service_version.unwrap_or(entry.version),
        format: found.format,
        size: data.size,
        sha256: data.sha256,
        created,
        name: name_of(import.name, created),
        package: None,
    })
}

/// What is behind `url`, fetched.
async fn fetched(
    (store, dir): (&SnapshotStore, &InstanceDir),
    job: &JobRecord,
    url: &Secret,
    meter: &Meter,
) -> Result<File, Fault> {
    let name = InstanceDir::fetched(&job.id);
    let out = dir.create(&name, Access::Node).map_err(storage)?;
    fetch(url, &store.fetching, out, meter).await.map_err(|error| {
        let from = shown(url.reveal());
        tracing::warn!(error = %chain(&error), from, "nothing is fetched");
        error.to_fault(url)
    })?;
    Ok(dir.dir().open(name).map_err(storage)?.into_std())
}

/// What lies in the store; `url` led to it.
fn stored(
    store: &SnapshotStore,
    job: &JobRecord,
    linked: &Linked,
    url: &Secret,
) -> Result<File, Fault> {
    let from = shown(url.reveal());
    let file = match linked {
        Linked::Download(package) if package.service != job.service => {
            tracing::warn!(from, of = %package.service, "a package is another service's");
            return Err(Fault::package_invalid(&from));
        }
        Linked::Download(_) | Linked::Upload(_) => store.linked(linked).map_err(storage)?,
    };
    let Some(file) = file else {
        tracing::warn!(from, "a package is not in the store, or no more");
        return Err(Fault::package_invalid(&from));
    };
    let (size, most) = (file.metadata().map_err(storage)?.len(), store.fetching.max_bytes);
    if size > most {
        return Err(Fault::package_too_large(&from, size, most));
    }
    Ok(file)
}

/// What the blocking part needs.
struct Work {
    dir: InstanceDir,
    _aside: Arc<Aside>,
    job: JobRecord,
    package: File,
    formats: Vec<String>,
    max: u64,
    meter: Meter,
}

impl Work {
    /// Writes the data aside, durably.
    fn unpack(self) -> Result<(Unpacked, Finished), PackageError> {
        let dir = self.dir.dir();
        let aside = InstanceDir::aside(&self.job.id);
        let sink = Sink::create(dir, &aside, self.max).map_err(PackageError::Disk)?;
        let mut out = io::BufWriter::new(sink.writer());
        let package = io::BufReader::new(self.package);
        let found = unpack(package, &mut out, &self.formats, self.max, self.meter)?;
        out.flush().map_err(PackageError::Disk)?;
        drop(out);
        Ok((found, sink.finish().map_err(PackageError::Disk)?))
    }
}

fn fault_of(error: &PackageError, url: &Secret, size: u64) -> Fault {
    let from = shown(url.reveal());
    tracing::warn!(error = %chain(error), from, size, "a package is refused");
    match error {
        PackageError::Invalid(_) => Fault::package_invalid(&from),
        PackageError::Corrupt(_) => Fault::snapshot_corrupt(),
        PackageError::TooLarge(most) => {
            Fault::package_too_large(&from, most.saturating_add(1), *most)
        }
        PackageError::Stopped => Fault::internal(),
        PackageError::Disk(_) => Fault::unavailable(),
    }
}
