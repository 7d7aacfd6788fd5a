//! Restores that were asked for of late. What is written of them goes by itself.

use std::time::Duration;

use bytes::Bytes;
use tenon_protocol::record::{RestoreRecord, key};
use tenon_protocol::{InstanceId, ServiceName};

use super::StateError;
use super::bucket::{Keep, Put};
use super::jobs::{Jobs, decode};

/// A restore as it was read.
#[derive(Debug, Clone)]
pub(crate) struct StoredRestore {
    pub(crate) record: RestoreRecord,
    revision: u64,
}

impl Jobs {
    /// The last restore of an instance that is remembered; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn last_restore(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> Result<Option<StoredRestore>, StateError> {
        let found = self.bucket.get(&key::restore(service, instance)).await?;
        let stored = |entry| -> Result<_, StateError> {
            Ok(StoredRestore { record: decode(&entry)?, revision: entry.revision })
        };
        found.map(stored).transpose()
    }

    /// Remembers `record` for `time` instead of what was read as `last`; `None` when somebody else
    /// wrote one meanwhile.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn remember_restore(
        &self,
        (service, instance): (&ServiceName, &InstanceId),
        last: Option<&StoredRestore>,
        record: RestoreRecord,
        time: Duration,
    ) -> Result<Option<StoredRestore>, StateError> {
        let key = key::restore(service, instance);
        let value = serde_json::to_vec(&record)
            .map_err(|source| StateError::Damaged { key: key.clone(), source })?;
        let (value, keep) = (Bytes::from(value), Keep::For(time));
        let put = match last {
            Some(last) => self.bucket.put(&key, value, last.revision, keep).await?,
            None => self.bucket.create(&key, value, keep).await?,
        };
        Ok(match put {
            Put::Written(revision) => Some(StoredRestore { record, revision }),
            Put::Lost => None,
        })
    }
}
