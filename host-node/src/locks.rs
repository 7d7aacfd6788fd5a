//! One operation at a time on one thing; binds of one instance side by side.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tenon_protocol::{BindingId, InstanceId};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Locks that are not held are dropped when the table has grown to this.
const SWEEP: usize = 1_024;

/// Locks of one offering. Held in memory only: the ledger guards against what a crash leaves.
#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Arc<RwLock<()>>>>);

/// Nobody else works on the instance or its bindings.
pub(crate) struct Exclusive(
    #[expect(dead_code, reason = "held, not read")] OwnedRwLockWriteGuard<()>,
);

/// Nobody removes or restores the instance.
pub(crate) struct Shared(#[expect(dead_code, reason = "held, not read")] OwnedRwLockReadGuard<()>);

impl Locks {
    /// Waits for the instance alone: provision, unprovision, restore.
    pub(crate) async fn exclusive(&self, instance: &InstanceId) -> Exclusive {
        Exclusive(self.lock(instance.as_str()).write_owned().await)
    }

    /// Waits for the instance beside others: bind, unbind, snapshot.
    pub(crate) async fn shared(&self, instance: &InstanceId) -> Shared {
        Shared(self.lock(instance.as_str()).read_owned().await)
    }

    /// Waits for one binding alone; the instance must be held already.
    pub(crate) async fn binding(&self, instance: &InstanceId, binding: &BindingId) -> Exclusive {
        Exclusive(self.lock(&format!("{instance}/{binding}")).write_owned().await)
    }

    /// The instance beside others, unless somebody has it alone or waits for that.
    pub(crate) fn try_shared(&self, instance: &InstanceId) -> Option<Shared> {
        self.lock(instance.as_str()).try_read_owned().ok().map(Shared)
    }

    /// Waits to be the only one who says whether an instance takes new data; the instance must be
    /// held already.
    pub(crate) async fn writes(&self, instance: &InstanceId) -> Exclusive {
        Exclusive(self.lock(&format!("{instance} writes")).write_owned().await)
    }

    fn lock(&self, key: &str) -> Arc<RwLock<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.len() >= SWEEP {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(locks.entry(key.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn binds_share_an_instance_and_a_removal_does_not() {
        let locks = Locks::default();
        let instance = InstanceId::random();
        let first = locks.shared(&instance).await;
        let second = locks.shared(&instance).await;
        let alone = locks.exclusive(&instance);
        tokio::pin!(alone);
        assert!(futures_util::poll!(&mut alone).is_pending());
        drop((first, second));
        alone.await;
    }

    #[tokio::test]
    async fn locks_that_nobody_holds_are_forgotten() {
        let locks = Locks::default();
        let held = InstanceId::random();
        let _guard = locks.exclusive(&held).await;
        for _ in 0..3 * SWEEP {
            drop(locks.shared(&InstanceId::random()).await);
        }
        assert!(locks.0.lock().unwrap().len() <= SWEEP);
        assert!(locks.0.lock().unwrap().contains_key(held.as_str()));
    }
}
