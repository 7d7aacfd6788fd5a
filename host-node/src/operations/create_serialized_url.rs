//! Create a serialized URL: the package of a snapshot, that the URL will lead to, goes into the
//! store. The URL is the gateway's to make.

use std::sync::{Arc, Mutex};

use tenon_protocol::Fault;
use tenon_protocol::chain;
use tenon_protocol::record::{JobRecord, Package, SnapshotRecord};
use tokio_util::sync::CancellationToken;

use super::create_snapshot::storage;
use crate::capability::context::Progress;
use crate::offering::Offering;
use crate::package::{Meter, PackageError, Packing, pack};
use crate::snapshots::{Access, Aside, InstanceDir, SnapshotStore};

/// Packs `snapshot`. One that is packed already, and as it is recorded, stays.
///
/// # Errors
///
/// A numbered error; no package is left in the store that was not there.
pub(crate) async fn create_serialized_url(
    offering: &Offering,
    job: &JobRecord,
    snapshot: &SnapshotRecord,
    provider: &str,
    progress: Arc<Mutex<Progress>>,
) -> Result<Package, Fault> {
    let store = offering.snapshots.as_ref().ok_or_else(|| Fault::no_extension("serialization"))?;
    let dir = store.instance(offering.service(), &snapshot.instance).map_err(storage)?;
    let there = dir.size(&InstanceDir::package(&snapshot.id)).map_err(storage)?;
    if let Some(package) = snapshot.package.clone().filter(|known| there == Some(known.size)) {
        return Ok(package);
    }
    offering.crash.point("package.begun");
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let aside = dir.aside_of(&job.id);
    let work = Work {
        store: store.clone(),
        dir: dir.clone(),
        _aside: Arc::clone(&aside),
        job: job.clone(),
        snapshot: snapshot.clone(),
        provider: provider.to_owned(),
        meter: Meter { progress, stop },
    };
    let packed = tokio::task::spawn_blocking(move || work.pack());
    let packed = tokio::time::timeout(store.job_ttl, packed).await;
    let packed = packed.map_err(|_elapsed| Fault::job_ttl(store.job_ttl))?;
    let package = packed.map_err(|_panicked| Fault::internal())?;
    let package = package.map_err(|error| fault_of(&error, job))?;
    offering.crash.point("package.packed");
    dir.keep_package(&job.id, &snapshot.id).map_err(storage)?;
    offering.crash.point("package.stored");
    tracing::info!(instance = %job.instance, snapshot = %snapshot.id, size = package.size, "packed");
    Ok(package)
}

/// What the blocking part needs.
struct Work {
    store: SnapshotStore,
    dir: InstanceDir,
    _aside: Arc<Aside>,
    job: JobRecord,
    snapshot: SnapshotRecord,
    provider: String,
    meter: Meter,
}

impl Work {
    /// Writes the package aside, durably.
    fn pack(self) -> Result<Package, PackageError> {
        let aside = InstanceDir::aside(&self.job.id);
        let name = InstanceDir::name(&self.snapshot.id);
        let data = self.dir.dir().open(&name).map_err(PackageError::Disk)?.into_std();
        let out = self.dir.create(&aside, Access::Group).map_err(PackageError::Disk)?;
        let what = Packing {
            snapshot: &self.snapshot.id,
            format: &self.snapshot.format,
            size: self.snapshot.size,
            sha256: &self.snapshot.sha256,
            service_version: &self.snapshot.version,
            plan: &self.snapshot.plan,
            provider: &self.provider,
        };
        pack(&what, data, &out, self.store.max_bytes, self.meter)?;
        out.sync_all().map_err(PackageError::Disk)?;
        let size = out.metadata().map_err(PackageError::Disk)?.len();
        let sha256 = self.dir.sha256_of(&aside).map_err(PackageError::Disk)?;
        Ok(Package { size, sha256 })
    }
}

fn fault_of(error: &PackageError, job: &JobRecord) -> Fault {
    tracing::error!(error = %chain(error), job = %job.id, "a snapshot is not packed");
    match error {
        PackageError::Corrupt(_) => Fault::snapshot_corrupt(),
        PackageError::Disk(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Fault::snapshot_corrupt()
        }
        PackageError::Disk(_) => Fault::unavailable(),
        PackageError::Invalid(_) | PackageError::TooLarge(_) | PackageError::Stopped => {
            Fault::internal()
        }
    }
}
