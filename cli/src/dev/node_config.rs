//! The node's configuration file. Its keys are explained in docs/reference/config.md.

use std::path::PathBuf;

use serde::Serialize;
use tenon_protocol::Secret;

use super::blueprint::{Blueprint, MysqlPlan, NodePlan, OfferingPlan};
use super::offering::{CAPACITY, PLAN};
use super::plugins;

#[derive(Serialize)]
struct Config<'a> {
    node: Node,
    health: Health,
    nats: Nats<'a>,
    guests: Guests,
    snapshots: Snapshots,
    backups: Backups,
    mysql: Vec<Mysql<'a>>,
    offerings: Vec<Offering<'a>>,
}

#[derive(Serialize)]
struct Node {
    data_dir: PathBuf,
}

#[derive(Serialize)]
struct Health {
    listen: String,
}

#[derive(Serialize)]
struct Nats<'a> {
    url: String,
    user: &'a str,
    password: &'a Secret,
}

#[derive(Serialize)]
struct Guests {
    plugins_dir: PathBuf,
}

#[derive(Serialize)]
struct Snapshots {
    dir: PathBuf,
}

#[derive(Serialize)]
struct Backups {
    dir: PathBuf,
}

#[derive(Serialize)]
struct Mysql<'a> {
    version: String,
    host: &'static str,
    port: u16,
    user: &'static str,
    password: &'a Secret,
    dump_program: PathBuf,
    client_program: PathBuf,
}

#[derive(Serialize)]
struct Offering<'a> {
    label: &'a str,
    service: &'a str,
    node_id: &'a str,
    plan: &'static str,
    versions: [&'a str; 1],
    capacity: u32,
    capabilities: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    mysql: Option<Names>,
}

#[derive(Serialize)]
struct Names {
    database_prefix: &'static str,
    account_prefix: &'static str,
}

/// The file of `node`.
pub(crate) fn text(blueprint: &Blueprint, node: &NodePlan) -> Result<String, toml::ser::Error> {
    let config = Config {
        node: Node { data_dir: blueprint.root.join(node.id.as_str()) },
        health: Health { listen: format!("127.0.0.1:{}", node.health_port) },
        nats: Nats {
            url: blueprint.nats.url(),
            user: node.id.as_str(),
            password: &node.nats_password,
        },
        guests: Guests { plugins_dir: blueprint.root.join(plugins::FOLDER) },
        snapshots: Snapshots { dir: blueprint.snapshots_dir() },
        backups: Backups { dir: blueprint.root.join("backups") },
        mysql: node.mysql.iter().filter_map(|mysql| server(blueprint, mysql)).collect(),
        offerings: blueprint.offerings.iter().map(|plan| offering(plan, node)).collect(),
    };
    toml::to_string(&config)
}

fn server<'a>(blueprint: &Blueprint, mysql: &'a MysqlPlan) -> Option<Mysql<'a>> {
    let programs = blueprint.mariadb.as_ref()?;
    Some(Mysql {
        version: programs.version.to_string(),
        host: "127.0.0.1",
        port: mysql.port,
        user: "root",
        password: &mysql.password,
        dump_program: programs.dump.clone(),
        client_program: programs.client.clone(),
    })
}

fn offering<'a>(plan: &'a OfferingPlan, node: &'a NodePlan) -> Offering<'a> {
    let offering = &plan.offering;
    Offering {
        label: offering.label.as_str(),
        service: &offering.service,
        node_id: node.id.as_str(),
        plan: PLAN,
        versions: [&offering.version],
        capacity: CAPACITY,
        capabilities: &offering.capabilities,
        mysql: offering
            .needs_database()
            .then_some(Names { database_prefix: "d", account_prefix: "u" }),
    }
}
