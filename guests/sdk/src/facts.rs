//! What is kept with a snapshot.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::json::Texts;
use crate::{Error, Result};

/// Facts about a snapshot, by name, for people and for the platform's listings.
///
/// ```
/// let facts = tenon_guest::Facts::new().with("bytes", 1024);
/// assert_eq!(facts.get("bytes"), Ok(Some(1024)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(Texts);

impl Facts {
    /// None at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.set(name, &value.into());
        self
    }

    /// One fact; `None` when it is not there.
    ///
    /// # Errors
    /// Internal when it is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        self.0.get(name).map_err(|cause| Error::internal(0, format!("fact {name}: {cause}")))
    }
}

impl From<Facts> for Vec<(String, String)> {
    fn from(facts: Facts) -> Self {
        facts.0.into_pairs()
    }
}
