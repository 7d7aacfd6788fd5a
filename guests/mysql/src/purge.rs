//! Removes what nobody owns.
//!
//! The node knows neither version nor server of what it found, so every server is searched.

use tenon_guest::mysql::{Failure, Server};
use tenon_guest::{Call, FoundBinding, Instance, Result, log};

use crate::{instance, owner, settings};

/// Drops databases with their accounts; how many there were.
pub(crate) fn instances(cx: &Call<'_>, unowned: &[Instance]) -> Result<u32> {
    let servers = servers(cx)?;
    let mut dropped = 0;
    for Instance { id, .. } in unowned {
        let label = instance::label(id)?;
        for server in &servers {
            match server.database(label) {
                Ok(_) => {
                    server.drop_database(label)?;
                    log::warn(format_args!("dropped database {id}, which nobody owned"));
                    dropped += 1;
                }
                Err(Failure::NotFound) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        owner::forget(cx, id)?;
    }
    Ok(dropped)
}

/// Drops accounts that are surely no owner's; how many.
pub(crate) fn bindings(cx: &Call<'_>, unowned: &[FoundBinding]) -> Result<u32> {
    let servers = servers(cx)?;
    let mut dropped = 0;
    for FoundBinding { instance, user } in unowned {
        if owner::of(cx, instance)?.is_none_or(|owner| owner == *user) {
            log::warn(format_args!("kept account {user}: it may be the owner of {instance}"));
            continue;
        }
        let label = instance::label(instance)?;
        for server in &servers {
            match server.database(label) {
                Ok(database) => {
                    database.drop_account(user)?;
                    log::warn(format_args!("dropped account {user}, which nobody owned"));
                    dropped += 1;
                }
                Err(Failure::NotFound) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
    }
    Ok(dropped)
}

fn servers(cx: &Call<'_>) -> Result<Vec<Server>> {
    settings::versions(cx)?.iter().map(|version| instance::server(cx, version)).collect()
}
