//! Records of platforms, one for each offering: that its handles were taken over, and its plans.

use bytes::Bytes;
use tenon_protocol::ServiceName;
use tenon_protocol::record::{PlatformRecord, RECORD_VERSION, key};

use super::bucket::{Keep, Put};
use super::{Records, StateError};

/// How often it is tried again because another gateway was faster.
const ATTEMPTS: usize = 8;

impl Records {
    /// What is remembered of the platform; `None` before its handles of `service` were taken over.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn platform(
        &self,
        service: &ServiceName,
    ) -> Result<Option<PlatformRecord>, StateError> {
        Ok(self.read_platform(service).await?.map(|(record, _)| record))
    }

    /// Replaces what is remembered of the platform by what `change` makes of it, and gives the
    /// result; nothing is replaced by `None`. `change` may be called again, when another gateway
    /// was faster.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn change_platform(
        &self,
        service: &ServiceName,
        change: impl Fn(Option<PlatformRecord>) -> Option<PlatformRecord>,
    ) -> Result<Option<PlatformRecord>, StateError> {
        let key = key::platform(service);
        for _ in 0..ATTEMPTS {
            let found = self.read_platform(service).await?;
            let (old, revision) = found.map_or((None, None), |(old, at)| (Some(old), Some(at)));
            let Some(new) = change(old.clone()).filter(|new| old.as_ref() != Some(new)) else {
                return Ok(old);
            };
            let value: Bytes = serde_json::to_vec(&new)
                .map_err(|source| StateError::Damaged { key: key.clone(), source })?
                .into();
            let bucket = self.first_bucket()?;
            let put = match revision {
                Some(revision) => bucket.put(&key, value, revision, Keep::Forever).await?,
                None => bucket.create(&key, value, Keep::Forever).await?,
            };
            match put {
                Put::Written(_) => return Ok(Some(new)),
                Put::Lost => {}
            }
        }
        Err(StateError::TimedOut)
    }

    async fn read_platform(
        &self,
        service: &ServiceName,
    ) -> Result<Option<(PlatformRecord, u64)>, StateError> {
        let key = key::platform(service);
        let Some(entry) = self.first_bucket()?.get(&key).await? else {
            return Ok(None);
        };
        let record: PlatformRecord = serde_json::from_slice(&entry.value)
            .map_err(|source| StateError::Damaged { key: key.clone(), source })?;
        if record.v > RECORD_VERSION {
            return Err(StateError::TooNew { key, version: record.v });
        }
        Ok(Some((record, entry.revision)))
    }
}
