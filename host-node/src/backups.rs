//! Periodic backups: a directory laid out as the original's.
//!
//! `backups/<service>/<aa>/<bb>/<cc>/<id>/<epoch>/` holds the data, `<id>.sql.gz` for databases,
//! and beside them `<id>.json` with their checksum. A backup of the original has no such file, and
//! is believed without. All of it blocks.

mod manifest;
pub(crate) mod rotation;

use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, OpenOptions, OpenOptionsExt};
use flate2::Compression;
use flate2::write::GzEncoder;
use tenon_protocol::clock::Millis;
use tenon_protocol::{InstanceId, NodeId, ServiceName};

use self::manifest::Manifest;
use crate::durable;
use crate::exports::sha256;

/// The guests' format that the original has too, under another compression.
const SQL: &str = "mysql-dump/1";

/// What precedes the id proper in ids of some services; it is no part of the path.
const PREFIXES: [&str; 2] = ["mongodb-", "redis-"];

/// What the guest wrote, before it has its name.
const RAW: &str = "raw.part";

/// A directory that is being written.
const ASIDE: &str = ".part";

/// Says when the instance ended, in seconds since the epoch. It outlives the ledger's tomb.
const ENDED: &str = ".ended";

/// The directory of all backups.
#[derive(Clone)]
pub(crate) struct BackupStore {
    dir: Arc<Dir>,
    path: PathBuf,
    pub(crate) max_bytes: u64,
    /// Zero: only when asked for.
    pub(crate) every_seconds: u64,
}

/// What a guest wrote, to be kept.
pub(crate) struct Taken {
    pub(crate) plan: String,
    pub(crate) version: String,
    pub(crate) format: String,
}

/// Data that can be restored.
pub(crate) struct Found {
    pub(crate) dir: Arc<Dir>,
    pub(crate) file: String,
    pub(crate) format: String,
}

/// Why there is nothing to restore.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// Caller's fault: the node looks nowhere else.
    #[error("the path is not below the directory of backups")]
    Outside,
    /// Caller's fault.
    #[error("there is no backup of the instance")]
    Nothing,
    /// The stored bytes are not those that were stored.
    #[error("the backup is damaged")]
    Damaged,
    /// The disk.
    #[error("the backup cannot be read")]
    Disk(#[from] io::Error),
}

