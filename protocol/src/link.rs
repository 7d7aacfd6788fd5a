//! Links that gateways sign: to packages of snapshots, and to what users upload. Pure.
//!
//! Nothing is stored: whoever has the seal key of the gateways can check a signature, and nobody
//! else can make one.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::download::Download;
use crate::seal::SealKey;
use crate::upload::UploadId;

/// What a link leads to. A signature for one is none for the other: each has a key of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Download,
    Upload,
}

/// Signs links, and checks them. Gateways that share a seal key accept each other's.
#[derive(Clone)]
pub struct LinkKey {
    download: [u8; 32],
    upload: [u8; 32],
}

impl LinkKey {
    /// The key for links that belongs to `seal_key`.
    #[must_use]
    pub fn of(seal_key: &SealKey) -> Self {
        Self {
            download: seal_key.derive("tenon download link 1"),
            upload: seal_key.derive("tenon upload link 1"),
        }
    }

    /// A signature for `text`, whose parts must say where they end.
    pub(crate) fn sign(&self, purpose: Purpose, text: &str) -> String {
        hex::encode(self.mac(purpose, text).finalize().into_bytes())
    }

    /// Whether `signature` is one for `text`. Takes the same time for every wrong one.
    pub(crate) fn is_genuine(&self, purpose: Purpose, text: &str, signature: &str) -> bool {
        let signature = hex::decode(signature);
        signature.is_ok_and(|bytes| self.mac(purpose, text).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, purpose: Purpose, text: &str) -> Hmac<Sha256> {
        let key = match purpose {
            Purpose::Download => &self.download,
            Purpose::Upload => &self.upload,
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
        mac.update(text.as_bytes());
        mac
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// Why a link opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nobody who has the key signed it, or not for this.
    #[error("the link is forged, or another platform's")]
    Forged,
    /// It was good once.
    #[error("the link has expired")]
    Over,
}

/// What a link of the platform's own leads to, in the store that gateways and nodes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Linked {
    /// What a user handed to a gateway.
    Upload(UploadId),
    /// The package of a snapshot.
    Download(Download),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p32_a_signature_for_one_purpose_is_none_for_the_other() {
        let key = |seed: u8| LinkKey::of(&SealKey::from_hex(&hex::encode([seed; 32])).unwrap());
        let signature = key(1).sign(Purpose::Download, "a");
        assert!(key(1).is_genuine(Purpose::Download, "a", &signature));
        assert!(!key(1).is_genuine(Purpose::Upload, "a", &signature));
        assert!(!key(1).is_genuine(Purpose::Download, "b", &signature));
        assert!(!key(2).is_genuine(Purpose::Download, "a", &signature));
        for bad in ["", "x", &signature[2..], &format!("{signature}00")] {
            assert!(!key(1).is_genuine(Purpose::Download, "a", bad), "{bad}");
        }
        assert_eq!(format!("{:?}", key(1)), "<hidden>");
    }

    #[test]
    fn links_of_an_earlier_release_stay_good() {
        let key = LinkKey::of(&SealKey::from_hex(&hex::encode([1; 32])).unwrap());
        let signature = key.sign(Purpose::Download, "MyaaS\nd1\n7\n1000060");
        assert_eq!(&signature[..16], "d1df71b32315d0bb");
        let signature = key.sign(Purpose::Upload, "MyaaS\nd1\nx");
        assert_eq!(&signature[..16], "2b2764dd29dd7db8");
    }
}
