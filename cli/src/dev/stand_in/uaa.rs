//! A stand-in for a UAA: one client, and tokens that last an hour or until they are revoked.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenon_protocol::{BindingId, Secret};

use super::refusal::Refusal;

/// The client that gateways are.
pub(crate) const CLIENT_ID: &str = "gateway";
/// Below the stand-in's address.
pub(crate) const PATH: &str = "/uaa";
/// What tokens are said to be good for, until somebody says otherwise.
const EXPIRES_IN_SECONDS: u64 = 3600;

/// Who may have tokens, and which are good.
pub(super) struct Uaa {
    secret: Secret,
    is_available: bool,
    expires_in_seconds: u64,
    tokens: BTreeSet<String>,
}

impl Uaa {
    pub(super) fn new(secret: Secret) -> Self {
        let expires_in_seconds = EXPIRES_IN_SECONDS;
        Self { secret, is_available: true, expires_in_seconds, tokens: BTreeSet::new() }
    }

    /// A new token for whoever has the client's secret.
    pub(super) fn grant(&mut self, authorization: Option<&str>) -> Result<Value, Refusal> {
        if !self.is_available {
            return Err(Refusal::Unavailable);
        }
        let expected = Secret::new(format!("Basic {}", basic(&self.secret)));
        if !authorization.is_some_and(|given| expected.matches(given)) {
            return Err(Refusal::BadClient);
        }
        let token = BindingId::random().to_string();
        self.tokens.insert(token.clone());
        Ok(json!({
            "access_token": token, "token_type": "bearer", "expires_in": self.expires_in_seconds,
            "scope": "cloud_controller.admin",
        }))
    }

    /// Whether `authorization` has a good token.
    pub(super) fn admits(&self, authorization: Option<&str>) -> bool {
        let token = authorization.and_then(|given| given.strip_prefix("bearer "));
        token.is_some_and(|token| self.tokens.contains(token))
    }

    pub(super) fn revoke_all(&mut self) {
        self.tokens.clear();
    }

    /// Of the tokens that are given from now on.
    pub(super) fn set_life(&mut self, seconds: u64) {
        self.expires_in_seconds = seconds;
    }

    pub(super) fn set_available(&mut self, available: bool) {
        self.is_available = available;
    }
}

/// `gateway:<secret>` in Base64.
fn basic(secret: &Secret) -> String {
    STANDARD.encode(format!("{CLIENT_ID}:{}", secret.reveal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_is_revoked() {
        let mut uaa = Uaa::new(Secret::new("s".to_owned()));
        let right = "Basic Z2F0ZXdheTpz";
        for wrong in [None, Some("Basic Z2F0ZXdheTp0"), Some("gateway:s")] {
            assert!(matches!(uaa.grant(wrong), Err(Refusal::BadClient)), "{wrong:?}");
        }
        let granted = uaa.grant(Some(right)).unwrap();
        let header = format!("bearer {}", granted["access_token"].as_str().unwrap());
        assert!(uaa.admits(Some(&header)));
        assert!(!uaa.admits(None) && !uaa.admits(Some("bearer x")));
        assert_eq!(granted["expires_in"], EXPIRES_IN_SECONDS);
        uaa.revoke_all();
        assert!(!uaa.admits(Some(&header)));
        uaa.set_life(90);
        assert_eq!(uaa.grant(Some(right)).unwrap()["expires_in"], 90);
        uaa.set_available(false);
        assert!(matches!(uaa.grant(Some(right)), Err(Refusal::Unavailable)));
    }
}
