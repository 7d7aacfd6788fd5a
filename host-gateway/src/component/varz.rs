//! What `/varz` of a gateway says. Names what it shows, so that a new secret is not shown (P29).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use tenon_protocol::chain;
use tenon_protocol::message::{Announcement, Capacities, Varz};
use tenon_protocol::process::{FILES, Figures};
use tenon_protocol::{NodeId, ServiceName};

use super::handles::{self, MAX_HANDLES};
use super::shown::without_secrets;
use super::{Page, handles::Handles};
use crate::config::{OfferingConfig, PlanConfig};
use crate::metrics::Responses;

/// The configuration under the original's names, as far as both have it.
#[derive(Serialize)]
struct ConfigView<'a> {
    index: u32,
    node_timeout: u64,
    plan_management: PlanManagement<'a>,
    service: ServiceView<'a>,
}

#[derive(Serialize)]
struct PlanManagement<'a> {
    plans: BTreeMap<&'a str, PlanRules>,
}

#[derive(Serialize)]
struct PlanRules {
    low_water: u64,
    high_water: u64,
    allow_over_provisioning: bool,
}

#[derive(Serialize)]
struct ServiceView<'a> {
    name: &'a str,
    version: &'a str,
    description: &'a str,
    provider: &'a str,
    plans: BTreeMap<&'a str, PlanView<'a>>,
    default_plan: &'a str,
    tags: &'a [String],
    supported_versions: &'a [String],
    version_aliases: &'a BTreeMap<String, String>,
    label: String,
}

#[derive(Serialize)]
struct PlanView<'a> {
    unique_id: &'a str,
    description: &'a str,
    free: bool,
    name: &'a str,
}

/// A gateway's own part.
#[derive(Serialize)]
struct Own {
    nodes: BTreeMap<NodeId, NodeView>,
    prov_svcs: BTreeMap<String, Value>,
    /// There may be more handles than these; not in the original, which showed all.
    #[serde(skip_serializing_if = "Option::is_none")]
    prov_svcs_limit: Option<usize>,
    orphan_instances: Value,
    orphan_bindings: Value,
    plans: Vec<PlanScore>,
    responses_metrics: Responses,
}

#[derive(Serialize)]
struct NodeView {
    #[serde(flatten)]
    announced: Announcement,
    time: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct PlanScore {
    plan: String,
    score: i64,
    low_water: u64,
    high_water: u64,
    allow_over_provisioning: u8,
    /// When a node of the plan said how much it takes.
    #[serde(flatten)]
    capacities: Option<Capacities>,
}

/// The whole page.
pub(super) async fn text(page: &Page) -> Vec<u8> {
    let mut texts = [const { String::new() }; 4];
    for (text, file) in texts.iter_mut().zip(FILES) {
        *text = tokio::fs::read_to_string(format!("/proc/{file}")).await.unwrap_or_default();
    }
    let uptime = page.started.elapsed();
    let figures = Figures::of(texts.each_ref().map(String::as_str), uptime);
    let config = config(page.index, &page.offering);
    let component = page.component.as_ref().clone();
    let varz = Varz::new(component, uptime, (config, own(page).await), figures);
    serde_json::to_vec_pretty(&varz).unwrap_or_default()
}

async fn own(page: &Page) -> Own {
    let (ops, offering) = (&page.ops, &page.offering);
    let announced = ops.nodes.announced(&offering.service);
    let plans = offering.plans.iter().map(|plan| {
        let of_plan = announced.values().map(|(node, _)| node);
        score(plan, of_plan.filter(|node| node.plan == plan.name))
    });
    let plans = plans.collect();
    let handles = handles::all(ops, offering).await.unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "varz shows no handles");
        Handles { cut: true, ..Handles::default() }
    });
    let orphans = |which: &str| orphans(page, &offering.service, which);
    Own {
        nodes: announced.into_iter().map(|(id, node)| (id, node_view(node))).collect(),
        prov_svcs: handles.shown,
        prov_svcs_limit: handles.cut.then_some(MAX_HANDLES),
        orphan_instances: orphans("orphan_instances"),
        orphan_bindings: orphans("orphan_bindings"),
        plans,
        responses_metrics: page.metrics.responses(),
    }
}

fn node_view((announced, heard): (Announcement, tenon_protocol::clock::Millis)) -> NodeView {
    NodeView { announced, time: heard.as_millis() / 1000 }
}

