//! Packages that users upload: their names in the store that gateways and nodes share, and the
//! tokens of the links to them. Pure.
//!
//! A name says until when it is good, and a token is signed for one name and one instance: nothing
//! is stored but the package itself.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::clock::Millis;
use crate::id::{InstanceId, ServiceName};
use crate::seal::SealKey;
use crate::secret::Secret;

/// Where uploads lie in the store. No service can have this name.
pub const DIR: &str = ".uploads";

/// What the signing key is derived for.
const PURPOSE: &str = "tenon upload link 1";
/// Random hex digits of a name: whoever guesses one still needs its signature.
const RANDOM_DIGITS: usize = 32;
/// No moment has more digits.
const MAX_SECONDS_DIGITS: usize = 12;

/// One upload: `<seconds since 1970 until which it is good>-<32 hex digits>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(String);

/// Why a text is not the id of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an upload is named by seconds, a dash and 32 hex digits")]
pub struct UploadIdError;

impl UploadId {
    /// A new one, that is good until `expiry`.
    #[must_use]
    pub fn until(expiry: Millis) -> Self {
        let mut random = [0; RANDOM_DIGITS / 2];
        rand::rng().fill_bytes(&mut random);
        Self(format!("{}-{}", expiry.as_millis() / 1_000, hex::encode(random)))
    }

    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// [`UploadIdError`].
    pub fn new(text: impl Into<String>) -> Result<Self, UploadIdError> {
        let text = text.into();
        let (seconds, random) = text.split_once('-').ok_or(UploadIdError)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let good = (1..=MAX_SECONDS_DIGITS).contains(&seconds.len())
            && seconds.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == RANDOM_DIGITS
            && random.bytes().all(is_hex);
        if good { Ok(Self(text)) } else { Err(UploadIdError) }
    }

    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is good no more.
    #[must_use]
    pub fn is_over(&self, now: Millis) -> bool {
        let seconds = self.0.split('-').next().and_then(|seconds| seconds.parse::<u64>().ok());
        seconds.is_none_or(|seconds| now.as_millis() / 1_000 >= seconds)
    }

    /// What the whole package is called.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{self}.zip")
    }

    /// Where the whole package lies, from the store on.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{DIR}/{}", self.file_name())
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UploadId {
    type Error = UploadIdError;
    fn try_from(text: String) -> Result<Self, UploadIdError> {
        Self::new(text)
    }
}

impl From<UploadId> for String {
    fn from(id: UploadId) -> Self {
        id.0
    }
}

/// For whom a package is uploaded, as the path of its link names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The offering's label or service name, whichever the uploader said.
    pub service: ServiceName,
    /// The instance.
    pub instance: InstanceId,
}

/// Signs links to uploads, and reads them. Gateways that share a seal key accept each other's.
#[derive(Clone)]
pub struct UploadKey([u8; 32]);

impl UploadKey {
    /// The key for links to uploads that belongs to `seal_key`.
    #[must_use]
    pub fn of(seal_key: &SealKey) -> Self {
        Self(seal_key.derive(PURPOSE))
    }

    /// A token that leads to upload `id` of `recipient`.
    #[must_use]
    pub fn sign(&self, recipient: &Recipient, id: &UploadId) -> Secret {
        let signature = self.mac(recipient, id).finalize().into_bytes();
        Secret::new(format!("{id}-{}", hex::encode(signature)))
    }

    /// The upload of `recipient` that `token` leads to at `now`. Takes the same time for every
    /// wrong signature.
    #[must_use]
    pub fn read(&self, token: &str, recipient: &Recipient, now: Millis) -> Option<UploadId> {
        let (id, signature) = token.rsplit_once('-')?;
        let id = UploadId::new(id).ok()?;
        let signature = hex::decode(signature).ok()?;
        let genuine = self.mac(recipient, &id).verify_slice(&signature).is_ok();
        (genuine && !id.is_over(now)).then_some(id)
    }

    fn mac(&self, recipient: &Recipient, id: &UploadId) -> Hmac<Sha256> {
        let Recipient { service, instance } = recipient;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length is a key");
        // No part can hold a line break: the text says which part is which.
        mac.update(format!("{service}\n{instance}\n{id}").as_bytes());
        mac
    }
}

impl fmt::Debug for UploadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis::from_millis(1_000_000_000);
    const LATER: Millis = Millis::from_millis(1_000_060_000);

    fn recipient(service: &str, instance: &str) -> Recipient {
        Recipient {
            service: ServiceName::new(service).unwrap(),
            instance: InstanceId::new(instance).unwrap(),
        }
    }

    fn key(seed: u8) -> UploadKey {
        UploadKey::of(&SealKey::from_hex(&hex::encode([seed; 32])).unwrap())
    }

    #[test]
    fn p32_a_token_leads_to_one_upload_of_one_instance_until_it_expires() {
        let id = UploadId::until(LATER);
        let owner = recipient("mysql", "d1");
        let token = key(1).sign(&owner, &id);
        let token = token.reveal();
        assert_eq!(key(1).read(token, &owner, NOW), Some(id));
        assert_eq!(key(1).read(token, &owner, LATER), None, "expired");
        assert_eq!(key(2).read(token, &owner, NOW), None, "another key");
        assert_eq!(key(1).read(token, &recipient("mysql", "d2"), NOW), None);
        assert_eq!(key(1).read(token, &recipient("files", "d1"), NOW), None);
        for bad in [
            token.replacen("1000060", "9000060", 1),
            token[..token.len() - 2].to_owned(),
            token.replace('-', ""),
            "aB3dE5fG7hJ90123456789abcdef0123456789abcdef".to_owned(),
            String::new(),
        ] {
            assert_eq!(key(1).read(&bad, &owner, NOW), None, "{bad}");
        }
        assert_eq!(format!("{:?}", key(1)), "<hidden>");
    }

    #[test]
    fn the_name_of_an_upload_is_no_path() {
        let good = UploadId::until(LATER);
        assert_eq!(UploadId::new(good.as_str()), Ok(good.clone()));
        assert_eq!(good.path(), format!(".uploads/{good}.zip"));
        assert!(!good.is_over(NOW) && good.is_over(LATER));
        let random = "0123456789abcdef0123456789abcdef";
        for bad in [
            "",
            "-",
            random,
            &format!("-{random}"),
            &format!("1-{random}0"),
            &format!("1-../{}", &random[3..]),
            &format!("1-{}", random.to_uppercase()),
            &format!("+1-{random}"),
            &format!("1234567890123-{random}"),
        ] {
            assert_eq!(UploadId::new(bad), Err(UploadIdError), "{bad}");
        }
        assert!(ServiceName::new(DIR).is_err(), "a service could have the name");
    }
}
