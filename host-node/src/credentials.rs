//! Credentials on their way from a guest to the ledger and to a platform.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenon_protocol::message::Object;
use tenon_protocol::{InstanceId, NodeId};

use crate::guest::wit;

/// Keys of credentials that come from elsewhere (recover, migration) and are secret.
const SECRET_KEYS: [&str; 6] = ["password", "pass", "uri", "url", "private_key", "secret"];

/// Credentials as a guest made them. Only ever stored sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    public: Object,
    secret: Object,
    /// What the platform asked for when it bound; for the guest, should it make the access again.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    options: Object,
}

/// The key under which a guest finds the options of a binding.
const OPTIONS: &str = "binding_options";

/// A guest's credentials are not JSON.
#[derive(Debug, thiserror::Error)]
#[error("the credential {key:?} of the guest is no JSON text")]
pub(crate) struct NotJson {
    key: String,
}

impl Credentials {
    /// Reads what a guest returned.
    ///
    /// # Errors
    ///
    /// [`NotJson`] names the key, not the value.
    pub(crate) fn from_guest(credential: wit::Credential) -> Result<Self, NotJson> {
        let mut public = object(credential.public)?;
        let options = match public.remove(OPTIONS) {
            Some(Value::Object(options)) => options,
            Some(_) | None => Object::new(),
        };
        Ok(Self { public, secret: object(credential.secret)?, options })
    }

    /// Sorts credentials that a platform or another node kept.
    pub(crate) fn from_message(credentials: Object) -> Self {
        let is_secret = |key: &str| SECRET_KEYS.contains(&key);
        let (secret, public) = credentials.into_iter().partition(|(key, _)| is_secret(key));
        Self { public, secret, options: Object::new() }
    }

    /// For a guest.
    pub(crate) fn to_guest(&self) -> wit::Credential {
        let texts = |object: &Object| {
            object.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
        };
        wit::Credential { public: texts(&self.public), secret: texts(&self.secret) }
    }

    /// The same, of a binding that was made with `options`.
    pub(crate) fn with_options(self, options: Object) -> Self {
        Self { options, ..self }
    }

    /// The same, with `options` where it has none of its own.
    pub(crate) fn or_options(self, options: Object) -> Self {
        if self.options.is_empty() { self.with_options(options) } else { self }
    }

    /// What the platform asked for.
    pub(crate) fn into_options(self) -> Object {
        self.options
    }

    /// For a guest that is to make or change the access of a binding: with its options.
    pub(crate) fn to_guest_with_options(&self) -> wit::Credential {
        let mut credential = self.to_guest();
        if !self.options.is_empty() {
            let options = Value::Object(self.options.clone()).to_string();
            credential.public.push((OPTIONS.to_owned(), options));
        }
        credential
    }

    /// For the platform: the classic protocol wants `name` to be the instance's id.
    pub(crate) fn to_message(&self, instance: &InstanceId, node: Option<&NodeId>) -> Object {
        let mut object = self.public.clone();
        object.extend(self.secret.clone());
        object.insert("name".to_owned(), instance.as_str().into());
        if let Some(node) = node {
            object.insert("node_id".to_owned(), node.as_str().into());
        }
        object
    }

    /// The part that is no secret.
    pub(crate) fn public(&self) -> Object {
        self.public.clone()
    }

    /// What distinguishes them among those of one instance; empty when nothing does.
    pub(crate) fn user(&self) -> String {
        user_of(&self.public).or_else(|| user_of(&self.secret)).unwrap_or_default().to_owned()
    }
}

/// `username`, or `user`: services of 2013 had one or both.
pub(crate) fn user_of(credentials: &Object) -> Option<&str> {
    let value = credentials.get("username").or_else(|| credentials.get("user"));
    value.and_then(Value::as_str)
}

/// Attributes of the contract from a JSON object: each value as its text.
pub(crate) fn attrs(object: &Object) -> Vec<(String, String)> {
    object.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
}

fn object(attrs: Vec<(String, String)>) -> Result<Object, NotJson> {
    let mut object = Object::new();
    for (key, text) in attrs {
        match serde_json::from_str(&text) {
            Ok(value) => drop(object.insert(key, value)),
            Err(_text_is_secret) => return Err(NotJson { key }),
        }
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, text: &str) -> (String, String) {
        (key.to_owned(), text.to_owned())
    }

    #[test]
    fn credentials_reach_the_platform_with_the_instance_as_their_name() {
        let credentials = Credentials::from_guest(wit::Credential {
            public: vec![pair("host", "\"h\""), pair("port", "3306"), pair("user", "\"u1\"")],
            secret: vec![pair("password", "\"p\"")],
        })
        .unwrap();
        let instance = InstanceId::new("d1").unwrap();
        let node = NodeId::new("n1").unwrap();
        let text = serde_json::to_string(&credentials.to_message(&instance, Some(&node))).unwrap();
        assert_eq!(
            text,
            r#"{"host":"h","name":"d1","node_id":"n1","password":"p","port":3306,"user":"u1"}"#
        );
        assert_eq!(credentials.user(), "u1");
    }

    #[test]
    fn a_bad_value_is_named_by_its_key_only() {
        let bad = wit::Credential { public: vec![], secret: vec![pair("password", "hunter2")] };
        let error = Credentials::from_guest(bad).err().unwrap().to_string();
        assert_eq!(error, "the credential \"password\" of the guest is no JSON text");
    }
}
