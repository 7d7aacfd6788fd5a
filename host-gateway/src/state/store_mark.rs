//! Which store this is, and where it is: what nodes are told before they remove what it does not
//! know.

use tenon_protocol::StoreEpoch;
use tenon_protocol::clock::Millis;
use tenon_protocol::record::{StoreMark, key};

use super::StateError;
use super::bucket::{Bucket, Keep, Put};
use super::records::Records;

impl Records {
    /// The epoch of the store; given now, if it has none yet.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn epoch_or_new(&self) -> Result<StoreEpoch, StateError> {
        let new = StoreEpoch::random();
        let value = bytes::Bytes::from(new.to_string());
        match self.first_bucket()?.create(key::STORE_EPOCH, value, Keep::Forever).await? {
            Put::Written(_) => {
                tracing::info!(epoch = %new, "a new store of records");
                Ok(new)
            }
            Put::Lost => self.epoch().await,
        }
    }

    /// Where the store is now: each mark has a larger position than the one before.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell, or has lost its epoch.
    pub(crate) async fn mark(&self) -> Result<StoreMark, StateError> {
        // The store is asked each time: it may have been replaced while this gateway ran.
        let epoch = self.epoch().await?;
        let position = self.first_bucket()?.draw_number(key::STORE_POSITION).await?;
        Ok(StoreMark { epoch, position, drawn: Millis::now() })
    }

    async fn epoch(&self) -> Result<StoreEpoch, StateError> {
        let entry = self.first_bucket()?.get(key::STORE_EPOCH).await?;
        let text = entry.and_then(|entry| String::from_utf8(entry.value.to_vec()).ok());
        let epoch = text.and_then(|text| StoreEpoch::new(text).ok());
        epoch.ok_or_else(|| StateError::Refused("the store of records has no epoch".to_owned()))
    }

    pub(super) fn first_bucket(&self) -> Result<&Bucket, StateError> {
        self.buckets().first().ok_or(StateError::Away)
    }
}
