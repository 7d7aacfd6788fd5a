//! The token of a download link: signed for one snapshot, and good for a while. Pure.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::{InstanceId, ServiceName, SnapshotId};
use crate::link::{LinkError, LinkKey, Purpose};
use crate::secret::Secret;

/// Whose package a link is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// The offering's service name.
    pub service: ServiceName,
    /// The instance.
    pub instance: InstanceId,
    /// Its snapshot.
    pub snapshot: SnapshotId,
}

impl Download {
    /// A token that lets its holder fetch this until `expiry`.
    #[must_use]
    pub fn sign(&self, key: &LinkKey, expiry: Millis) -> Secret {
        let seconds = expiry.as_millis() / 1_000;
        let signature = key.sign(Purpose::Download, &self.signed(seconds));
        Secret::new(format!("{seconds}-{signature}"))
    }

    /// Checks whether `token` lets its holder fetch this at `now`.
    ///
    /// # Errors
    ///
    /// [`LinkError`] says why it does not.
    pub fn check(&self, token: &str, key: &LinkKey, now: Millis) -> Result<(), LinkError> {
        let (seconds, signature) = token.split_once('-').ok_or(LinkError::Forged)?;
        let plain = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = seconds.parse::<u64>().ok().filter(|_| plain).ok_or(LinkError::Forged)?;
        if !key.is_genuine(Purpose::Download, &self.signed(seconds), signature) {
            return Err(LinkError::Forged);
        }
        if now.as_millis() / 1_000 < seconds { Ok(()) } else { Err(LinkError::Over) }
    }

    /// Where the package lies, from the store on.
    #[must_use]
    pub fn path(&self) -> String {
        let Self { service, instance, snapshot } = self;
        format!("{service}/{instance}/{snapshot}.zip")
    }

    /// What is signed. No part can hold a line break: the text says which part is which.
    fn signed(&self, seconds: u64) -> String {
        let Self { service, instance, snapshot } = self;
        format!("{service}\n{instance}\n{snapshot}\n{seconds}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SealKey;

    const NOW: Millis = Millis::from_millis(1_000_000_000);
    const LATER: Millis = Millis::from_millis(1_000_060_000);

    fn download() -> Download {
        Download {
            service: ServiceName::new("MyaaS").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            snapshot: SnapshotId::from(7),
        }
    }

    fn check(seed: u8, token: &str, of: &Download, now: Millis) -> Result<(), LinkError> {
        of.check(token, &key(seed), now)
    }

    fn key(seed: u8) -> LinkKey {
        LinkKey::of(&SealKey::from_hex(&hex::encode([seed; 32])).unwrap())
    }

    #[test]
    fn p32_a_token_opens_one_snapshot_of_one_instance_until_it_expires() {
        let token = download().sign(&key(1), LATER);
        let token = token.reveal();
        assert_eq!(check(1, token, &download(), NOW), Ok(()));
        assert_eq!(check(1, token, &download(), LATER), Err(LinkError::Over));
        assert_eq!(check(2, token, &download(), NOW), Err(LinkError::Forged), "another key");
        let others = [
            Download { service: ServiceName::new("FilesaaS").unwrap(), ..download() },
            Download { instance: InstanceId::new("d2").unwrap(), ..download() },
            Download { snapshot: SnapshotId::from(8), ..download() },
        ];
        for other in others {
            assert_eq!(check(1, token, &other, NOW), Err(LinkError::Forged), "{other:?}");
        }
    }

    #[test]
    fn p32_a_token_cannot_be_changed() {
        let token = download().sign(&key(1), LATER).reveal().to_owned();
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
            assert_eq!(check(1, &bad, &download(), NOW), Err(LinkError::Forged), "{bad}");
            // Only whoever has a good one is told that it has expired.
            assert_eq!(check(1, &bad, &download(), LATER), Err(LinkError::Forged), "{bad}");
        }
    }

    #[test]
    fn a_package_lies_with_its_snapshot() {
        assert_eq!(download().path(), "MyaaS/d1/7.zip");
    }
}
