//! Nodes that an operator says are gone for good: nobody waits for them any more.

use bytes::Bytes;
use tenon_protocol::NodeId;
use tenon_protocol::clock::Millis;
use tenon_protocol::record::key;

use super::bucket::{Keep, Put};
use super::{Records, StateError};

/// More cannot be marked.
const MAX_GONE: usize = 1_000;

impl Records {
    /// Whether an operator said that `node` is gone for good.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn is_gone(&self, node: &NodeId) -> Result<bool, StateError> {
        Ok(self.first_bucket()?.get(&key::gone(node)).await?.is_some())
    }

    /// Remembers that `node` is gone for good.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to be remembered.
    pub(crate) async fn mark_gone(&self, node: &NodeId) -> Result<(), StateError> {
        let bucket = self.first_bucket()?;
        if bucket.all(&key::gone_nodes(), MAX_GONE).await?.len() >= MAX_GONE {
            return Err(StateError::Refused(format!("{MAX_GONE} nodes are gone already")));
        }
        let value = Bytes::from(Millis::now().as_millis().to_string());
        match bucket.create(&key::gone(node), value, Keep::Forever).await? {
            Put::Written(_) | Put::Lost => Ok(()),
        }
    }

    /// Forgets it: the node is there again.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not known to be forgotten.
    pub(crate) async fn unmark_gone(&self, node: &NodeId) -> Result<(), StateError> {
        let bucket = self.first_bucket()?;
        let Some(entry) = bucket.get(&key::gone(node)).await? else {
            return Ok(());
        };
        match bucket.remove(&key::gone(node), entry.revision).await? {
            Put::Written(_) | Put::Lost => Ok(()),
        }
    }

    /// All nodes that are gone for good.
    ///
    /// # Errors
    ///
    /// [`StateError`] when they cannot all be listed.
    pub(crate) async fn gone_nodes(&self) -> Result<Vec<NodeId>, StateError> {
        let entries = self.first_bucket()?.all(&key::gone_nodes(), MAX_GONE).await?;
        let names = entries.iter().filter_map(|entry| entry.key.split_once('.'));
        Ok(names.filter_map(|(_, name)| NodeId::new(name).ok()).collect())
    }
}
