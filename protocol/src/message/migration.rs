//! Migration and restore: gateway to node. Reference, sections 3.1, 4.7 and 4.8.

use serde::{Deserialize, Serialize};

use super::{Handle, Reply};
use crate::fault::Fault;

/// `S.disable_instance.N`, `enable_instance`, `import_instance`, `update_instance`,
/// `cleanupnfs_instance`: the instance's handle, and those of its bindings.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlePair(pub Handle, pub Vec<Handle>);

/// `S.restore.N`: load a periodic backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequest {
    /// The instance.
    pub instance_id: String,
    /// A directory that the node sees.
    pub backup_path: String,
}

/// Answer to `update_instance`: the handles as they are now, the instance's first; or why not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UpdateReply {
    /// It was done.
    Done(Vec<Handle>),
    /// It was not.
    Refused(Reply),
}

impl UpdateReply {
    /// The answer for `result`.
    #[must_use]
    pub fn of(result: Result<Vec<Handle>, Fault>) -> Self {
        match result {
            Ok(handles) => Self::Done(handles),
            Err(fault) => Self::Refused(Reply::of(Err(fault))),
        }
    }

    /// Opens the envelope.
    ///
    /// # Errors
    ///
    /// The node's error; `Internal Error` when it failed without naming one, or says nothing but
    /// success.
    pub fn into_result(self) -> Result<Vec<Handle>, Fault> {
        match self {
            Self::Done(handles) => Ok(handles),
            Self::Refused(reply) => Err(reply.into_result().err().unwrap_or_else(Fault::internal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: &str = r#"{"service_id":"d1","configuration":{"plan":"free","version":"5.5"},"credentials":{"name":"d1"}}"#;

    #[test]
    fn a_pair_is_written_as_the_original_wrote_it() {
        let text = format!("[{HANDLE},[{HANDLE}]]");
        let pair: HandlePair = serde_json::from_str(&text).unwrap();
        assert_eq!(pair.1.len(), 1);
        assert_eq!(serde_json::to_string(&pair).unwrap(), text);
    }

    #[test]
    fn an_update_answers_with_handles_or_an_error() {
        let reply: UpdateReply = serde_json::from_str(&format!("[{HANDLE}]")).unwrap();
        assert_eq!(reply.into_result().map(|handles| handles.len()), Ok(1));
        let text = serde_json::to_string(&UpdateReply::of(Err(Fault::busy()))).unwrap();
        let reply: UpdateReply = serde_json::from_str(&text).unwrap();
        assert!(matches!(reply.into_result(), Err(fault) if fault == Fault::busy()));
        let reply: UpdateReply = serde_json::from_str(r#"{"success":true}"#).unwrap();
        assert_eq!(reply.into_result().err(), Some(Fault::internal()));
    }
}
