//! Packages that users upload: their names in the store that gateways and nodes share, and the
//! tokens of the links to them. Pure.
//!
//! A name says until when it is good, and a token is signed for one name and one instance: nothing
//! is stored but the package itself.

use std::fmt;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::{InstanceId, ServiceName};
use crate::link::{LinkError, LinkKey, Purpose};
use crate::secret::Secret;

/// Where uploads lie in the store. No service can have this name.
pub const DIR: &str = ".uploads";

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

impl Recipient {
    /// A token that leads to upload `id`, which is this one's.
    #[must_use]
    pub fn sign(&self, key: &LinkKey, id: &UploadId) -> Secret {
        Secret::new(format!("{id}-{}", key.sign(Purpose::Upload, &self.signed(id))))
    }

    /// The upload of this one that `token` leads to at `now`.
    ///
    /// # Errors
    ///
    /// [`LinkError`] says why it leads to none.
    pub fn read(&self, token: &str, key: &LinkKey, now: Millis) -> Result<UploadId, LinkError> {
        let (id, signature) = token.rsplit_once('-').ok_or(LinkError::Forged)?;
        let id = UploadId::new(id).map_err(|_no_id| LinkError::Forged)?;
        if !key.is_genuine(Purpose::Upload, &self.signed(&id), signature) {
            return Err(LinkError::Forged);
        }
        if id.is_over(now) { Err(LinkError::Over) } else { Ok(id) }
    }

    /// What is signed. No part can hold a line break: the text says which part is which.
    fn signed(&self, id: &UploadId) -> String {
        let Self { service, instance } = self;
        format!("{service}\n{instance}\n{id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SealKey;

    const NOW: Millis = Millis::from_millis(1_000_000_000);
    const LATER: Millis = Millis::from_millis(1_000_060_000);

    fn recipient(service: &str, instance: &str) -> Recipient {
        Recipient {
            service: ServiceName::new(service).unwrap(),
            instance: InstanceId::new(instance).unwrap(),
        }
    }

    fn key(seed: u8) -> LinkKey {
        LinkKey::of(&SealKey::from_hex(&hex::encode([seed; 32])).unwrap())
    }

    #[test]
    fn p32_a_token_leads_to_one_upload_of_one_instance_until_it_expires() {
        let id = UploadId::until(LATER);
        let owner = recipient("mysql", "d1");
        let token = owner.sign(&key(1), &id);
        let token = token.reveal();
        let forged = Err(LinkError::Forged);
        assert_eq!(owner.read(token, &key(1), NOW), Ok(id));
        assert_eq!(owner.read(token, &key(1), LATER), Err(LinkError::Over));
        assert_eq!(owner.read(token, &key(2), NOW), forged, "another key");
        assert_eq!(recipient("mysql", "d2").read(token, &key(1), NOW), forged);
        assert_eq!(recipient("files", "d1").read(token, &key(1), NOW), forged);
        for bad in [
            token.replacen("1000060", "9000060", 1),
            token[..token.len() - 2].to_owned(),
            token.replace('-', ""),
            "aB3dE5fG7hJ90123456789abcdef0123456789abcdef".to_owned(),
            String::new(),
        ] {
            assert_eq!(owner.read(&bad, &key(1), NOW), forged, "{bad}");
        }
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
