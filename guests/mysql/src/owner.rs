//! Which account is the owner's.
//!
//! The server cannot tell it from a binding's, and the owner's must neither be listed among the
//! bindings nor dropped as one. So its name is kept in the service's state, one key an instance.

use tenon_guest::{Call, Error, Result};

/// Label of the owner's account. Those of bindings are labelled with the bindings' ids.
pub(crate) const LABEL: &str = "owner";

/// Refuses a binding that would be given the owner's account.
pub(crate) fn check_is_not(binding: &str) -> Result<()> {
    if binding == LABEL {
        return Err(Error::invalid_input(0, format!("a binding cannot be called {LABEL}")));
    }
    Ok(())
}

/// Keeps the user name of an instance's owner.
pub(crate) fn remember(cx: &Call<'_>, instance: &str, user: &str) -> Result<()> {
    cx.state().put(&key(instance), user.as_bytes())?;
    Ok(())
}

/// The user name of an instance's owner; `None` when the instance is unknown.
pub(crate) fn of(cx: &Call<'_>, instance: &str) -> Result<Option<String>> {
    let Some(entry) = cx.state().get(&key(instance))? else {
        return Ok(None);
    };
    match String::from_utf8(entry.value) {
        Ok(user) => Ok(Some(user)),
        Err(_) => Err(Error::internal(0, format!("the record of {instance}'s owner is damaged"))),
    }
}

/// Forgets an instance that is gone.
pub(crate) fn forget(cx: &Call<'_>, instance: &str) -> Result<()> {
    Ok(cx.state().delete(&key(instance))?)
}

fn key(instance: &str) -> String {
    format!("owner/{instance}")
}
