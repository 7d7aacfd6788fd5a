//! What every process says of itself on the bus and on `/varz`. Reference, sections 4.5 and 5.9.

use serde::{Deserialize, Serialize};

use super::{Any, Named};

/// `vcap.component.announce`, and with `uptime`, the answer to `vcap.component.discover`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Component {
    #[serde(rename = "type")]
    kind: String,
    index: u32,
    uuid: String,
    host: String,
    credentials: (String, String),
    start: String,
    uptime: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Machine {
    num_cores: u32,
    mem: u64,
    cpu: f64,
    mem_used_bytes: u64,
    mem_free_bytes: u64,
    cpu_load_avg: f64,
}

/// A gateway's.
#[derive(Serialize, Deserialize)]
pub(crate) struct GatewayVarz {
    #[serde(flatten)]
    component: Component,
    #[serde(flatten)]
    machine: Machine,
    nodes: Named<Any>,
    prov_svcs: Named<ShownHandle>,
    orphan_instances: Named<Vec<String>>,
    orphan_bindings: Named<Vec<Any>>,
    plans: Vec<PlanVarz>,
    responses_metrics: Responses,
}

#[derive(Serialize, Deserialize)]
struct ShownHandle {
    service_id: String,
    configuration: Named<Any>,
    credentials: Named<Any>,
}

#[derive(Serialize, Deserialize)]
struct PlanVarz {
    plan: String,
    score: i64,
    low_water: Option<u32>,
    high_water: Option<u32>,
    allow_over_provisioning: u8,
    available_capacity: Option<i64>,
    max_capacity: Option<i64>,
    used_capacity: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Responses {
    responses_xxx: u64,
    responses_2xx: u64,
    responses_3xx: u64,
    responses_4xx: u64,
    responses_5xx: u64,
}

/// A MySQL node's.
#[derive(Serialize, Deserialize)]
pub(crate) struct NodeVarz {
    #[serde(flatten)]
    component: Component,
    #[serde(flatten)]
    machine: Machine,
    available_capacity: i64,
    max_capacity: i64,
    capacity_unit: i64,
    used_capacity: i64,
    queries_since_startup: u64,
    queries_per_second: f64,
    database_status: Vec<DatabaseStatus>,
    long_queries_killed: u64,
    long_transactions_killed: u64,
    long_transactions_count: u64,
    provision_served: u64,
    binding_served: u64,
    instances: Named<String>,
    pools: Named<Pool>,
}

#[derive(Serialize, Deserialize)]
struct DatabaseStatus {
    name: String,
    size: u64,
    max_size: u64,
}

#[derive(Serialize, Deserialize)]
struct Pool {
    size: u32,
    checked_out_size: u32,
    checked_out_by: Vec<Any>,
    average_latency_ms: f64,
    worst_latency_ms: f64,
}
