//! Records of moves, each beside the record of its instance.

use bytes::Bytes;
use tenon_protocol::InstanceId;
use tenon_protocol::record::{MoveRecord, RECORD_VERSION, key};

use super::bucket::{Entry, Keep, Put};
use super::{Records, StateError};

/// The record of a move, as it was read.
#[derive(Debug, Clone)]
pub(crate) struct StoredMove {
    pub(crate) record: MoveRecord,
    revision: u64,
}

impl Records {
    /// The last move of an instance; `None` when it never moved.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn last_move(
        &self,
        instance: &InstanceId,
    ) -> Result<Option<StoredMove>, StateError> {
        let entry = self.bucket(instance).get(&key::moving(instance)).await?;
        entry.as_ref().map(decode_move).transpose()
    }

    /// Writes `record` in the place of `old`, or where none may be; `None` when somebody else was
    /// faster.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to have been written.
    pub(crate) async fn write_move(
        &self,
        old: Option<&StoredMove>,
        record: MoveRecord,
    ) -> Result<Option<StoredMove>, StateError> {
        let key = key::moving(&record.instance);
        let keep = if record.step.is_final() { Keep::For(self.tomb_life()) } else { Keep::Forever };
        let value: Bytes = serde_json::to_vec(&record)
            .map_err(|source| StateError::Damaged { key: key.clone(), source })?
            .into();
        let bucket = self.bucket(&record.instance);
        let put = match old {
            Some(old) => bucket.put(&key, value, old.revision, keep).await,
            None => bucket.create(&key, value, keep).await,
        };
        match put {
            Ok(Put::Written(revision)) => Ok(Some(StoredMove { record, revision })),
            Ok(Put::Lost) => Ok(None),
            // It may have been written: what stands there tells, ids are random.
            Err(StateError::TimedOut) => {
                let now = self.last_move(&record.instance).await?;
                now.filter(|now| now.record == record).map(Some).ok_or(StateError::TimedOut)
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads the move in `entry`.
///
/// # Errors
///
/// [`StateError`] when it has another form.
pub(crate) fn decode_move(entry: &Entry) -> Result<StoredMove, StateError> {
    let record: MoveRecord = serde_json::from_slice(&entry.value)
        .map_err(|source| StateError::Damaged { key: entry.key.clone(), source })?;
    if record.v > RECORD_VERSION {
        return Err(StateError::TooNew { key: entry.key.clone(), version: record.v });
    }
    Ok(StoredMove { record, revision: entry.revision })
}
