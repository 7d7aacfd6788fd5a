//! JSON texts as the contract carries them: pairs of a key and a text, in the order of insertion.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A bag of named JSON texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Texts(Vec<(String, String)>);

impl Texts {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Replaces what the key had before.
    pub(crate) fn set(&mut self, key: &str, value: &Value) {
        let text = value.to_string();
        match self.0.iter_mut().find(|(have, _)| have == key) {
            Some((_, old)) => *old = text,
            None => self.0.push((key.to_owned(), text)),
        }
    }

    /// `None` when the key is not there, or its value is `null`.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> serde_json::Result<Option<T>> {
        match self.0.iter().find(|(have, _)| have == key) {
            Some((_, text)) => serde_json::from_str(text),
            None => Ok(None),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }

    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}
