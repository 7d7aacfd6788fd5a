//! Whether databases can be had.

use tenon_guest::{Call, HealthReport, Instance, Result};

use crate::{instance, settings};

/// Asks every server of the node for one database.
pub(crate) fn of_servers(cx: &Call<'_>) -> Result<HealthReport> {
    let versions = settings::versions(cx)?;
    let complaints: Vec<String> = versions
        .iter()
        .filter_map(|version| match probe(cx, version) {
            Ok(()) => None,
            Err(error) => Some(format!("{version}: {error}")),
        })
        .collect();
    let detail = complaints.join("; ");
    Ok(match complaints.len() {
        0 => HealthReport::ok(),
        ill if ill < versions.len() => HealthReport::degraded(detail),
        _ => HealthReport::failed(detail),
    })
}

/// Whether the instance's database is there.
pub(crate) fn of_instance(cx: &Call<'_>, instance: &Instance) -> Result<HealthReport> {
    Ok(match instance::find(cx, instance)? {
        Some(_) => HealthReport::ok(),
        None => HealthReport::failed(format!("database {} is gone", instance.id)),
    })
}

fn probe(cx: &Call<'_>, version: &str) -> Result<()> {
    instance::server(cx, version)?.labels(None, 1)?;
    Ok(())
}
