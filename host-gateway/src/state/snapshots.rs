//! Snapshots: records that their nodes write once the data is safe.
//!
//! A record's key names the node that looks after it, so that no other node can change it. When an
//! instance has moved, its snapshots are given to its new node with the next order about them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use tenon_protocol::record::{SnapshotOrder, SnapshotRecord, key};
use tenon_protocol::{InstanceId, NodeId, ServiceName, SnapshotId};

use super::StateError;
use super::bucket::{Entry, Keep, Put};
use super::jobs::{Jobs, decode};

/// Snapshots of one instance that are listed.
const MAX_SNAPSHOTS: usize = 10_000;
/// Nodes that may have a record of the same snapshot while it is given on.
const MAX_COPIES: usize = 16;

/// A snapshot as it was read.
#[derive(Debug, Clone)]
pub(crate) struct StoredSnapshot {
    pub(crate) record: SnapshotRecord,
    key: String,
    revision: u64,
}

/// Whether a snapshot is its instance's node's to work on.
#[derive(Debug)]
pub(crate) enum Homed {
    /// It is.
    Here(Box<SnapshotRecord>),
    /// There is no such snapshot.
    Nowhere,
    /// Somebody else changed it at the same moment.
    Contended,
}

impl Jobs {
    /// The snapshots of an instance, oldest first.
    ///
    /// # Errors
    ///
    /// [`StateError`] when they cannot all be listed.
    pub(crate) async fn snapshots(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> Result<Vec<StoredSnapshot>, StateError> {
        let filter = key::snapshots_of(service, instance);
        let mut by_number = BTreeMap::new();
        for entry in self.bucket.all(&filter, MAX_SNAPSHOTS).await? {
            let stored = stored(&entry)?;
            // A record that is being given on is there twice: the newer one counts.
            by_number.insert(number(&stored.record.id), stored);
        }
        Ok(by_number.into_values().collect())
    }

    /// One snapshot of an instance, whichever node took it; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn snapshot(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        id: &SnapshotId,
    ) -> Result<Option<StoredSnapshot>, StateError> {
        let filter = key::snapshot_anywhere(service, instance, id);
        let found = self.bucket.all(&filter, MAX_COPIES).await?;
        found.last().map(stored).transpose()
    }

    /// Gives a snapshot to `node`, on which its instance is, if another one has it.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known whether it was given.
    pub(crate) async fn home(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        id: &SnapshotId,
        node: &NodeId,
    ) -> Result<Homed, StateError> {
        let filter = key::snapshot_anywhere(service, instance, id);
        let found = self.bucket.all(&filter, MAX_COPIES).await?;
        let found = found.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        let Some(newest) = found.last() else { return Ok(Homed::Nowhere) };
        let record = SnapshotRecord { node: node.clone(), ..newest.record.clone() };
        if !found.iter().any(|copy| copy.record.node == *node) {
            let key = key::snapshot(service, node, instance, id);
            self.bucket.create(&key, encode(&key, &record)?, Keep::Forever).await?;
        }
        for copy in found.iter().filter(|copy| copy.record.node != *node) {
            if self.bucket.remove(&copy.key, copy.revision).await? == Put::Lost {
                return Ok(Homed::Contended);
            }
        }
        Ok(Homed::Here(Box::new(record)))
    }

    /// Replaces what was read as `old` by `record`, unless somebody else did.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn replace_snapshot(
        &self,
        old: &StoredSnapshot,
        record: &SnapshotRecord,
    ) -> Result<Put, StateError> {
        let value = encode(&old.key, record)?;
        self.bucket.put(&old.key, value, old.revision, Keep::Forever).await
    }

    /// Removes the record of a snapshot. Succeeds when somebody else did.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to be gone.
    pub(crate) async fn remove_snapshot(&self, old: &StoredSnapshot) -> Result<(), StateError> {
        self.bucket.remove(&old.key, old.revision).await.map(drop)
    }

    /// Writes down that a snapshot was ordered. It is forgotten with its job.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn note_order(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        order: &SnapshotOrder,
    ) -> Result<(), StateError> {
        let key = key::snapshot_order(service, instance, &order.id);
        let keep = Keep::For(self.keep);
        self.bucket.create(&key, encode(&key, order)?, keep).await.map(drop)
    }

    /// Snapshots of an instance that were ordered by the second version of the API of late.
    ///
    /// # Errors
    ///
    /// [`StateError`] when they cannot all be listed.
    pub(crate) async fn orders(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> Result<Vec<SnapshotOrder>, StateError> {
        let filter = key::snapshot_orders_of(service, instance);
        self.bucket.all(&filter, MAX_SNAPSHOTS).await?.iter().map(decode).collect()
    }
}

fn stored(entry: &Entry) -> Result<StoredSnapshot, StateError> {
    let record = decode(entry)?;
    Ok(StoredSnapshot { record, key: entry.key.clone(), revision: entry.revision })
}

fn encode<T: Serialize>(key: &str, record: &T) -> Result<Bytes, StateError> {
    let value = serde_json::to_vec(record)
        .map_err(|source| StateError::Damaged { key: key.to_owned(), source })?;
    Ok(value.into())
}

/// In the order in which they were ordered, which is that of their numbers.
fn number(id: &SnapshotId) -> u128 {
    id.as_str().parse().unwrap_or_default()
}
