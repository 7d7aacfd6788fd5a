//! `tenon:host/secrets`: the operator's secrets for a plugin, and random ones.

use std::collections::BTreeMap;

use rand::distr::{Alphanumeric, SampleString};
use tenon_protocol::Secret;
use wasmtime::component::{HasData, Linker};

use crate::guest::bindings::tenon::host::secrets::{Host, add_to_linker as link};

/// Longest random password.
const MAX_PASSWORD: u8 = 64;

/// What the interface sees of a store: `None` gives no secrets.
pub(crate) struct SecretsView<'a> {
    pub(crate) secrets: Option<&'a BTreeMap<String, Secret>>,
}

impl Host for SecretsView<'_> {
    async fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let secret = self.secrets.and_then(|secrets| secrets.get(&name));
        Ok(secret.map(|secret| secret.reveal().to_owned()))
    }

    async fn random_password(&mut self, length: u8) -> wasmtime::Result<String> {
        let length = usize::from(length.clamp(1, MAX_PASSWORD));
        Ok(Alphanumeric.sample_string(&mut rand::rng(), length))
    }
}

/// Marks the view for the linker.
pub(crate) struct HasSecrets;

impl HasData for HasSecrets {
    type Data<'a> = SecretsView<'a>;
}

/// Links the interface.
///
/// # Errors
///
/// wasmtime's error when it is linked already.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: for<'a> fn(&'a mut T) -> SecretsView<'a>,
) -> wasmtime::Result<()> {
    link::<T, HasSecrets>(linker, view)
}
