//! A secret in place, `"..."`, or in a file of its own, `{ file = "..." }`.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tenon_protocol::Secret;

use super::check::Problem;

/// Where a secret is.
pub(super) enum SecretSource {
    /// In the configuration.
    Here(Secret),
    /// In this file; a relative path is relative to the configuration.
    File(PathBuf),
}

impl SecretSource {
    /// The secret itself. `key` is where the configuration names it.
    ///
    /// # Errors
    ///
    /// [`Problem`] when its file cannot be read, or it is empty.
    pub(super) fn read(self, key: &str, dir: &Path) -> Result<Secret, Problem> {
        let secret = match self {
            Self::Here(secret) => secret,
            Self::File(path) => {
                let path = dir.join(path);
                let text = read_file(&path).map_err(|source| {
                    Problem::new(key, format!("names {}: {source}", path.display()))
                })?;
                Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        if secret.reveal().is_empty() {
            return Err(Problem::new(key, "must not be empty"));
        }
        Ok(secret)
    }
}

#[expect(clippy::disallowed_methods, reason = "the operator names these files on the command line")]
pub(super) fn read_file(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or { file = \"path\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretSource, E> {
        Ok(SecretSource::Here(Secret::new(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let Some(("file", path)) = map.next_entry::<String, PathBuf>()?.as_ref().map(borrow) else {
            return Err(A::Error::custom("expected a text, or { file = \"path\" }"));
        };
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom("expected only the key file"));
        }
        Ok(SecretSource::File(path))
    }
}

fn borrow((key, path): &(String, PathBuf)) -> (&str, PathBuf) {
    (key, path.clone())
}
