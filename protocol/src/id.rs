//! Names of things. Each is checked once, where it enters; inside, it is good because it exists.

use std::fmt;

use rand::Rng;
use serde::{Deserialize, Serialize};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be {rule}, not {text:?}")]
pub struct IdError {
    kind: &'static str,
    rule: &'static str,
    text: String,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $max:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text`.
            ///
            /// # Errors
            ///
            /// [`IdError`] names the rule that the text breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                let good = !text.is_empty() && text.len() <= $max && text.bytes().all($ok);
                if good { Ok(Self(text)) } else { Err(Self::error(text)) }
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn error(text: String) -> IdError {
                // A hostile id may be long: an error shows its beginning.
                let text = text.chars().take(80).collect();
                IdError { kind: $kind, rule: $rule, text }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

text_id!(
    /// One provisioned offering; classic `service_id`, equal to `credentials.name`.
    InstanceId,
    "an instance id",
    "1 to 64 of A-Z a-z 0-9 _ -",
    64,
    is_word
);
text_id!(
    /// One application's access; classic `handle_id`.
    BindingId,
    "a binding id",
    "1 to 64 of A-Z a-z 0-9 _ -",
    64,
    is_word
);
text_id!(
    /// One node, as the operator named it; a token of a subject.
    NodeId,
    "a node id",
    "1 to 64 of A-Z a-z 0-9 _ -",
    64,
    is_word
);
text_id!(
    /// The classic prefix of an offering's subjects, for example `MyaaS`.
    ServiceName,
    "a service name",
    "1 to 64 of A-Z a-z 0-9 _ -",
    64,
    is_word
);
text_id!(
    /// One operation over all its attempts.
    OperationId,
    "an operation id",
    "1 to 64 of A-Z a-z 0-9 _ -",
    64,
    is_word
);
text_id!(
    /// One snapshot of one instance; the classic API shows decimal numbers.
    SnapshotId,
    "a snapshot id",
    "1 to 20 digits",
    20,
    is_digit
);
text_id!(
    /// One long-running job: 32 hex digits.
    JobId,
    "a job id",
    "1 to 64 of A-Z a-z 0-9 _ -",
    64,
    is_word
);
text_id!(
    /// One gateway process, new at each start.
    GatewayId,
    "a gateway id",
    "1 to 64 of A-Z a-z 0-9 _ -",
    64,
    is_word
);

text_id!(
    /// One store of records, from the moment it was made: 32 hex digits.
    StoreEpoch,
    "a store's epoch",
    "1 to 64 of A-Z a-z 0-9 _ -",
    64,
    is_word
);

text_id!(
    /// A platform's own name for a request, `X-VCAP-Request-ID`: logs and repetitions go by it.
    RequestId,
    "a request id",
    "1 to 256 visible characters of ASCII",
    256,
    is_visible
);

const fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

impl InstanceId {
    /// A new one: `d` and 32 random hex digits.
    ///
    /// The leading letter makes it a database name, a file name and a DNS label at once.
    /// Source: the original's MySQL and PostgreSQL nodes; reference, section 3.8.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("d{}", random_hex()))
    }

    /// The same id for the same `order`: a platform that repeats a request meets its first one.
    #[must_use]
    pub fn derived(order: &[&str]) -> Self {
        Self(format!("d{}", hex::encode(digest(order))))
    }
}

impl BindingId {
    /// A new random UUID.
    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }

    /// The same UUID for the same `order`: a platform that repeats a request meets its first one.
    #[must_use]
    pub fn derived(order: &[&str]) -> Self {
        Self(uuid(digest(order), UUID_DERIVED))
    }
}

impl OperationId {
    /// A new random UUID.
    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }

    /// The same id for the same `order`: who repeats a request, or goes on with somebody else's work,
    /// meets what was begun.
    #[must_use]
    pub fn derived(order: &[&str]) -> Self {
        Self(uuid(digest(order), UUID_DERIVED))
    }

    /// The id of one step of this operation: the same for every attempt at it.
    #[must_use]
    pub fn step(&self, name: &str) -> Self {
        Self(uuid(digest(&[&self.0, name]), UUID_DERIVED))
    }
}

impl GatewayId {
    /// A new one: 32 random hex digits.
    #[must_use]
    pub fn random() -> Self {
        Self(random_hex())
    }
}

impl StoreEpoch {
    /// A new one: 32 random hex digits.
    #[must_use]
    pub fn random() -> Self {
        Self(random_hex())
    }
}

impl JobId {
    /// A new one: 32 random hex digits, as the original's.
    #[must_use]
    pub fn random() -> Self {
        Self(random_hex())
    }

    /// The same id for the same `order`: a platform that repeats a request meets its first one.
    #[must_use]
    pub fn derived(order: &[&str]) -> Self {
        Self(hex::encode(digest(order)))
    }
}

impl From<u64> for SnapshotId {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

fn random_hex() -> String {
    let mut bytes = [0u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// Version of a UUID: of random bits.
const UUID_RANDOM: u8 = 0x40;
/// Version of a UUID: of bits that its maker chose.
const UUID_DERIVED: u8 = 0x80;

fn random_uuid() -> String {
    let mut bytes = [0u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    uuid(bytes, UUID_RANDOM)
}

fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = bytes[6] & 0x0f | version;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    let (a, rest) = text.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// The first half of a SHA-256 over `parts`.
fn digest(parts: &[&str]) -> [u8; 16] {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    for part in parts {
        // Length first, so that moving a character between parts changes the hash.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut half = [0u8; 16];
    half.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    half
}

/// How often an object was ordered anew. A node refuses what is older than it has seen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The first one.
    pub const FIRST: Self = Self(1);

    /// A generation read from a message or record; 0 is "none yet".
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after this; saturates.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_escape_a_subject_is_refused() {
        for text in ["", "a.b", "a b", "a*", ">", "é", "a\n", &"x".repeat(65)] {
            assert!(NodeId::new(text).is_err(), "{text:?}");
        }
        assert_eq!(NodeId::new("mysql_node_free_1").unwrap().as_str(), "mysql_node_free_1");
    }

    #[test]
    fn an_error_shows_the_rule_and_the_beginning_of_the_text() {
        let error = InstanceId::new("%".repeat(500)).unwrap_err().to_string();
        assert!(error.starts_with("an instance id must be 1 to 64 of A-Z a-z 0-9 _ -, not \"%%"));
        assert!(error.len() < 200);
    }

    #[test]
    fn random_ids_have_the_original_shapes() {
        assert_eq!(InstanceId::random().as_str().len(), 33);
        assert!(InstanceId::random().as_str().starts_with('d'));
        let handle = BindingId::random();
        assert_eq!(handle.as_str().len(), 36);
        assert_eq!(handle.as_str().as_bytes().get(14), Some(&b'4'));
        assert_ne!(BindingId::random(), BindingId::random());
    }

    #[test]
    fn the_same_order_derives_the_same_instance_and_another_does_not() {
        assert_eq!(InstanceId::derived(&["a", "b"]), InstanceId::derived(&["a", "b"]));
        assert_ne!(InstanceId::derived(&["a", "b"]), InstanceId::derived(&["ab", ""]));
        let known = InstanceId::derived(&["a", "b"]);
        assert_eq!(known.as_str(), "d3c9d591045bc8876f9d0399bbfb05c6a");
        let binding = BindingId::derived(&["a", "b"]);
        assert_eq!(binding, BindingId::derived(&["a", "b"]));
        assert_eq!(binding.as_str().len(), 36);
        assert_eq!(binding.as_str().as_bytes().get(14), Some(&b'8'));
    }

    #[test]
    fn a_wrong_id_in_json_is_an_error() {
        assert!(serde_json::from_str::<InstanceId>("\"a/b\"").is_err());
        assert_eq!(
            serde_json::from_str::<InstanceId>("\"dnope\"").unwrap(),
            InstanceId::new("dnope").unwrap()
        );
    }
}
