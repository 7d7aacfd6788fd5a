//! Secrets at rest: XChaCha20-Poly1305 under a key that the operator keeps apart from the store.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key is not 64 hex digits.
    #[error("a seal key is 64 hex digits")]
    BadKey,
    /// Another key, another place, or damaged.
    #[error("a sealed value cannot be opened: it was sealed with another key, or is damaged")]
    CannotOpen,
    /// The value cannot be written as JSON, or does not fit its type.
    #[error("a sealed value does not have the expected form")]
    Form(#[source] serde_json::Error),
}

/// The key of a store. Gateways that share records share it.
#[derive(Clone)]
pub struct SealKey {
    cipher: XChaCha20Poly1305,
    bytes: [u8; 32],
}

impl SealKey {
    /// A key from its 64 hex digits.
    ///
    /// # Errors
    ///
    /// [`SealError::BadKey`] when it has another form.
    pub fn from_hex(text: &str) -> Result<Self, SealError> {
        let bytes = hex::decode(text.trim()).ok().filter(|bytes| bytes.len() == 32);
        let bytes = bytes.ok_or(SealError::BadKey)?;
        let bytes: [u8; 32] = bytes.try_into().ok().ok_or(SealError::BadKey)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&bytes).ok().ok_or(SealError::BadKey)?;
        Ok(Self { cipher, bytes })
    }

    /// A key for another `purpose`, from which nobody learns this one.
    #[must_use]
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("any length is a key");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// A new key as hex digits, to be written into a key file.
    #[must_use]
    pub fn random_hex() -> String {
        let mut bytes = [0u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        hex::encode(bytes)
    }

    /// Seals `value` for `place`: it opens only with the same place, so that a sealed value moved
    /// to another record is refused.
    ///
    /// # Errors
    ///
    /// [`SealError::Form`] when `value` cannot be written as JSON.
    pub fn seal<T: Serialize>(&self, place: &str, value: &T) -> Result<Sealed, SealError> {
        let plain = serde_json::to_vec(value).map_err(SealError::Form)?;
        let mut nonce = [0u8; 24];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: &plain, aad: place.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.ok().ok_or(SealError::CannotOpen)?;
        Ok(Sealed(to_hex(&[nonce.as_slice(), &sealed].concat())?))
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    ///
    /// [`SealError::CannotOpen`] for another key, place or a damaged value; [`SealError::Form`]
    /// when it holds something else than a `T`.
    pub fn open<T: for<'de> Deserialize<'de>>(
        &self,
        place: &str,
        sealed: &Sealed,
    ) -> Result<T, SealError> {
        let mut bytes = vec![0; sealed.0.len() / 2];
        hex::decode_to_slice(&sealed.0, &mut bytes).ok().ok_or(SealError::CannotOpen)?;
        let (nonce, body) = bytes.split_at_checked(24).ok_or(SealError::CannotOpen)?;
        let nonce: [u8; 24] = nonce.try_into().ok().ok_or(SealError::CannotOpen)?;
        let payload = Payload { msg: body, aad: place.as_bytes() };
        let plain = self.cipher.decrypt(&XNonce::from(nonce), payload);
        let plain = plain.ok().ok_or(SealError::CannotOpen)?;
        serde_json::from_slice(&plain).map_err(SealError::Form)
    }
}

/// What `hex::encode` gives, which collects a string digit by digit: every order comes by here.
fn to_hex(bytes: &[u8]) -> Result<String, SealError> {
    let mut text = vec![0; bytes.len() * 2];
    hex::encode_to_slice(bytes, &mut text).ok().ok_or(SealError::CannotOpen)?;
    String::from_utf8(text).ok().ok_or(SealError::CannotOpen)
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// A sealed value: hex of nonce and ciphertext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_with_its_key_and_its_place() {
        let key = SealKey::from_hex(&SealKey::random_hex()).unwrap();
        let sealed = key.seal("inst.d1", &"hunter2").unwrap();
        assert!(!serde_json::to_string(&sealed).unwrap().contains("hunter2"));
        assert_eq!(key.open::<String>("inst.d1", &sealed).unwrap(), "hunter2");

        let other = SealKey::from_hex(&SealKey::random_hex()).unwrap();
        assert!(matches!(other.open::<String>("inst.d1", &sealed), Err(SealError::CannotOpen)));
        assert!(matches!(key.open::<String>("inst.d2", &sealed), Err(SealError::CannotOpen)));
        let damaged = Sealed(sealed.0.replace(|c: char| c.is_ascii_digit(), "0"));
        assert!(matches!(key.open::<String>("inst.d1", &damaged), Err(SealError::CannotOpen)));
        assert!(matches!(
            key.open::<String>("x", &Sealed("zz".into())),
            Err(SealError::CannotOpen)
        ));
    }

    #[test]
    fn a_value_of_another_type_is_an_error() {
        let key = SealKey::from_hex(&SealKey::random_hex()).unwrap();
        let sealed = key.seal("x", &"text").unwrap();
        assert!(matches!(key.open::<u64>("x", &sealed), Err(SealError::Form(_))));
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused() {
        assert!(matches!(SealKey::from_hex("abcd"), Err(SealError::BadKey)));
        assert!(matches!(SealKey::from_hex(&"z".repeat(64)), Err(SealError::BadKey)));
    }
}
