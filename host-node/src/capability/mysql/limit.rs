//! Databases that take no new data.
//!
//! Which those are is kept in files, so that every account gets the rights that it is to have in
//! the statement that makes it, in this process and the next. What accounts really have is looked
//! up on the server each time, and mended.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Database;
use super::database::charset;
use super::error::MysqlError;
use super::journal::plain;
use super::load::on_disk;
use super::name::{AccountName, DatabaseName};
use super::option_file::Scratch;
use super::rights::GROWING;
use super::server::Admin;
use super::session;
use crate::durable;
use crate::guest::bindings::tenon::host::mysql::Writes;

/// Accounts that are the database's alone and more than readers: who may delete was given more
/// than `SELECT`, whatever was taken from it since. With the number of rights that make it grow.
const WRITERS_QUERY: &str = "\
    SELECT d.User, (d.Insert_priv = 'Y') + (d.Update_priv = 'Y') + (d.Create_priv = 'Y') \
    FROM mysql.db d WHERE d.Host = '%' AND d.Db = ? AND d.Delete_priv = 'Y' \
    AND NOT EXISTS (SELECT 1 FROM mysql.db o WHERE o.User = d.User AND o.Db <> d.Db)";

/// The files' names begin so; server's version and database follow.
const BEGINNING: &str = "writes-";
const UNFINISHED: &str = ".part";

/// ```text
/// allowed ─▶ Blocking ─▶ Blocked ─▶ Allowing ─▶ allowed
///               ▲                      │
///               └──────────────────────┘
/// ```
/// What is allowed has no file. *-ing* are intents: sessions may still have the rights of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Limit {
    Blocking,
    Blocked,
    Allowing,
}

impl Limit {
    /// What is to be done first to get to `writes`; `None` when it is like that already.
    fn towards(before: Option<Self>, writes: Writes) -> Option<Self> {
        match (before, writes) {
            (Some(Self::Blocked), Writes::Blocked) | (None, Writes::Allowed) => None,
            (Some(Self::Blocking | Self::Allowing) | None, Writes::Blocked) => Some(Self::Blocking),
            (Some(Self::Blocking | Self::Blocked | Self::Allowing), Writes::Allowed) => {
                Some(Self::Allowing)
            }
        }
    }

    fn of_settled(writes: Writes) -> Option<Self> {
        match writes {
            Writes::Blocked => Some(Self::Blocked),
            Writes::Allowed => None,
        }
    }
}

/// What a file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: String,
    database: String,
    limit: Limit,
}

/// A server's version, and the name of a database on it.
type Key = (String, String);

/// The limits of one offering's databases. Cheap to clone.
#[derive(Clone)]
pub(super) struct Limits {
    scratch: Scratch,
    known: Arc<Mutex<HashMap<Key, Limit>>>,
}

