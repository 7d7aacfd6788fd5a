//! What every process says of itself on `/varz`, inside the frame of `tenon-protocol`. Reference,
//! sections 4.5 and 5.9.

use serde::{Deserialize, Serialize};
use tenon_protocol::message::{Capacities, Varz};

use super::{Any, Named};

/// A gateway's. The example leaves the configuration out.
pub(crate) type GatewayVarz = Varz<Option<Any>, GatewayOwn>;

/// A MySQL node's.
pub(crate) type NodeVarz = Varz<Option<Any>, NodeOwn>;

#[derive(Serialize, Deserialize)]
pub(crate) struct GatewayOwn {
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
    #[serde(flatten)]
    capacities: Option<Capacities>,
}

#[derive(Serialize, Deserialize)]
struct Responses {
    responses_xxx: u64,
    responses_2xx: u64,
    responses_3xx: u64,
    responses_4xx: u64,
    responses_5xx: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NodeOwn {
    #[serde(flatten)]
    capacities: Capacities,
    capacity_unit: i64,
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
