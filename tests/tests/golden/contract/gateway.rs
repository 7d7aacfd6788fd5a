//! Requests to a gateway, and answers of one, that ours reads or writes otherwise. Reference,
//! section 1.

use serde::{Deserialize, Serialize};

use super::{Any, Named};

/// A body without a word.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A provision of before March 2013: without a plan's unique id.
#[derive(Serialize, Deserialize)]
pub(crate) struct ProvisionOf2012 {
    label: String,
    name: String,
    plan: String,
    email: String,
    version: String,
    plan_option: Option<Any>,
}

/// `PUT .../serialized/data`, which was removed in July 2012.
#[derive(Serialize, Deserialize)]
pub(crate) struct SerializedData {
    data: String,
}

/// Snapshots; the original's have no name when they came from a URL.
#[derive(Serialize, Deserialize)]
pub(crate) struct Snapshots {
    snapshots: Vec<Snapshot>,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    snapshot_id: String,
    size: u64,
    name: Option<String>,
    date: String,
}

/// `DELETE /service/internal/v1/purge_orphan`.
#[derive(Serialize, Deserialize)]
pub(crate) struct PurgeOrphan {
    orphan_instances: Named<Vec<String>>,
    orphan_bindings: Named<Vec<Any>>,
}

/// The whole offering notice: the message class allows more than the v1 manager sends.
#[derive(Serialize, Deserialize)]
pub(crate) struct DetailedNotice {
    label: String,
    description: Option<String>,
    provider: Option<String>,
    url: String,
    cf_plan_id: Option<Any>,
    default_plan: Option<String>,
    tags: Option<Vec<String>>,
    active: Option<bool>,
    acls: Option<Any>,
    supported_versions: Vec<String>,
    version_aliases: Named<String>,
    timeout: Option<u64>,
    plan_details: Option<Vec<PlanDetails>>,
    extra: Option<String>,
    unique_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PlanDetails {
    name: String,
    free: bool,
    description: Option<String>,
    extra: Option<String>,
    unique_id: Option<String>,
}
