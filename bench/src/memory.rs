//! Row (e): resident memory at start, and after many operations.

use serde_json::json;

use crate::platform::Platforms;
use crate::process::resident_mib;
use crate::report::Report;
use crate::{Arguments, Result};

/// Before anything was asked.
pub(crate) fn at_start(platforms: &Platforms, report: &mut Report) -> Result<()> {
    add(platforms, report, "at start")
}

/// After `--operations` operations: whole lives of echo instances.
pub(crate) async fn after(
    arguments: &Arguments,
    platforms: &Platforms,
    report: &mut Report,
) -> Result<()> {
    let classic = platforms.classic("echo")?;
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (classic, lives) = (classic.clone(), arguments.operations / 32);
        workers.spawn(async move {
            for _ in 0..lives {
                let instance = classic.provision().await?.service_id;
                let binding = classic.bind(&instance).await?.service_id;
                classic.unbind(&instance, &binding).await?;
                classic.unprovision(&instance).await?;
            }
            crate::Result::Ok(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    add(platforms, report, &format!("after {} operations more", arguments.operations))
}

fn add(platforms: &Platforms, report: &mut Report, when: &str) -> Result<()> {
    let (gateway, node) = (resident_mib(platforms.gateway)?, resident_mib(platforms.node)?);
    report.add(
        "e",
        format!("resident memory of gateway / node {when}"),
        format!("{:.0} / {:.0} MiB", gateway.all, node.all),
        "<= 25 / 60 MiB at start",
        json!({"gateway_mib": gateway.all, "node_mib": node.all,
            "gateway_anonymous_mib": gateway.anonymous, "node_anonymous_mib": node.anonymous}),
    );
    Ok(())
}
