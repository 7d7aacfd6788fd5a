//! What really exists, on all servers, in pages.
//!
//! Server by server: first its databases, then its accounts. A page's token says where to go on.

use tenon_guest::mysql::FoundAccount;
use tenon_guest::{Call, Error, FoundBinding, InventoryPage, Result};

use crate::{instance, owner, settings};

/// Most names in a page; the node gives no more at once.
const PAGE: u32 = 1_000;

/// Where a page starts.
enum Place {
    /// At the databases of `version` that follow `after`.
    Databases { version: String, after: Option<String> },
    /// At the accounts of `version` that follow `after`.
    Accounts { version: String, after: Option<FoundAccount> },
}

/// One page; the first when `token` is `None`.
pub(crate) fn page(cx: &Call<'_>, token: Option<&str>) -> Result<InventoryPage> {
    let versions = settings::versions(cx)?;
    let place = match token {
        Some(token) => Place::parse(token)?,
        None => first_place(&versions)?,
    };
    match place {
        Place::Databases { version, after } => databases(cx, version, after.as_deref()),
        Place::Accounts { version, after } => accounts(cx, &versions, version, after.as_ref()),
    }
}

fn databases(cx: &Call<'_>, version: String, after: Option<&str>) -> Result<InventoryPage> {
    let labels = instance::server(cx, &version)?.labels(after, PAGE)?;
    let next = if is_full(labels.len()) {
        Place::Databases { version, after: labels.last().cloned() }
    } else {
        Place::Accounts { version, after: None }
    };
    Ok(InventoryPage {
        instances: labels.iter().map(|label| instance::id(label)).collect(),
        bindings: Vec::new(),
        next: Some(next.token()),
    })
}

fn accounts(
    cx: &Call<'_>,
    versions: &[String],
    version: String,
    after: Option<&FoundAccount>,
) -> Result<InventoryPage> {
    let found = instance::server(cx, &version)?.accounts(after, PAGE)?;
    let next = if is_full(found.len()) {
        Some(Place::Accounts { version, after: found.last().cloned() })
    } else {
        version_after(versions, &version)
            .map(|version| Place::Databases { version: version.clone(), after: None })
    };
    Ok(InventoryPage {
        instances: Vec::new(),
        bindings: bindings_among(cx, found)?,
        next: next.map(|place| place.token()),
    })
}

/// Accounts without the owners'. Those of a database whose owner is unknown are left out: one of
/// them may be the owner's, and all of them go when the database is purged.
fn bindings_among(cx: &Call<'_>, found: Vec<FoundAccount>) -> Result<Vec<FoundBinding>> {
    let mut bindings = Vec::new();
    let mut last: Option<(String, Option<String>)> = None;
    for FoundAccount { database, user } in found {
        let owner = match last {
            Some((name, owner)) if name == database => owner,
            _ => owner::of(cx, &database)?,
        };
        if owner.as_ref().is_some_and(|owner| *owner != user) {
            bindings.push(FoundBinding { instance: database.clone(), user });
        }
        last = Some((database, owner));
    }
    Ok(bindings)
}

fn first_place(versions: &[String]) -> Result<Place> {
    let version = versions.first().ok_or_else(|| Error::internal(0, "no server to look at"))?;
    Ok(Place::Databases { version: version.clone(), after: None })
}

fn version_after<'a>(versions: &'a [String], version: &str) -> Option<&'a String> {
    let mut rest = versions.iter().skip_while(|one| *one != version);
    rest.next();
    rest.next()
}

fn is_full(names: usize) -> bool {
    names >= PAGE as usize
}

impl Place {
    /// Parts with slashes between them: neither versions nor names on a server have any.
    fn token(&self) -> String {
        match self {
            Self::Databases { version, after: None } => format!("databases/{version}"),
            Self::Databases { version, after: Some(label) } => {
                format!("databases/{version}/{label}")
            }
            Self::Accounts { version, after: None } => format!("accounts/{version}"),
            Self::Accounts { version, after: Some(FoundAccount { database, user }) } => {
                format!("accounts/{version}/{database}/{user}")
            }
        }
    }

    fn parse(token: &str) -> Result<Self> {
        match token.split('/').collect::<Vec<_>>().as_slice() {
            ["databases", version] => {
                Ok(Self::Databases { version: (*version).to_owned(), after: None })
            }
            ["databases", version, label] => Ok(Self::Databases {
                version: (*version).to_owned(),
                after: Some((*label).to_owned()),
            }),
            ["accounts", version] => {
                Ok(Self::Accounts { version: (*version).to_owned(), after: None })
            }
            ["accounts", version, database, user] => Ok(Self::Accounts {
                version: (*version).to_owned(),
                after: Some(FoundAccount {
                    database: (*database).to_owned(),
                    user: (*user).to_owned(),
                }),
            }),
            _ => Err(Error::invalid_input(0, format!("no such page: {token:?}"))),
        }
    }
}
