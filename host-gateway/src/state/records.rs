//! Records of instances and bindings: read, written by compare-and-set, listed.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenon_protocol::record::{BindingRecord, InstanceRecord, Life, Phase, RECORD_VERSION, key};
use tenon_protocol::{BindingId, InstanceId};

use super::StateError;
use super::bucket::{Bucket, Entry, Keep, Put};

/// Bindings of one instance; more cannot be listed, and so not be removed with it.
const MAX_BINDINGS: usize = 10_000;
/// Records that are read at once.
const PAGE: usize = 500;

/// What instances and bindings have in common.
pub(crate) trait Record: Serialize + DeserializeOwned + Clone + PartialEq {
    /// Where it stands.
    fn key(&self) -> String;
    /// The instance that decides in which bucket.
    fn instance(&self) -> &InstanceId;
    /// Where it is in its life.
    fn life(&self) -> &Life;
    /// The same record later in its life.
    #[must_use]
    fn with_life(&self, life: Life) -> Self;
    /// Version of its form.
    fn version(&self) -> u32;
}

/// A record as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Stored<R> {
    pub(crate) record: R,
    revision: u64,
}

/// What came of a compare-and-set.
#[derive(Debug)]
pub(crate) enum Cas<R> {
    /// The record as it is now.
    Written(Stored<R>),
    /// Somebody else was faster: read again, and act on what is there.
    Lost,
}

/// All records of instances and bindings.
#[derive(Clone)]
pub(crate) struct Records {
    buckets: Vec<Bucket>,
    tomb_life: Duration,
}

impl Records {
    /// The store over `buckets`, which must stay the same for ever. Tombs are kept for `tomb_life`.
    pub(super) fn new(buckets: Vec<Bucket>, tomb_life: Duration) -> Self {
        assert!(!buckets.is_empty(), "records need a bucket");
        Self { buckets, tomb_life }
    }

