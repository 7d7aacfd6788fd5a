//! What the user asked for beyond the plan.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::json::Texts;
use crate::{Error, Result};

/// Parameters of a provision or bind request, by name.
///
/// ```
/// use tenon_guest::Parameters;
///
/// let parameters = Parameters::new().with("mode", "ro");
/// assert_eq!(parameters.get::<String>("mode"), Ok(Some("ro".to_owned())));
/// assert_eq!(parameters.get::<String>("size"), Ok(None));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Parameters(Texts);

impl Parameters {
    /// None at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more: for tests.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.set(name, &value.into());
        self
    }

    /// One parameter; `None` when it was not given, or is `null`.
    ///
    /// # Errors
    /// Invalid input, naming the parameter, when it is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        self.0.get(name).map_err(|cause| {
            Error::invalid_input(0, format!("parameter {name}: {}", wanted(&cause)))
        })
    }
}

/// What should have been there. What was there is left out: it may be a secret.
fn wanted(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    match text.rsplit_once(", expected ").and_then(|(_, rest)| rest.rsplit_once(" at line ")) {
        Some((wanted, _)) => format!("expected {wanted}"),
        None => "not valid JSON".to_owned(),
    }
}

/// Names only: a user may have put a secret into a value.
impl fmt::Debug for Parameters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl From<Vec<(String, String)>> for Parameters {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(Texts::new(pairs))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_parameter_of_the_wrong_type_is_named() {
        let refused = Parameters::new().with("size", "big").get::<u32>("size").unwrap_err();
        expect!["parameter size: expected u32"].assert_eq(refused.message());
    }

    #[test]
    fn a_text_that_is_not_json_is_refused() {
        let broken = Parameters::from(vec![("size".to_owned(), "{".to_owned())]);
        let refused = broken.get::<u32>("size").unwrap_err();
        expect!["parameter size: expected u32"].assert_eq(refused.message());
    }

    #[test]
    fn null_is_the_same_as_nothing() {
        assert_eq!(Parameters::new().with("size", Value::Null).get::<u32>("size"), Ok(None));
    }
}