impl BackupStore {
    /// Opens the directory at `path`, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn open(path: &Path, max_bytes: u64, every_seconds: u64) -> io::Result<Self> {
        Dir::create_ambient_dir_all(path, ambient_authority())?;
        let dir = Arc::new(Dir::open_ambient_dir(path, ambient_authority())?);
        Ok(Self { dir, path: path.to_owned(), max_bytes, every_seconds })
    }

    /// The backup of `instance` in the directory `path`, which an operator names.
    ///
    /// # Errors
    ///
    /// [`FindError`].
    pub(crate) fn find(&self, path: &str, instance: &InstanceId) -> Result<Found, FindError> {
        let inner = self.inner(path).ok_or(FindError::Outside)?;
        let dir = self.dir.open_dir(&inner).map_err(not_opened)?;
        let Some(manifest) = Manifest::read(&dir, instance)? else {
            // The original's: it kept databases only.
            let file = format!("{instance}.sql.gz");
            let there = dir.metadata(&file).is_ok_and(|found| found.is_file());
            let found = Found { dir: Arc::new(dir), file, format: SQL.to_owned() };
            return there.then_some(found).ok_or(FindError::Nothing);
        };
        if manifest.file != data_name(instance, &manifest.format) {
            return Err(FindError::Damaged);
        }
        let data = dir.open(&manifest.file).map_err(|error| match not_opened(error) {
            FindError::Nothing => FindError::Damaged,
            error @ (FindError::Outside | FindError::Damaged | FindError::Disk(_)) => error,
        })?;
        let right_size = data.metadata()?.len() == manifest.size;
        if !right_size || sha256(data)? != manifest.sha256 {
            return Err(FindError::Damaged);
        }
        Ok(Found { dir: Arc::new(dir), file: manifest.file, format: manifest.format })
    }

    /// `path` from the directory of backups on; `None` when it leads elsewhere.
    fn inner(&self, path: &str) -> Option<PathBuf> {
        let path = Path::new(path);
        let inner = if path.is_absolute() { path.strip_prefix(&self.path).ok()? } else { path };
        let parts = inner.components().filter(|part| *part != Component::CurDir);
        let plain: Option<PathBuf> = parts
            .map(|part| match part {
                Component::Normal(name) => Some(name),
                Component::Prefix(_)
                | Component::RootDir
                | Component::CurDir
                | Component::ParentDir => None,
            })
            .collect();
        plain.filter(|inner| inner.file_name().is_some())
    }

    /// The place of one instance's backups; `None` when there never was one.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn instance(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> io::Result<Option<InstanceBackups>> {
        match self.dir.open_dir(place(service, instance)) {
            Ok(dir) => Ok(Some(InstanceBackups::of(dir, service, instance))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same, made if it is not there.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn make_instance(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> io::Result<InstanceBackups> {
        let path = place(service, instance);
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        self.dir.create_dir_with(&path, &builder)?;
        Ok(InstanceBackups::of(self.dir.open_dir(&path)?, service, instance))
    }

    /// Ids of all instances of `service` that have a place here.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn instances(&self, service: &ServiceName) -> io::Result<Vec<InstanceId>> {
        let top = match self.dir.open_dir(format!("backups/{service}")) {
            Ok(top) => top,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut level = vec![top];
        for _depth in 0..3 {
            let mut below = Vec::new();
            for dir in level {
                for name in names(&dir)? {
                    below.extend(dir.open_dir(name).ok());
                }
            }
            level = below;
        }
        let mut found = Vec::new();
        for dir in level {
            found.extend(names(&dir)?.into_iter().filter_map(|name| InstanceId::new(name).ok()));
        }
        Ok(found)
    }
}

/// One instance's backups.
#[derive(Clone)]
pub(crate) struct InstanceBackups {
    dir: Arc<Dir>,
    service: ServiceName,
    instance: InstanceId,
}

impl InstanceBackups {
    fn of(dir: Dir, service: &ServiceName, instance: &InstanceId) -> Self {
        Self { dir: Arc::new(dir), service: service.clone(), instance: instance.clone() }
    }

    /// When each was taken: seconds since the epoch, which are their names.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn taken(&self) -> io::Result<Vec<u64>> {
        Ok(names(&self.dir)?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The node that took the newest; `None` when that is not known.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn taken_last_by(&self) -> io::Result<Option<NodeId>> {
        let Some(newest) = self.taken()?.into_iter().max() else { return Ok(None) };
        let dir = self.dir.open_dir(newest.to_string())?;
        Ok(Manifest::read(&dir, &self.instance).ok().flatten().map(|manifest| manifest.node))
    }

    /// When the instance ended; `None` while nobody said that it did.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn ended(&self) -> io::Result<Option<u64>> {
        match self.dir.read_to_string(ENDED) {
            // Cut off by a crash it says nothing.
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes down when the instance ended.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn set_ended(&self, epoch: u64) -> io::Result<()> {
        let mut file = create(&self.dir, ENDED)?;
        file.write_all(format!("{epoch}\n").as_bytes())?;
        file.sync_all()
    }

    /// It is there after all, here or elsewhere.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn set_there(&self) -> io::Result<()> {
        match self.dir.remove_file(ENDED) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// An empty directory for a backup, in the place of what a crash left. The guest writes into
    /// the file that [`Self::raw`] names.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn begin(&self, epoch: u64) -> io::Result<Arc<Dir>> {
        for name in names(&self.dir)?.iter().filter(|name| name.ends_with(ASIDE)) {
            self.dir.remove_dir_all(name)?;
        }
        let aside = format!("{epoch}{ASIDE}");
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        self.dir.create_dir_with(&aside, &builder)?;
        Ok(Arc::new(self.dir.open_dir(&aside)?))
    }

    /// The name of what the guest writes.
    pub(crate) const fn raw() -> &'static str {
        RAW
    }

    /// Lets what was written be the backup of that time, durably.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn keep(
        &self,
        epoch: u64,
        aside: &Dir,
        taken: Taken,
        node: &NodeId,
    ) -> io::Result<()> {
        let file = data_name(&self.instance, &taken.format);
        if taken.format == SQL {
            zstd_to_gzip(aside.open(RAW)?, create(aside, &file)?)?;
            aside.remove_file(RAW)?;
        } else {
            aside.rename(RAW, aside, &file)?;
        }
        let data = aside.open(&file)?;
        let manifest = Manifest {
            v: manifest::VERSION,
            service: self.service.clone(),
            instance: self.instance.clone(),
            plan: taken.plan,
            version: taken.version,
            format: taken.format,
            file,
            size: data.metadata()?.len(),
            sha256: sha256(data)?,
            node: node.clone(),
            created: Millis::now(),
        };
        manifest.write(create(aside, &manifest::name(&self.instance))?)?;
        durable::sync_names(aside)?;
        self.dir.rename(format!("{epoch}{ASIDE}"), &self.dir, epoch.to_string())?;
        durable::sync_names(&self.dir)
    }

    /// Removes the backup of that time. Its name goes first, so that no half of one has it.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn remove(&self, epoch: u64) -> io::Result<()> {
        let aside = format!("{epoch}.gone{ASIDE}");
        self.dir.rename(epoch.to_string(), &self.dir, &aside)?;
        self.dir.remove_dir_all(aside)
    }
}

fn not_opened(error: io::Error) -> FindError {
    let missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    if missing.contains(&error.kind()) {
        FindError::Nothing
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        // A symbolic link that leads out.
        FindError::Outside
    } else {
        FindError::Disk(error)
    }
}

/// Where the original kept the backups of an instance. Reference, section 6.9.
fn place(service: &ServiceName, instance: &InstanceId) -> String {
    let id = instance.as_str();
    let proper = PREFIXES.iter().find_map(|prefix| id.strip_prefix(prefix)).unwrap_or(id);
    let part = |at: usize| proper.get(at..at + 2).unwrap_or("00");
    format!("backups/{service}/{}/{}/{}/{id}", part(0), part(2), part(4))
}

/// The name of an instance's data in one format.
fn data_name(instance: &InstanceId, format: &str) -> String {
    if format == SQL {
        return format!("{instance}.sql.gz");
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    format!("{instance}.{}", format.chars().map(plain).collect::<String>())
}

fn names(dir: &Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in dir.entries()? {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

fn create(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    dir.open_with(name, &options)
}

/// So that the original reads it too.
fn zstd_to_gzip(from: impl Read, to: File) -> io::Result<()> {
    let mut from = zstd::Decoder::new(from)?;
    let mut to = GzEncoder::new(to, Compression::fast());
    io::copy(&mut from, &mut to)?;
    to.finish()?.sync_all()
}

#[cfg(test)]
mod tests;
