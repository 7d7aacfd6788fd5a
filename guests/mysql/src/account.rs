//! Accounts, and how an application hears of them.

use tenon_guest::mysql::{Access, Account, Database};
use tenon_guest::{Call, Credential, Error, Parameters, Result};

use crate::settings;

/// Makes an account, always the same for one label; or the one that `reuse` tells of.
pub(crate) fn make(
    cx: &Call<'_>,
    database: &Database,
    label: &str,
    access: Access,
    reuse: Option<&Credential>,
) -> Result<Account> {
    let max_connections = settings::max_connections(cx)?;
    let Some(reuse) = reuse else {
        return Ok(database.create_account(label, access, max_connections)?);
    };
    let user: String = reuse.require("user")?;
    let password: String = reuse.require("password")?;
    Ok(database.adopt_account(&user, &password, access, max_connections)?)
}

/// The parameter `privileges` of a bind request, as the original's `binding_options` had it.
pub(crate) fn access_asked_for(parameters: &Parameters) -> Result<Access> {
    let Some(privileges) = parameters.get::<Vec<String>>("privileges")? else {
        return Ok(Access::ReadWrite);
    };
    match privileges.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["FULL"] => Ok(Access::ReadWrite),
        ["READ_ONLY"] => Ok(Access::ReadOnly),
        _ => Err(Error::invalid_input(
            0,
            "parameter privileges: expected [\"FULL\"] or [\"READ_ONLY\"]",
        )),
    }
}

/// Everything under both of its classic names. The node adds `name`, which is the database's.
pub(crate) fn credential(account: &Account) -> Credential {
    let Account { host, port, user, password, database: _ } = account;
    Credential::new()
        .public("hostname", host.as_str())
        .public("host", host.as_str())
        .public("port", *port)
        .public("user", user.as_str())
        .public("username", user.as_str())
        .secret("password", password.as_str())
        .secret("uri", uri(account))
}

fn uri(account: &Account) -> String {
    let Account { host, port, database, user, password } = account;
    let (user, password) = (percent_encoded(user), percent_encoded(password));
    format!("mysql://{user}:{password}@{host}:{port}/{database}")
}

/// All but RFC 3986's unreserved characters: an adopted password may hold anything.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
