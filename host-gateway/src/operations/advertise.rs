//! Advertise: the platform is told of an offering, and of every plan that it must go on knowing.
//!
//! A version 1 cloud controller removes the plans that a notice leaves out, with their instances
//! (P34). So a plan that was taken out of the configuration, or that another gateway has, is told
//! of while anything has it, and for a day after. Nobody can order it here.

use std::collections::BTreeSet;

use tenon_protocol::clock::Millis;
use tenon_protocol::record::{Phase, PlatformRecord};

use super::{OperationError, Operations};
use crate::cloud_controller::{CloudController, Presence};
use crate::config::OfferingConfig;

/// Tells `client` that `offering` is here, or leaves. Returns the plans that it was told of besides
/// those that are configured.
///
/// # Errors
///
/// [`OperationError`]; to be told again later. What was not known whole was not told.
pub(crate) async fn advertise(
    ops: &Operations,
    offering: &OfferingConfig,
    client: &CloudController,
    presence: Presence,
) -> Result<Vec<String>, OperationError> {
    let known = match presence {
        Presence::Here => renewed(ops, offering, client).await?,
        Presence::Leaving => ops.records.platform(&offering.service).await?,
    };
    let known = known.ok_or(OperationError::Unadopted)?;
    let is_kept = |name: &String| offering.plans.iter().all(|plan| plan.name != *name);
    let kept: Vec<String> = known.plans.into_keys().filter(is_kept).collect();
    client.notify(offering, presence, &kept).await?;
    Ok(kept)
}

/// What is remembered of the platform, with the plans that are needed now, and without those that
/// nobody needs any more; `None` before its handles were taken over.
async fn renewed(
    ops: &Operations,
    offering: &OfferingConfig,
    client: &CloudController,
) -> Result<Option<PlatformRecord>, OperationError> {
    let now = Millis::now();
    let configured = || offering.plans.iter().map(|plan| plan.name.as_str());
    let renew = |known: Option<PlatformRecord>| known.map(|known| known.needing(configured(), now));
    let known = ops.records.change_platform(&offering.service, renew).await?;
    let stale = known.as_ref().map(|known| known.stale(now)).unwrap_or_default();
    if stale.is_empty() {
        return Ok(known);
    }
    let used = plans_in_use(ops, offering, client).await?;
    let (needed, over): (Vec<String>, Vec<String>) =
        stale.into_iter().partition(|plan| used.as_ref().is_none_or(|used| used.contains(plan)));
    tracing::info!(?needed, ?over, "plans that are not configured were looked for");
    let settle = |known: PlatformRecord| {
        let known = known.needing(needed.iter().map(String::as_str), now);
        over.iter().fold(known, |known, plan| known.without(plan, now))
    };
    Ok(ops.records.change_platform(&offering.service, |known| known.map(settle)).await?)
}

/// Plans of instances that platform or records know; `None` when there may be others.
async fn plans_in_use(
    ops: &Operations,
    offering: &OfferingConfig,
    client: &CloudController,
) -> Result<Option<BTreeSet<String>>, OperationError> {
    let fetched = client.handles(offering).await?;
    let Some(mut plans) = fetched.plans().cloned() else { return Ok(None) };
    let look = |record: tenon_protocol::record::InstanceRecord| {
        if record.service == offering.service && record.life.phase != Phase::Tomb {
            plans.insert(record.plan);
        }
    };
    ops.records.each_instance(look).await?;
    Ok(Some(plans))
}
