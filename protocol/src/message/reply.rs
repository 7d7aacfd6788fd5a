//! What a node answers: an envelope of success, or of a numbered error.

use serde::{Deserialize, Serialize};

use super::Object;
use crate::fault::Fault;

/// `SimpleResponse`: `{"success": true}` or `{"success": false, "error": {...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was done.
    pub success: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

/// `ProvisionResponse` and `BindResponse`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsReply {
    /// What the application needs; a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Object>,
    /// Whether it was done.
    pub success: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

impl Reply {
    /// The envelope of `result`.
    #[must_use]
    pub fn of(result: Result<(), Fault>) -> Self {
        match result {
            Ok(()) => Self { success: true, error: None },
            Err(fault) => Self { success: false, error: Some(fault) },
        }
    }

    /// Opens the envelope.
    ///
    /// # Errors
    ///
    /// The node's error; `Internal Error` when it failed without naming one.
    pub fn into_result(self) -> Result<(), Fault> {
        if self.success { Ok(()) } else { Err(self.error.unwrap_or_else(Fault::internal)) }
    }
}

impl CredentialsReply {
    /// The envelope of `result`.
    #[must_use]
    pub fn of(result: Result<Object, Fault>) -> Self {
        match result {
            Ok(credentials) => Self { credentials: Some(credentials), success: true, error: None },
            Err(fault) => Self { credentials: None, success: false, error: Some(fault) },
        }
    }

    /// Opens the envelope.
    ///
    /// # Errors
    ///
    /// The node's error; `Internal Error` when it failed without naming one, or claims success
    /// without credentials.
    pub fn into_result(self) -> Result<Object, Fault> {
        match (self.success, self.credentials) {
            (true, Some(credentials)) => Ok(credentials),
            (true, None) => Err(Fault::internal()),
            (false, _) => Err(self.error.unwrap_or_else(Fault::internal)),
        }
    }
}

impl std::fmt::Debug for CredentialsReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialsReply")
            .field("credentials", &"<hidden>")
            .field("success", &self.success)
            .field("error", &self.error)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_written_in_the_original_order() {
        let mut credentials = Object::new();
        credentials.insert("name".to_owned(), "d1".into());
        let text = serde_json::to_string(&CredentialsReply::of(Ok(credentials))).unwrap();
        assert_eq!(text, r#"{"credentials":{"name":"d1"},"success":true}"#);

        let text = serde_json::to_string(&Reply::of(Err(Fault::internal()))).unwrap();
        assert_eq!(
            text,
            r#"{"success":false,"error":{"status":500,"msg":{"code":30500,"description":"Internal Error"}}}"#
        );
    }

    #[test]
    fn a_failure_without_an_error_is_internal() {
        let reply: Reply = serde_json::from_str(r#"{"success":false}"#).unwrap();
        assert_eq!(reply.into_result(), Err(Fault::internal()));
        let reply: CredentialsReply = serde_json::from_str(r#"{"success":true}"#).unwrap();
        assert_eq!(reply.into_result(), Err(Fault::internal()));
    }

    #[test]
    fn credentials_are_not_shown() {
        let reply: CredentialsReply =
            serde_json::from_str(r#"{"success":true,"credentials":{"password":"hunter2"}}"#)
                .unwrap();
        assert!(!format!("{reply:?}").contains("hunter2"));
    }
}
