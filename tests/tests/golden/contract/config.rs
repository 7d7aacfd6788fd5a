//! The original's configuration files, as JSON. Reference, sections 4.2 and 4.4.

use serde::{Deserialize, Serialize};

use super::Named;

/// A gateway's, for a v2 cloud controller.
#[derive(Serialize, Deserialize)]
pub(crate) struct GatewayFile {
    index: u32,
    mbus: String,
    cloud_controller_uri: String,
    cc_api_version: String,
    gateway_name: String,
    uaa_client_id: String,
    uaa_endpoint: String,
    uaa_client_auth_credentials: Account,
    service_auth_tokens: Named<String>,
    service: ServiceSection,
    node_timeout: u32,
    z_interval: u32,
    check_orphan_interval: i64,
    double_check_orphan_interval: u32,
    max_nats_payload: u32,
    resque: Redis,
    download_url_template: String,
    plan_management: Plans<PlanManagement>,
    logging: Logging,
    pid: String,
}

#[derive(Serialize, Deserialize)]
struct Account {
    username: String,
    password: String,
}

#[derive(Serialize, Deserialize)]
struct ServiceSection {
    name: String,
    unique_id: String,
    version: String,
    description: String,
    provider: String,
    provider_name: String,
    plans: Named<PlanSection>,
    default_plan: String,
    tags: Vec<String>,
    timeout: u32,
    supported_versions: Vec<String>,
    version_aliases: Named<String>,
}

#[derive(Serialize, Deserialize)]
struct PlanSection {
    unique_id: String,
    description: String,
    free: bool,
    extra: String,
}

#[derive(Serialize, Deserialize)]
struct Redis {
    host: String,
    port: u16,
    password: String,
    expire: u32,
}

#[derive(Serialize, Deserialize)]
struct Plans<T> {
    plans: Named<T>,
}

#[derive(Serialize, Deserialize)]
struct PlanManagement {
    low_water: u32,
    high_water: u32,
    allow_over_provisioning: bool,
    lifecycle: Lifecycle,
}

#[derive(Serialize, Deserialize)]
struct Lifecycle {
    serialization: String,
    snapshot: SnapshotLimit,
    job: String,
}

#[derive(Serialize, Deserialize)]
struct SnapshotLimit {
    quota: u32,
}

#[derive(Serialize, Deserialize)]
struct Logging {
    level: String,
}

/// A MySQL node's.
#[derive(Serialize, Deserialize)]
pub(crate) struct NodeFile {
    capacity: u32,
    plan: String,
    local_db: String,
    base_dir: String,
    mbus: String,
    index: u32,
    node_id: String,
    supported_versions: Vec<String>,
    default_version: String,
    max_db_size: u32,
    max_long_query: u32,
    max_long_tx: u32,
    kill_long_tx: bool,
    max_user_conns: u32,
    mysql: Named<MysqlServer>,
    connection_pool_size: PoolSize,
    connection_wait_timeout: u32,
    migration_nfs: String,
    gzip_bin: String,
    z_interval: u32,
    max_nats_payload: u32,
    fqdn_hosts: bool,
    op_time_limit: u32,
    use_warden: bool,
    pid: String,
    logging: Logging,
}

#[derive(Serialize, Deserialize)]
struct MysqlServer {
    host: String,
    port: u16,
    socket: Option<String>,
    user: String,
    pass: String,
    mysqldump_bin: String,
    mysql_bin: String,
}

#[derive(Serialize, Deserialize)]
struct PoolSize {
    min: u32,
    max: u32,
}

/// A MySQL node's own record of an instance. Reference, section 5.1.
#[derive(Serialize, Deserialize)]
pub(crate) struct LocalRecord {
    name: String,
    user: String,
    password: String,
    plan: u32,
    quota_exceeded: bool,
    version: String,
}
