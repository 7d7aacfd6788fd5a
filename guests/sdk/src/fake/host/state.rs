//! State: a map, with the limits of the contract.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::fake::world;
use crate::state::{Entry, Failure};

const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 64 << 10;
const MAX_TOTAL: usize = 16 << 20;
const MAX_PAGE: u32 = 1_000;

#[derive(Clone, Default)]
pub(crate) struct Records {
    entries: BTreeMap<String, Entry>,
    revision: u64,
}

pub(crate) fn get(key: &str) -> Result<Entry, Failure> {
    world().state.borrow().entries.get(key).cloned().ok_or(Failure::NotFound)
}

pub(crate) fn put(key: &str, value: &[u8], expect: Option<u64>) -> Result<u64, Failure> {
    let world = world();
    let mut records = world.state.borrow_mut();
    if !(1..=MAX_KEY).contains(&key.len()) || value.len() > MAX_VALUE {
        return Err(Failure::TooLarge);
    }
    let found = records.entries.get(key).map_or(0, |entry| entry.revision);
    if expect.is_some_and(|expected| expected != found) {
        return Err(Failure::RevisionMismatch);
    }
    let others: usize = records
        .entries
        .iter()
        .filter(|(other, _)| other.as_str() != key)
        .map(|(other, entry)| other.len() + entry.value.len())
        .sum();
    if others + key.len() + value.len() > MAX_TOTAL {
        return Err(Failure::Quota);
    }
    records.revision += 1;
    let revision = records.revision;
    records.entries.insert(key.to_owned(), Entry { value: value.to_vec(), revision });
    Ok(revision)
}

pub(crate) fn delete(key: &str) -> Result<(), Failure> {
    world().state.borrow_mut().entries.remove(key);
    Ok(())
}

pub(crate) fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Failure> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    Ok(world()
        .state
        .borrow()
        .entries
        .range::<str, _>((start, Bound::Unbounded))
        .map(|(key, _)| key)
        .filter(|key| key.starts_with(prefix))
        .take(limit.min(MAX_PAGE) as usize)
        .cloned()
        .collect())
}
