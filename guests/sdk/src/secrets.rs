//! Secrets that the operator gives the service, and good random ones.

use crate::host::secrets;

/// The capability `secrets`. Get it from [`crate::Call::secrets`].
pub struct Secrets(());

impl Secrets {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// A secret from the operator's configuration; `None` when there is none of that name.
    pub fn get(&self, name: &str) -> Option<String> {
        secrets::get(name)
    }

    /// Letters and digits from the node's generator; 1 to 64 of them.
    pub fn random_password(&self, length: u8) -> String {
        secrets::random_password(length)
    }
}
