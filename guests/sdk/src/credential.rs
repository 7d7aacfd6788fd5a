//! What an application needs to use an instance.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::imports::tenon::service::types;
use crate::json::Texts;
use crate::{Error, Result};

/// Named values for an application, the secret ones apart.
///
/// Secret values are sealed wherever the platform stores them, and never logged; `Debug` hides
/// them too. The node adds `name`, the id of the instance.
///
/// ```
/// use tenon_guest::Credential;
///
/// let credential = Credential::new()
///     .public("host", "10.0.0.7")
///     .public("port", 3306)
///     .secret("password", "s3same");
/// assert_eq!(credential.require::<u16>("port"), Ok(3306));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Credential {
    public: Texts,
    secret: Texts,
}

impl Credential {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value that anybody may see.
    #[must_use]
    pub fn public(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.public.set(key, &value.into());
        self
    }

    /// Sets a value that only the application may see.
    #[must_use]
    pub fn secret(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.secret.set(key, &value.into());
        self
    }

    /// The value of `key`, secret or not; `None` when it is not there.
    ///
    /// # Errors
    /// Invalid input when the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let found = match self.secret.get(key) {
            Ok(None) => self.public.get(key),
            found => found,
        };
        // The cause would quote the value, which may be a secret.
        found.map_err(|_cause| Error::invalid_input(0, format!("credential has an unusable {key}")))
    }

    /// The value of `key`, secret or not.
    ///
    /// # Errors
    /// Invalid input when it is not there, or not a `T`.
    pub fn require<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.get(key)?.ok_or_else(|| Error::invalid_input(0, format!("credential has no {key}")))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = out.debug_map();
        for (key, text) in self.public.iter() {
            map.entry(&format_args!("{key}"), &format_args!("{text}"));
        }
        for (key, _) in self.secret.iter() {
            map.entry(&format_args!("{key}"), &format_args!("<hidden>"));
        }
        map.finish()
    }
}

impl From<types::Credential> for Credential {
    fn from(raw: types::Credential) -> Self {
        Self { public: Texts::new(raw.public), secret: Texts::new(raw.secret) }
    }
}

impl From<Credential> for types::Credential {
    fn from(credential: Credential) -> Self {
        Self { public: credential.public.into_pairs(), secret: credential.secret.into_pairs() }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn sample() -> Credential {
        Credential::new().public("host", "h").public("port", 3306).secret("password", "s3same")
    }

    #[test]
    fn debug_shows_no_secret() {
        expect![[r#"{host: "h", port: 3306, password: <hidden>}"#]]
            .assert_eq(&format!("{:?}", sample()));
    }

    #[test]
    fn values_cross_the_wall_as_json_texts() {
        let raw = types::Credential::from(sample());
        assert_eq!(raw.public, [("host".into(), r#""h""#.into()), ("port".into(), "3306".into())]);
        assert_eq!(raw.secret, [("password".into(), r#""s3same""#.into())]);
        assert_eq!(Credential::from(raw), sample());
    }

    #[test]
    fn a_value_is_found_whether_it_is_secret_or_not() {
        assert_eq!(sample().require("host"), Ok("h".to_owned()));
        assert_eq!(sample().require("password"), Ok("s3same".to_owned()));
        assert_eq!(sample().get::<String>("user"), Ok(None));
    }

    #[test]
    fn a_value_that_is_missing_or_unusable_is_the_callers_fault_and_not_quoted() {
        let missing = sample().require::<String>("user").unwrap_err();
        assert_eq!(missing, Error::invalid_input(0, "credential has no user"));
        let unusable = sample().require::<u16>("password").unwrap_err();
        assert_eq!(unusable, Error::invalid_input(0, "credential has an unusable password"));
    }

    #[test]
    fn the_last_value_of_a_key_counts() {
        assert_eq!(sample().public("port", 1).require("port"), Ok(1));
    }
}