    /// The buckets, for whoever walks through all records.
    pub(crate) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// The keys of all records, tombs too.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn keys(&self) -> Result<HashSet<String>, StateError> {
        let mut keys = HashSet::new();
        for bucket in &self.buckets {
            bucket.keys(&mut keys).await?;
        }
        Ok(keys)
    }

    /// The record of an instance; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn instance(
        &self,
        id: &InstanceId,
    ) -> Result<Option<Stored<InstanceRecord>>, StateError> {
        self.read(id, &key::instance(id)).await
    }

    /// The record of a binding; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn binding(
        &self,
        instance: &InstanceId,
        id: &BindingId,
    ) -> Result<Option<Stored<BindingRecord>>, StateError> {
        self.read(instance, &key::binding(instance, id)).await
    }

    /// The bindings of an instance that are not gone.
    ///
    /// # Errors
    ///
    /// [`StateError`] when they cannot all be listed.
    pub(crate) async fn bindings(
        &self,
        instance: &InstanceId,
    ) -> Result<Vec<Stored<BindingRecord>>, StateError> {
        let filter = key::bindings_of(instance);
        let mut alive = BTreeMap::new();
        let mut from = Some(1);
        while let Some(start) = from {
            let page = self.bucket(instance).page(&filter, start, PAGE).await?;
            for entry in &page.entries {
                let found: Stored<BindingRecord> = decode(entry)?;
                // What is written meanwhile comes once more, as it is then.
                if found.record.life.phase == Phase::Tomb {
                    alive.remove(&found.record.id);
                } else {
                    alive.insert(found.record.id.clone(), found);
                }
            }
            if alive.len() > MAX_BINDINGS {
                let text = format!("more than {MAX_BINDINGS} bindings of {instance}");
                return Err(StateError::Refused(text));
            }
            from = page.next;
        }
        Ok(alive.into_values().collect())
    }

    /// Shows every instance to `visit`, in no order.
    ///
    /// # Errors
    ///
    /// [`StateError`] when they cannot all be read.
    pub(crate) async fn each_instance(
        &self,
        mut visit: impl FnMut(InstanceRecord),
    ) -> Result<(), StateError> {
        for bucket in &self.buckets {
            let mut from = Some(1);
            while let Some(start) = from {
                let page = bucket.page("inst.*", start, PAGE).await?;
                for entry in &page.entries {
                    visit(decode::<InstanceRecord>(entry)?.record);
                }
                from = page.next;
            }
        }
        Ok(())
    }

    /// Writes a record where none may be.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn create<R: Record>(&self, record: R) -> Result<Cas<R>, StateError> {
        let value = encode(&record)?;
        let keep = self.keep(&record);
        let put = self.bucket(record.instance()).create(&record.key(), value, keep).await;
        self.settle(record, put).await
    }

    /// Gives the record `old` the life `life`.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn replace<R: Record>(
        &self,
        old: &Stored<R>,
        life: Life,
    ) -> Result<Cas<R>, StateError> {
        let record = old.record.with_life(life);
        let value = encode(&record)?;
        let keep = self.keep(&record);
        let bucket = self.bucket(record.instance());
        let put = bucket.put(&record.key(), value, old.revision, keep).await;
        self.settle(record, put).await
    }

    /// A write whose answer was lost may have been done: what stands there tells. Operation ids
    /// are random, so an equal record is ours.
    async fn settle<R: Record>(
        &self,
        record: R,
        put: Result<Put, StateError>,
    ) -> Result<Cas<R>, StateError> {
        match put {
            Ok(Put::Written(revision)) => Ok(Cas::Written(Stored { record, revision })),
            Ok(Put::Lost) => Ok(Cas::Lost),
            Err(StateError::TimedOut) => {
                let now: Option<Stored<R>> = self.read(record.instance(), &record.key()).await?;
                now.filter(|now| now.record == record).map(Cas::Written).ok_or(StateError::TimedOut)
            }
            Err(error) => Err(error),
        }
    }

    async fn read<R: Record>(
        &self,
        instance: &InstanceId,
        key: &str,
    ) -> Result<Option<Stored<R>>, StateError> {
        let entry = self.bucket(instance).get(key).await?;
        entry.as_ref().map(decode).transpose()
    }

    pub(super) fn bucket(&self, instance: &InstanceId) -> &Bucket {
        let shard = usize::try_from(key::shard_of(instance)).unwrap_or(0);
        let shard = shard.checked_rem(self.buckets.len()).unwrap_or(0);
        self.buckets.get(shard).expect("a remainder is below the divisor")
    }

    /// How long what ended is remembered.
    pub(super) const fn tomb_life(&self) -> Duration {
        self.tomb_life
    }

    fn keep(&self, record: &impl Record) -> Keep {
        match record.life().phase {
            Phase::Intent | Phase::Ready | Phase::Moving | Phase::Deleting => Keep::Forever,
            Phase::Tomb => Keep::For(self.tomb_life),
        }
    }
}

fn encode(record: &impl Record) -> Result<Bytes, StateError> {
    let value = serde_json::to_vec(record)
        .map_err(|source| StateError::Damaged { key: record.key(), source })?;
    Ok(value.into())
}

/// Reads the record in `entry`.
///
/// # Errors
///
/// [`StateError`] when it has another form.
pub(crate) fn decode<R: Record>(entry: &Entry) -> Result<Stored<R>, StateError> {
    let record: R = serde_json::from_slice(&entry.value)
        .map_err(|source| StateError::Damaged { key: entry.key.clone(), source })?;
    let version = record.version();
    if version > RECORD_VERSION {
        return Err(StateError::TooNew { key: entry.key.clone(), version });
    }
    Ok(Stored { record, revision: entry.revision })
}

impl Record for InstanceRecord {
    fn key(&self) -> String {
        key::instance(&self.id)
    }
    fn instance(&self) -> &InstanceId {
        &self.id
    }
    fn life(&self) -> &Life {
        &self.life
    }
    fn with_life(&self, life: Life) -> Self {
        Self { life, ..self.clone() }
    }
    fn version(&self) -> u32 {
        self.v
    }
}

impl Record for BindingRecord {
    fn key(&self) -> String {
        key::binding(&self.instance, &self.id)
    }
    fn instance(&self) -> &InstanceId {
        &self.instance
    }
    fn life(&self) -> &Life {
        &self.life
    }
    fn with_life(&self, life: Life) -> Self {
        Self { life, ..self.clone() }
    }
    fn version(&self) -> u32 {
        self.v
    }
}
