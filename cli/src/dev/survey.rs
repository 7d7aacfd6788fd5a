//! Reads `dev.json` off the blueprint and the children that run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tenon_protocol::Secret;

use super::blueprint::{Blueprint, GATEWAY_USER, GatewayPlan, NodePlan, OfferingPlan};
use super::child::{ChildId, Kind};
use super::children::Children;
use super::dev_file::{
    AdminEntry, CloudControllerEntry, ControlEntry, DevFile, GatewayEntry, GatewayProcess,
    MysqlEntry, NatsEntry, NodeEntry,
};
use super::offering::PLAN;
use super::plugins;

/// What runs now. `None` without a gateway, which the arguments do not allow.
pub(crate) fn survey(children: &Children) -> Option<DevFile> {
    let blueprint = children.blueprint();
    let gateways: Vec<GatewayProcess> = (1..)
        .zip(&blueprint.gateways)
        .map(|(number, plan)| gateway(blueprint, plan, pid(children, Kind::Gateway, number)))
        .collect();
    let first = gateways.first()?;
    Some(DevFile {
        gateway: GatewayEntry {
            url: first.url.clone(),
            pid: first.pid,
            tokens: tokens(blueprint),
            upload_token: blueprint.upload_token.clone(),
        },
        admin: AdminEntry { url: first.admin_url.clone(), token: blueprint.admin_token.clone() },
        cloud_controller: CloudControllerEntry {
            url: blueprint.stand_in_url(),
            api: blueprint.api.as_str().to_owned(),
        },
        nats: NatsEntry {
            url: blueprint.nats.url(),
            pid: children.pid(ChildId::NATS),
            monitor_url: blueprint.nats.monitor_url(),
            user: GATEWAY_USER.to_owned(),
            password: blueprint.gateway_nats_password.clone(),
        },
        mysql: databases(children),
        nodes: nodes(children),
        plugins_dir: blueprint.root.join(plugins::FOLDER),
        control: ControlEntry {
            url: blueprint.stand_in_url(),
            token: blueprint.control_token.clone(),
        },
        snapshots_dir: blueprint.snapshots_dir(),
        logs: logs(children),
        pids: pids(children),
        gateways,
    })
}

fn pid(children: &Children, kind: Kind, number: u32) -> u32 {
    children.pid(ChildId::new(kind, number))
}

fn tokens(blueprint: &Blueprint) -> BTreeMap<String, Secret> {
    let entry = |plan: &OfferingPlan| (plan.offering.label.as_str().to_owned(), plan.token.clone());
    blueprint.offerings.iter().map(entry).collect()
}

fn gateway(blueprint: &Blueprint, plan: &GatewayPlan, pid: u32) -> GatewayProcess {
    GatewayProcess {
        id: plan.id.clone(),
        url: plan.url(),
        admin_url: plan.admin_url(),
        pid,
        config: blueprint.root.join(format!("{}.toml", plan.id)),
    }
}

fn databases(children: &Children) -> Vec<MysqlEntry> {
    let blueprint = children.blueprint();
    let version = blueprint.mariadb.as_ref().map(|programs| programs.version.to_string());
    let entry = |(number, node): (u32, &NodePlan)| {
        let plan = node.mysql.as_ref()?;
        Some(MysqlEntry {
            version: version.clone()?,
            host: "127.0.0.1".to_owned(),
            port: plan.port,
            user: "root".to_owned(),
            password: plan.password.clone(),
            pid: pid(children, Kind::Mysql, number),
            node: node.id.to_string(),
        })
    };
    (1..).zip(&blueprint.nodes).filter_map(entry).collect()
}

fn nodes(children: &Children) -> Vec<NodeEntry> {
    let blueprint = children.blueprint();
    let numbered = (1..).zip(&blueprint.nodes);
    let of_node = |(number, node)| {
        let pid = pid(children, Kind::Node, number);
        blueprint.offerings.iter().map(move |plan| node_entry(blueprint, node, plan, pid))
    };
    numbered.flat_map(of_node).collect()
}

fn node_entry(blueprint: &Blueprint, node: &NodePlan, plan: &OfferingPlan, pid: u32) -> NodeEntry {
    let offering = &plan.offering;
    NodeEntry {
        id: node.id.to_string(),
        pid,
        offering: offering.label.as_str().to_owned(),
        service: offering.service.clone(),
        plan: PLAN.to_owned(),
        plan_unique_id: offering.plan_unique_id(),
        versions: vec![offering.version.clone()],
        health: node.health_url(),
        config: blueprint.root.join(format!("{}.toml", node.id)),
    }
}

fn logs(children: &Children) -> BTreeMap<String, PathBuf> {
    let all = children.groups().into_iter().flatten();
    all.map(|id| (id.to_string(), children.log(id))).collect()
}

fn pids(children: &Children) -> BTreeMap<String, u32> {
    let mut pids = children.pids();
    pids.insert("tenon".to_owned(), std::process::id());
    pids
}