/// A map of the last orphan report, by node; bindings without what opens them.
fn orphans(page: &Page, service: &ServiceName, which: &str) -> Value {
    let report = page.ops.orphans.all().remove(service);
    let report = report.and_then(|report| serde_json::to_value(report).ok());
    let mut found = report.and_then(|mut report| report.get_mut(which).map(Value::take));
    let by_node = found.as_mut().and_then(Value::as_object_mut).into_iter().flatten();
    for one in by_node.filter_map(|(_node, all)| all.as_array_mut()).flatten() {
        if one.is_object() {
            *one = without_secrets(one.take());
        }
    }
    found.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

/// The score of a plan is the free capacity of its nodes.
fn score<'a>(plan: &PlanConfig, nodes: impl Iterator<Item = &'a Announcement>) -> PlanScore {
    let mut score = 0i64;
    let mut capacities = None;
    for node in nodes {
        score = score.saturating_add(node.available_capacity);
        if let Some(max) = node.max_capacity {
            let so_far: Capacities = capacities.unwrap_or_default();
            let used = max.saturating_sub(node.available_capacity);
            capacities = Some(Capacities {
                available_capacity: so_far
                    .available_capacity
                    .saturating_add(node.available_capacity),
                max_capacity: so_far.max_capacity.saturating_add(max),
                used_capacity: so_far.used_capacity.saturating_add(used),
            });
        }
    }
    PlanScore {
        plan: plan.name.clone(),
        score,
        low_water: plan.low_water,
        high_water: plan.high_water,
        allow_over_provisioning: plan.allow_over_provisioning.into(),
        capacities,
    }
}

fn config(index: u32, offering: &OfferingConfig) -> ConfigView<'_> {
    let rules = |plan: &PlanConfig| PlanRules {
        low_water: plan.low_water,
        high_water: plan.high_water,
        allow_over_provisioning: plan.allow_over_provisioning,
    };
    let plans = || offering.plans.iter();
    ConfigView {
        index,
        node_timeout: offering.node_timeout.as_secs(),
        plan_management: PlanManagement {
            plans: plans().map(|plan| (plan.name.as_str(), rules(plan))).collect(),
        },
        service: ServiceView {
            name: &offering.label,
            version: &offering.version,
            description: &offering.description,
            provider: &offering.provider,
            plans: plans().map(|plan| (plan.name.as_str(), plan_view(plan))).collect(),
            default_plan: &offering.default_plan,
            tags: &offering.tags,
            supported_versions: &offering.supported_versions,
            version_aliases: &offering.version_aliases,
            label: offering.classic_label(),
        },
    }
}

fn plan_view(plan: &PlanConfig) -> PlanView<'_> {
    let PlanConfig { unique_id, description, free, name, .. } = plan;
    PlanView { unique_id, description, free: *free, name }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn announced(free: i64, max: Option<i64>) -> Announcement {
        Announcement {
            available_capacity: free,
            max_capacity: max,
            capacity_unit: 1,
            id: NodeId::new("n").unwrap(),
            plan: "free".to_owned(),
            supported_versions: Vec::new(),
            closing: false,
            snapshots: None,
        }
    }

    fn offering() -> OfferingConfig {
        let text = include_str!("../../testdata/gateway.toml");
        Config::parse(text, Path::new("gw.toml")).unwrap().offerings.remove(0)
    }

    #[test]
    fn a_plan_is_scored_by_the_room_of_its_nodes() {
        let nodes = [announced(5, Some(10)), announced(-2, Some(3)), announced(7, None)];
        let plan = &PlanConfig { low_water: 10, high_water: 180, ..offering().plans[0].clone() };
        let text = serde_json::to_string(&score(plan, nodes.iter())).unwrap();
        let expected = r#"{"plan":"free","score":10,"low_water":10,"high_water":180,"allow_over_provisioning":0,"available_capacity":3,"max_capacity":13,"used_capacity":10}"#;
        assert_eq!(text, expected);
        let none = serde_json::to_string(&score(plan, [].iter())).unwrap();
        let expected = r#"{"plan":"free","score":0,"low_water":10,"high_water":180,"allow_over_provisioning":0}"#;
        assert_eq!(none, expected);
        let absurd = [announced(i64::MIN, Some(i64::MAX)), announced(i64::MIN, Some(i64::MAX))];
        assert_eq!(score(plan, absurd.iter()).score, i64::MIN);
    }

    #[test]
    fn p29_the_configuration_shows_no_token() {
        let offering = offering();
        let text = serde_json::to_string(&config(0, &offering)).unwrap();
        assert!(!text.contains(offering.token.reveal()), "{text}");
        assert!(text.contains(r#""label":"mysql-10.11""#), "{text}");
    }
}