impl Limits {
    /// Reads what an earlier process left. Blocks.
    ///
    /// # Errors
    ///
    /// When a file cannot be read: rights that were taken must not be given by mistake.
    pub(super) fn open(scratch: &Scratch) -> io::Result<Self> {
        let mut known = HashMap::new();
        for entry in scratch.dir.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(BEGINNING) && !name.ends_with(UNFINISHED) {
                let note: Note = serde_json::from_slice(&scratch.dir.read(name)?)?;
                known.insert((note.version, note.database), note.limit);
            }
        }
        Ok(Self { scratch: scratch.clone(), known: Arc::new(Mutex::new(known)) })
    }

    fn of(&self, key: &Key) -> Option<Limit> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// On disk first, as what is in memory is believed.
    fn set(&self, key: &Key, limit: Option<Limit>) -> io::Result<()> {
        match limit {
            Some(limit) => self.write(key, limit)?,
            None => self.remove(key)?,
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match limit {
            Some(limit) => known.insert(key.clone(), limit),
            None => known.remove(key),
        };
        Ok(())
    }

    fn write(&self, key: &Key, limit: Limit) -> io::Result<()> {
        let (version, database) = key.clone();
        let note = serde_json::to_vec(&Note { version, database, limit })?;
        let (name, dir) = (name(key), &self.scratch.dir);
        let part = format!("{name}{UNFINISHED}");
        durable::put(dir, &part, &name, &note)
    }

    fn remove(&self, key: &Key) -> io::Result<()> {
        match self.scratch.dir.remove_file(name(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        durable::sync_names(&self.scratch.dir)
    }
}

fn name((version, database): &Key) -> String {
    format!("{BEGINNING}{}-{database}", plain(version))
}

impl Database {
    /// What accounts of the database may have.
    pub(super) fn writes(&self) -> Writes {
        match self.context.limits().of(&self.key()) {
            Some(Limit::Blocking | Limit::Blocked) => Writes::Blocked,
            Some(Limit::Allowing) | None => Writes::Allowed,
        }
    }

    /// Makes rights of all accounts those of `writes`; how many differed.
    ///
    /// The intent is on disk before accounts are looked for: whoever makes one from then on sees
    /// it. A load changes the helper's rights, so that there is none meanwhile.
    pub(super) async fn limit_writes(&self, writes: Writes) -> Result<u32, MysqlError> {
        let _claim = self.server.claim(&self.name)?;
        let mut admin = self.server.admin().await?;
        charset(&mut admin, &self.name).await?.ok_or(MysqlError::NotFound)?;
        let intent = Limit::towards(self.context.limits().of(&self.key()), writes);
        if intent.is_some() {
            self.note_limit(intent).await?;
        }
        let changed = self.keep_limit(&mut admin, writes).await?;
        let stale = match intent {
            // Rights that changed before a crash, or are being changed now.
            Some(_) => self.tenant_accounts(&mut admin).await?,
            None => changed.clone(),
        };
        session::end_all(&mut admin, &stale).await?;
        if intent.is_some() {
            self.note_limit(Limit::of_settled(writes)).await?;
        }
        Ok(u32::try_from(changed.len()).unwrap_or(u32::MAX))
    }

    /// Gives or takes what accounts have too little or too much of; which those were.
    pub(super) async fn keep_limit(
        &self,
        admin: &mut Admin<'_>,
        writes: Writes,
    ) -> Result<Vec<AccountName>, MysqlError> {
        let rows: Vec<(String, usize)> = admin.rows(WRITERS_QUERY, (self.name.as_str(),)).await?;
        let differs = |rights: usize| match writes {
            Writes::Blocked => rights > 0,
            Writes::Allowed => rights < GROWING.len(),
        };
        let differing = rows.iter().filter(|(_, rights)| differs(*rights));
        let accounts: Vec<AccountName> =
            differing.filter_map(|(user, _)| self.prefixes().found_account(user)).collect();
        if !accounts.is_empty() {
            let flavour = admin.flavour();
            admin.run([flavour.limit_writes(&self.name, &accounts, writes)]).await?;
        }
        Ok(accounts)
    }

    /// The database is gone.
    pub(super) async fn forget_limit(&self) -> Result<(), MysqlError> {
        match self.context.limits().of(&self.key()) {
            Some(_) => self.note_limit(None).await,
            None => Ok(()),
        }
    }

    async fn note_limit(&self, limit: Option<Limit>) -> Result<(), MysqlError> {
        let key = self.key();
        on_disk(self.context.limits(), move |limits| limits.set(&key, limit)).await
    }

    fn key(&self) -> Key {
        let database: &DatabaseName = &self.name;
        (self.server.version().to_owned(), database.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use cap_std::fs::Dir;

    use super::*;
    use Limit::{Allowing, Blocked, Blocking};

    #[test]
    fn every_way_between_the_limits_begins_with_an_intent() {
        for (before, writes, intent) in [
            (None, Writes::Allowed, None),
            (None, Writes::Blocked, Some(Blocking)),
            (Some(Blocking), Writes::Blocked, Some(Blocking)),
            (Some(Blocking), Writes::Allowed, Some(Allowing)),
            (Some(Blocked), Writes::Blocked, None),
            (Some(Blocked), Writes::Allowed, Some(Allowing)),
            (Some(Allowing), Writes::Allowed, Some(Allowing)),
            (Some(Allowing), Writes::Blocked, Some(Blocking)),
        ] {
            assert_eq!(Limit::towards(before, writes), intent, "{before:?} {writes:?}");
        }
    }

    #[test]
    fn the_next_process_knows_the_limits() {
        let on_disk = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(on_disk.path(), cap_std::ambient_authority()).unwrap();
        let scratch = Scratch { dir: Arc::new(dir), path: on_disk.path().to_owned() };
        let key = |database: &str| ("10.11/x".to_owned(), database.to_owned());
        let limits = Limits::open(&scratch).unwrap();
        limits.set(&key("d1"), Some(Blocking)).unwrap();
        limits.set(&key("d1"), Some(Blocked)).unwrap();
        limits.set(&key("d2"), Some(Allowing)).unwrap();
        scratch.dir.write("writes-10.11-d3.part", "half").unwrap();
        let limits = Limits::open(&scratch).unwrap();
        assert_eq!((limits.of(&key("d1")), limits.of(&key("d2"))), (Some(Blocked), Some(Allowing)));
        for _ in 0..2 {
            limits.set(&key("d1"), None).unwrap();
        }
        assert_eq!(Limits::open(&scratch).unwrap().of(&key("d1")), None);
        scratch.dir.write("writes-10.11-d3", "half").unwrap();
        assert!(Limits::open(&scratch).is_err());
    }
}
