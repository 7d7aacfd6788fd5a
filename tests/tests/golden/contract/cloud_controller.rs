//! The cloud controller: what a v2 one lists and takes, and what it says to a DEA. Reference,
//! sections 2.2 to 2.4.

use serde::{Deserialize, Serialize};
use tenon_protocol::message::Configuration;

use super::{Any, Named};

/// One page of `GET /v2/...`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Page<T> {
    total_results: u64,
    total_pages: u64,
    prev_url: Option<String>,
    next_url: Option<String>,
    resources: Vec<Resource<T>>,
}

/// What a v2 cloud controller has, and answers to who made it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Resource<T> {
    metadata: Metadata,
    entity: T,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    guid: String,
    url: String,
    created_at: String,
    updated_at: Option<String>,
}

/// A service as it is listed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Service {
    label: String,
    provider: String,
    url: String,
    description: String,
    version: String,
    info_url: Option<String>,
    active: bool,
    unique_id: String,
    extra: Option<String>,
    service_plans_url: String,
}

/// A service as a gateway orders it: `POST` (with `unique_id`) and `PUT /v2/services`.
#[derive(Serialize, Deserialize)]
pub(crate) struct ServiceOrder {
    description: String,
    provider: String,
    version: String,
    url: String,
    label: String,
    active: bool,
    acls: Option<Any>,
    timeout: Option<u64>,
    extra: Option<String>,
    unique_id: Option<String>,
}

/// A plan as it is listed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    name: String,
    free: bool,
    description: String,
    service_guid: String,
    extra: Option<String>,
    unique_id: String,
    service_url: String,
    service_instances_url: String,
}

/// A plan as a gateway orders it: `POST` (with `unique_id`) and `PUT /v2/service_plans`.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlanOrder {
    name: String,
    description: String,
    free: bool,
    extra: Option<String>,
    service_guid: String,
    unique_id: Option<String>,
}

/// `POST /v2/service_auth_tokens`; the answer leaves the token out.
#[derive(Serialize, Deserialize)]
pub(crate) struct ServiceAuthToken {
    label: String,
    provider: String,
    token: Option<String>,
}

/// `POST /v2/service_instances`.
#[derive(Serialize, Deserialize)]
pub(crate) struct InstanceOrder {
    name: String,
    space_guid: String,
    service_plan_guid: String,
}

/// An instance as it is listed, and as the original's gateway keeps it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Instance {
    name: String,
    credentials: Named<Any>,
    service_plan_guid: String,
    space_guid: String,
    gateway_data: Configuration,
    dashboard_url: Option<String>,
    space_url: String,
    service_plan_url: String,
    service_bindings_url: String,
}

/// A binding as it is listed, and as the original's gateway keeps it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Binding {
    app_guid: String,
    service_instance_guid: String,
    credentials: Named<Any>,
    binding_options: Option<Any>,
    gateway_data: Configuration,
    gateway_name: String,
    app_url: String,
    service_instance_url: String,
}

/// What the original's gateway makes of both lists, in memory.
#[derive(Serialize, Deserialize)]
pub(crate) struct Handles {
    handles: (Named<Instance>, Named<Binding>),
}

/// `PUT /v2/service_instances/internal/<gateway_name>`, and the same for bindings.
#[derive(Serialize, Deserialize)]
pub(crate) struct HandleUpdate {
    token: String,
    gateway_data: Configuration,
    credentials: Named<Any>,
}

/// What a DEA is told of an application's services when it starts it.
#[derive(Serialize, Deserialize)]
pub(crate) struct StartMessage {
    services: Vec<BoundService>,
}

#[derive(Serialize, Deserialize)]
struct BoundService {
    name: String,
    label: String,
    plan: String,
    provider: String,
    version: String,
    credentials: Named<Any>,
    vendor: String,
}

/// `POST /oauth/authorize` of the UAA, as a form.
#[derive(Serialize, Deserialize)]
pub(crate) struct TokenForm {
    username: String,
    password: String,
    source: String,
}
