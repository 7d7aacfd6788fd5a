//! Which store of records this node obeys, for one offering, in memory and in the ledger.

use std::sync::{Arc, Mutex, PoisonError};

use tenon_protocol::ServiceName;
use tenon_protocol::StoreEpoch;
use tenon_protocol::record::{KnownStore, StoreMark};

use crate::ledger::{Ledger, LedgerError};

/// What is known of the store of one offering's gateways.
pub(crate) struct StoreGuard {
    known: Arc<Mutex<KnownStore>>,
    ledger: Ledger,
    fact: String,
}

impl StoreGuard {
    /// What the ledger says.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be read.
    pub(crate) fn load(ledger: &Ledger, service: &ServiceName) -> Result<Self, LedgerError> {
        let fact = format!("store/{service}");
        let known = read(ledger.read(|view| view.fact(&fact))?)?;
        Ok(Self { known: Arc::new(Mutex::new(known)), ledger: ledger.clone(), fact })
    }

    /// What is known now.
    pub(crate) fn known(&self) -> KnownStore {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A gateway named its store, and where it is. Returns what is known then; durable.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be written.
    pub(crate) async fn heard(&self, mark: &StoreMark) -> Result<KnownStore, LedgerError> {
        let mark = mark.clone();
        self.become_known(move |known| known.heard(&mark)).await
    }

    /// A gateway named its store with an order.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be written.
    pub(crate) async fn heard_epoch(&self, epoch: &StoreEpoch) -> Result<(), LedgerError> {
        let epoch = epoch.clone();
        self.become_known(move |known| known.heard_epoch(&epoch)).await.map(drop)
    }

    /// An operator says that this is the store.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be written.
    pub(crate) async fn accept(&self, mark: StoreMark) -> Result<(), LedgerError> {
        tracing::warn!(fact = self.fact, epoch = %mark.epoch, "an operator accepted these records");
        self.become_known(move |_| KnownStore::accepted(mark.clone())).await.map(drop)
    }

    /// Changes what is known where the ledger's one writer does: no change undoes another.
    async fn become_known(
        &self,
        change: impl Fn(&KnownStore) -> KnownStore + Send + 'static,
    ) -> Result<KnownStore, LedgerError> {
        let before = self.known();
        if change(&before) == before {
            return Ok(before);
        }
        let (memory, fact) = (Arc::clone(&self.known), self.fact.clone());
        let written = self.ledger.update(move |book| {
            let before = read(book.fact(&fact)?)?;
            let known = change(&before);
            book.put_fact(&fact, &serde_json::to_vec(&known).map_err(LedgerError::Entry)?)?;
            memory.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&known);
            Ok((before, known))
        });
        let (before, known) = written.await?;
        if before.is_trusted() && !known.is_trusted() {
            let fact = &self.fact;
            tracing::error!(fact, ?known, "other records than before: nothing is purged for them");
        }
        Ok(known)
    }
}

fn read(fact: Option<Vec<u8>>) -> Result<KnownStore, LedgerError> {
    let known = fact.map(|bytes| serde_json::from_slice(&bytes).map_err(LedgerError::Entry));
    Ok(known.transpose()?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use tenon_protocol::clock::Millis;

    use super::*;

    fn mark(epoch: &str) -> StoreMark {
        let epoch = StoreEpoch::new(epoch).unwrap();
        StoreMark { epoch, position: 1, drawn: Millis::now() }
    }

    #[tokio::test]
    async fn doubt_outlives_the_process_until_an_operator_accepts() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("l")).unwrap();
        let service = ServiceName::new("S").unwrap();
        let guard = StoreGuard::load(&ledger, &service).unwrap();
        guard.heard_epoch(&mark("a").epoch).await.unwrap();
        assert!(guard.heard(&mark("a")).await.unwrap().is_trusted());
        assert!(!guard.heard(&mark("b")).await.unwrap().is_trusted());

        let again = StoreGuard::load(&ledger, &service).unwrap();
        assert!(!again.known().is_trusted());
        again.accept(mark("b")).await.unwrap();
        assert!(again.heard(&mark("b")).await.unwrap().is_trusted());
        let other = StoreGuard::load(&ledger, &ServiceName::new("T").unwrap()).unwrap();
        assert_eq!(other.known(), KnownStore::default());
    }
}
