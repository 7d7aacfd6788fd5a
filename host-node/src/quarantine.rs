//! What was purged and is kept for some time yet, for one offering, in memory and in the ledger.
//!
//! A purge may be a mistake: made of a list that was cut off, or of records that were lost. Until
//! its time is over an instance stays what it was, and whoever orders something of it has it back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenon_protocol::clock::Millis;
use tenon_protocol::{InstanceId, ServiceName};

use crate::ledger::{Ledger, LedgerError, QuarantineEntry};

/// The quarantine of one offering.
pub(crate) struct Quarantine {
    entries: Mutex<BTreeMap<InstanceId, QuarantineEntry>>,
    ledger: Ledger,
    service: ServiceName,
}

impl Quarantine {
    /// What the ledger says.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be read.
    pub(crate) fn load(ledger: &Ledger, service: &ServiceName) -> Result<Self, LedgerError> {
        let all = ledger.read(|view| view.quarantine(service))?.into_iter();
        let entries = all.map(|entry| (entry.instance.clone(), entry)).collect();
        let (ledger, service) = (ledger.clone(), service.clone());
        Ok(Self { entries: Mutex::new(entries), ledger, service })
    }

    /// Takes an instance in; durable.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be written.
    pub(crate) async fn put(&self, entry: QuarantineEntry) -> Result<(), LedgerError> {
        let (service, written) = (self.service.clone(), entry.clone());
        self.ledger.update(move |book| book.put_quarantine(&service, &written)).await?;
        self.lock().insert(entry.instance.clone(), entry);
        Ok(())
    }

    /// Lets an instance out; durable. Whether it was in.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be written: it stays in.
    pub(crate) async fn end(&self, id: &InstanceId) -> Result<bool, LedgerError> {
        if self.get(id).is_none() {
            return Ok(false);
        }
        let (service, gone) = (self.service.clone(), id.clone());
        self.ledger.update(move |book| book.end_quarantine(&service, &gone)).await?;
        Ok(self.lock().remove(id).is_some())
    }

    /// The entry of an instance that is in.
    pub(crate) fn get(&self, id: &InstanceId) -> Option<QuarantineEntry> {
        self.lock().get(id).cloned()
    }

    /// How many are in.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// At most `limit` after `after`, in the order of their ids.
    pub(crate) fn page(&self, after: Option<&InstanceId>, limit: usize) -> Vec<QuarantineEntry> {
        let entries = self.lock();
        let later = entries.values().filter(|entry| after.is_none_or(|id| entry.instance > *id));
        later.take(limit).cloned().collect()
    }

    /// Those whose time is over.
    pub(crate) fn due(&self, now: Millis) -> Vec<QuarantineEntry> {
        self.lock().values().filter(|entry| entry.until <= now).cloned().collect()
    }

    // A panic while it is held leaves whole values behind.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstanceId, QuarantineEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tenon_protocol::Generation;

    use super::*;
    use crate::ledger::KnownBy;

    fn entry(id: &str, until: u64) -> QuarantineEntry {
        QuarantineEntry {
            instance: InstanceId::new(id).unwrap(),
            generation: Generation::FIRST,
            since: Millis::default(),
            until: Millis::from_millis(until),
            known_by: KnownBy::Ledger,
        }
    }

    #[tokio::test]
    async fn what_is_in_stays_in_over_a_restart_and_is_due_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("l")).unwrap();
        let service = ServiceName::new("S").unwrap();
        let quarantine = Quarantine::load(&ledger, &service).unwrap();
        for (id, until) in [("d1", 10), ("d2", 20), ("d3", 30)] {
            quarantine.put(entry(id, until)).await.unwrap();
        }
        assert!(quarantine.end(&entry("d2", 0).instance).await.unwrap());
        assert!(!quarantine.end(&entry("d2", 0).instance).await.unwrap());

        let again = Quarantine::load(&ledger, &service).unwrap();
        assert_eq!(again.page(None, 10), [entry("d1", 10), entry("d3", 30)]);
        assert_eq!(again.page(Some(&entry("d1", 0).instance), 10), [entry("d3", 30)]);
        assert_eq!(again.due(Millis::from_millis(10)), [entry("d1", 10)]);
        assert_eq!(again.due(Millis::from_millis(9)), []);
        assert_eq!(again.len(), 2);
        assert!(again.get(&entry("d3", 0).instance).is_some());
    }
}
