//! The token of a download link: signed for one snapshot, and good for a while. Pure.
//!
//! Nothing is stored: whoever has the seal key of the gateways can check it, and nobody else can
//! make one.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Millis;
use crate::id::{InstanceId, ServiceName, SnapshotId};
use crate::seal::SealKey;
use crate::secret::Secret;

/// What the signing key is derived for.
const PURPOSE: &str = "tenon download link 1";

/// Whose package a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The offering's service name.
    pub service: ServiceName,
    /// The instance.
    pub instance: InstanceId,
    /// Its snapshot.
    pub snapshot: SnapshotId,
}

/// Signs links, and checks them. Gateways that share a seal key accept each other's.
#[derive(Clone)]
pub struct LinkKey([u8; 32]);

impl LinkKey {
    /// The key for links that belongs to `seal_key`.
    #[must_use]
    pub fn of(seal_key: &SealKey) -> Self {
        Self(seal_key.derive(PURPOSE))
    }

    /// A token that lets its holder fetch `download` until `expiry`.
    #[must_use]
    pub fn sign(&self, download: &Download, expiry: Millis) -> Secret {
        let seconds = expiry.as_millis() / 1_000;
        let signature = self.mac(download, seconds).finalize().into_bytes();
        Secret::new(format!("{seconds}-{}", hex::encode(signature)))
    }

    /// Whether `token` lets its holder fetch `download` at `now`. Takes the same time for every
    /// wrong signature.
    #[must_use]
    pub fn allows(&self, token: &str, download: &Download, now: Millis) -> bool {
        let Some((seconds, signature)) = token.split_once('-') else { return false };
        let plain = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
        let Some(seconds) = seconds.parse::<u64>().ok().filter(|_| plain) else { return false };
        let Ok(signature) = hex::decode(signature) else { return false };
        let genuine = self.mac(download, seconds).verify_slice(&signature).is_ok();
        genuine && now.as_millis() / 1_000 < seconds
    }

    fn mac(&self, download: &Download, seconds: u64) -> Hmac<Sha256> {
        let Download { service, instance, snapshot } = download;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length is a key");
        // No part can hold a line break: the text says which part is which.
        mac.update(format!("{service}\n{instance}\n{snapshot}\n{seconds}").as_bytes());
        mac
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis::from_millis(1_000_000_000);
    const LATER: Millis = Millis::from_millis(1_000_060_000);

    fn download() -> Download {
        Download {
            service: ServiceName::new("MyaaS").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            snapshot: SnapshotId::from(7),
        }
    }

    fn key(seed: u8) -> LinkKey {
        LinkKey::of(&SealKey::from_hex(&hex::encode([seed; 32])).unwrap())
    }

    #[test]
    fn p32_a_token_opens_one_snapshot_of_one_instance_until_it_expires() {
        let token = key(1).sign(&download(), LATER);
        let token = token.reveal();
        assert!(key(1).allows(token, &download(), NOW));
        assert!(!key(1).allows(token, &download(), LATER), "expired");
        assert!(!key(2).allows(token, &download(), NOW), "another key");
        let others = [
            Download { service: ServiceName::new("FilesaaS").unwrap(), ..download() },
            Download { instance: InstanceId::new("d2").unwrap(), ..download() },
            Download { snapshot: SnapshotId::from(8), ..download() },
        ];
        for other in others {
            assert!(!key(1).allows(token, &other, NOW), "{other:?}");
        }
    }

    #[test]
    fn p32_a_token_cannot_be_changed() {
        let token = key(1).sign(&download(), LATER).reveal().to_owned();
        let (_, signature) = token.split_once('-').unwrap();
        let bad = [
            format!("9999999999-{signature}"),
            format!("+1000060-{signature}"),
            format!("01000060-{}", "0".repeat(64)),
            format!("1000060-{}", &signature[..62]),
            token.replace('-', ""),
            "Zk3LmQ9aX0bT".to_owned(),
            "-".to_owned(),
            String::new(),
        ];
        for bad in bad {
            assert!(!key(1).allows(&bad, &download(), NOW), "{bad}");
        }
    }

    #[test]
    fn the_key_of_links_is_not_shown() {
        assert_eq!(format!("{:?}", key(1)), "<hidden>");
    }
}
