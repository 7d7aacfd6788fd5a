//! What `/varz` of a node says. Names what it shows, so that a new secret is not shown (P29).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use serde::Serialize;
use tenon_protocol::NodeId;
use tenon_protocol::message::Varz;
use tenon_protocol::process::{FILES, Figures};

use super::Page;
use crate::config::{Capability, Config};
use crate::offering::Offering;

/// The configuration under the original's names, as far as both have it.
#[derive(Serialize)]
pub(super) struct ConfigView {
    index: u32,
    plan: String,
    capacity: u32,
    node_id: NodeId,
    op_time_limit: u64,
    supported_versions: Vec<String>,
    disabled_file: Option<PathBuf>,
    base_dir: PathBuf,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mysql: BTreeMap<String, ServerView>,
}

#[derive(Serialize)]
struct ServerView {
    host: String,
    port: u16,
    user: String,
    mysqldump_bin: String,
    mysql_bin: String,
}

impl ConfigView {
    pub(super) fn new(config: &Config, offering: &Offering) -> Self {
        let granted = offering.config.capabilities.contains(&Capability::Mysql);
        let servers = config.mysql.iter().filter(|_server| granted).map(|server| {
            let view = ServerView {
                host: server.host.clone(),
                port: server.port,
                user: server.user.clone(),
                mysqldump_bin: server.dump_program.clone(),
                mysql_bin: server.client_program.clone(),
            };
            (server.version.clone(), view)
        });
        Self {
            index: config.component.index,
            plan: offering.config.plan.clone(),
            capacity: offering.config.capacity,
            node_id: offering.node().clone(),
            op_time_limit: config.guests.call_timeout_seconds,
            supported_versions: offering.config.versions.clone(),
            disabled_file: config.node.disabled_file.clone(),
            base_dir: config.node.data_dir.clone(),
            mysql: servers.collect(),
        }
    }
}

/// A node's own part. What only the service knows, such as the sizes of databases, is not here.
#[derive(Serialize)]
struct Own {
    available_capacity: i64,
    max_capacity: i64,
    capacity_unit: i64,
    used_capacity: i64,
    provision_served: u64,
    binding_served: u64,
}

/// The whole page.
pub(super) async fn text(page: &Page) -> Vec<u8> {
    let mut texts = [const { String::new() }; 4];
    for (text, file) in texts.iter_mut().zip(FILES) {
        *text = tokio::fs::read_to_string(format!("/proc/{file}")).await.unwrap_or_default();
    }
    let uptime = page.started.elapsed();
    let offering = &page.offering;
    let own = Own {
        available_capacity: offering.room(),
        max_capacity: offering.config.capacity.into(),
        capacity_unit: 1,
        used_capacity: offering.used.load(Ordering::Relaxed),
        provision_served: offering.provision_served.load(Ordering::Relaxed),
        binding_served: offering.binding_served.load(Ordering::Relaxed),
    };
    let figures = Figures::of(texts.each_ref().map(String::as_str), uptime);
    let component = page.component.as_ref().clone();
    let varz = Varz::new(component, uptime, (page.config.as_ref(), own), figures);
    serde_json::to_vec_pretty(&varz).unwrap_or_default()
}
