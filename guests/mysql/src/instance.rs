//! From an instance to its database.
//!
//! The id is the database's name, as the classic protocol wants it, and the node makes that name
//! from its prefix `d` and a label. So the label is what follows the `d`.

use tenon_guest::mysql::{Database, Failure, Server};
use tenon_guest::{Call, Error, Instance, Result};

/// What the node puts in front of every label.
const PREFIX: char = 'd';

/// The instance's database, made if it is not there.
pub(crate) fn create(cx: &Call<'_>, instance: &Instance) -> Result<Database> {
    Ok(server(cx, &instance.version)?.create_database(label(&instance.id)?)?)
}

/// The instance's database; `None` when it is gone.
pub(crate) fn find(cx: &Call<'_>, instance: &Instance) -> Result<Option<Database>> {
    match server(cx, &instance.version)?.database(label(&instance.id)?) {
        Ok(database) => Ok(Some(database)),
        Err(Failure::NotFound) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// The instance's database, which has to be there.
pub(crate) fn open(cx: &Call<'_>, instance: &Instance) -> Result<Database> {
    find(cx, instance)?.ok_or_else(|| {
        Error::not_found(31002, format!("Mysql configuration {} not found.", instance.id))
    })
}

/// Drops the instance's database with all its accounts. Succeeds when it is gone.
pub(crate) fn destroy(cx: &Call<'_>, instance: &Instance) -> Result<()> {
    Ok(server(cx, &instance.version)?.drop_database(label(&instance.id)?)?)
}

/// The server of one version.
pub(crate) fn server(cx: &Call<'_>, version: &str) -> Result<Server> {
    match cx.mysql(version) {
        Ok(server) => Ok(server),
        Err(Failure::NotFound) => {
            Err(Error::invalid_input(30004, format!("Unsupported version {version}")))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// What the node calls the database of instance `id`.
pub(crate) fn label(id: &str) -> Result<&str> {
    id.strip_prefix(PREFIX).ok_or_else(|| {
        Error::invalid_input(0, format!("instance id {id:?} does not start with {PREFIX:?}"))
    })
}

/// The instance whose database the node calls `label`.
pub(crate) fn id(label: &str) -> String {
    format!("{PREFIX}{label}")
}
