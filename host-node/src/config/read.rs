//! From a file to a [`Config`]: syntax, unknown keys, secrets kept in files of their own.

use std::fmt;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tenon_protocol::Secret;

use super::{Config, SecretSource, SecretText};
use tenon_protocol::position;

/// Why a configuration is refused. Nothing was bound or started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or one that it names, cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key, or a value of the wrong type.
    #[error("{file}:{line}: {message}")]
    Syntax {
        /// The configuration file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// A value that cannot work.
    #[error("{file}:{line}: {key}: {message}")]
    Value {
        /// The configuration file.
        file: String,
        /// Line, from 1; that of the table when the key itself is absent.
        line: usize,
        /// The key, for example `guests.max_calls` or `offerings.0.label`.
        key: String,
        /// What is wrong, and what is allowed.
        message: String,
    },
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names file, line or key, and what is allowed.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let file = path.display().to_string();
        let mut config = Self::parse(&file, &text)?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        config.read_secrets(base)?;
        config.check(&file, &text)?;
        Ok(config)
    }

    /// Parses `text`; `file` is for errors.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Syntax`] names the line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = position::line_at(text, start);
            // Only the message: the error's own picture would show the line, secrets included.
            let message = error.message().replace('\n', ", ");
            let message = match position::key_at(text, start) {
                Some(key) if !message.contains(&key) => format!("{key}: {message}"),
                Some(_) | None => message,
            };
            ConfigError::Syntax { file: file.to_owned(), line, message }
        })
    }

    fn read_secrets(&mut self, base: &Path) -> Result<(), ConfigError> {
        let nats = self.nats.password.iter_mut().chain(self.component.password.iter_mut());
        let mysql = self.mysql.iter_mut().map(|server| &mut server.password);
        let guests = self.offerings.iter_mut().flat_map(|offering| offering.secrets.values_mut());
        for secret in nats.chain(mysql).chain(guests) {
            if let SecretSource::File(path) = &secret.0 {
                let text = read(&base.join(path))?;
                let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
                secret.0 = SecretSource::Text(Secret::new(text));
            }
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the configuration is read once, before any grant")]
fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.display().to_string(), source })
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Written by hand, so that no error repeats the secret.
struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or { file = \"path\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretText, E> {
        Ok(SecretText(SecretSource::Text(Secret::new(text.to_owned()))))
    }

    fn visit_i64<E: de::Error>(self, _number: i64) -> Result<SecretText, E> {
        Err(E::custom("a secret is a text in quotes, or { file = \"path\" }"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretText, A::Error> {
        let (Some((key, path)), None) =
            (map.next_entry::<String, PathBuf>()?, map.next_key::<String>()?)
        else {
            return Err(de::Error::custom("a secret has the one key `file`"));
        };
        if key == "file" {
            Ok(SecretText(SecretSource::File(path)))
        } else {
            Err(de::Error::unknown_field(&key, &["file"]))
        }
    }
}

/// Texts such as `10.0.0.0/8`.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parse = |text: &String| {
        let expected = format!("expected a network such as \"10.0.0.0/8\", not {text:?}");
        text.parse().map_err(|_no_network| de::Error::custom(expected))
    };
    texts.iter().map(parse).collect()
}
