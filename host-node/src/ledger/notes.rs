//! Entries that were noted and are not written yet: whoever looks sees them already.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tenon_protocol::{BindingId, InstanceId, ServiceName};

use super::{BindingEntry, Book, InstanceEntry, LedgerError};

/// An entry to be written with the next transaction.
#[derive(Clone)]
pub(crate) enum Note {
    /// Of an instance.
    Instance(ServiceName, InstanceEntry),
    /// Of a binding.
    Binding(ServiceName, BindingEntry),
}

impl Note {
    pub(super) fn write(&self, book: &mut Book<'_>) -> Result<(), LedgerError> {
        match self {
            Self::Instance(service, entry) => book.put_instance(service, entry),
            Self::Binding(service, entry) => book.put_binding(service, entry),
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Instance(service, entry) => instance_key(service, &entry.id),
            Self::Binding(service, entry) => binding_key(service, &entry.instance, &entry.id),
        }
    }
}

/// A note's place among the others: it is forgotten once, and not a later one in its stead.
pub(super) struct Ticket {
    key: String,
    number: u64,
}

/// All notes that are not written yet.
#[derive(Default)]
pub(super) struct Notes {
    number: AtomicU64,
    entries: Mutex<HashMap<String, (u64, Note)>>,
}

impl Notes {
    pub(super) fn add(&self, note: &Note) -> Ticket {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let key = note.key();
        self.lock().insert(key.clone(), (number, note.clone()));
        Ticket { key, number }
    }

    /// Written, or given up: what the file says is true again.
    pub(super) fn remove(&self, ticket: &Ticket) {
        let mut entries = self.lock();
        if entries.get(&ticket.key).is_some_and(|(number, _)| *number == ticket.number) {
            entries.remove(&ticket.key);
        }
    }

    pub(super) fn instance(&self, service: &ServiceName, id: &InstanceId) -> Option<InstanceEntry> {
        match self.lock().get(&instance_key(service, id)) {
            Some((_, Note::Instance(_, entry))) => Some(entry.clone()),
            Some((_, Note::Binding(..))) | None => None,
        }
    }

    pub(super) fn binding(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        id: &BindingId,
    ) -> Option<BindingEntry> {
        match self.lock().get(&binding_key(service, instance, id)) {
            Some((_, Note::Binding(_, entry))) => Some(entry.clone()),
            Some((_, Note::Instance(..))) | None => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, Note)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn instance_key(service: &ServiceName, id: &InstanceId) -> String {
    format!("{service}/{id}")
}

fn binding_key(service: &ServiceName, instance: &InstanceId, id: &BindingId) -> String {
    format!("{service}/{instance}/{id}")
}
