//! The part of a collector: finds gateway and node on the bus, and reads their pages.
//!
//! Figures differ from machine to machine: names of fields, and types of what they hold, do not.

use serde_json::Value;

use super::cloud_controller::CloudController;
use super::collector::{Collector, by_type, login};
use super::differences::value;
use super::gateway_client::GatewayClient;
use super::recording::{Caller, Recording};
use super::rig::{Peers, Rig};

/// `varz-of-a-node-is-the-hosts`: what the original's MySQL node says of its server.
const OF_THE_SERVER: [&str; 8] = [
    "database_status",
    "instances",
    "long_queries_killed",
    "long_transactions_count",
    "long_transactions_killed",
    "pools",
    "queries_per_second",
    "queries_since_startup",
];

#[tokio::test]
async fn a_collector_finds_our_gateway_and_node_as_it_found_the_original_ones() {
    let mut rig = Rig::start().await;
    rig.start_node(Peers::Original).await;
    let cloud_controller = CloudController::start().await;
    let announced = rig.listen("MyaaS.announce").await;
    let url = rig.start_gateway(&cloud_controller.url, Peers::Original);
    let _gateway = GatewayClient::of(url, &rig, announced).await;

    let answers = Recording::V1.part(&["discovery.component"]).answers_of_components();
    let recorded = by_type(answers.iter().map(|record| value(record)).collect());
    let ours = Collector::new().discover(&rig, recorded.len()).await;
    let mut unlike = Vec::new();
    for (kind, theirs) in &recorded {
        let Some(ours) = ours.get(kind) else {
            unlike.push(format!("{kind} did not answer"));
            continue;
        };
        unlike.extend(differences(kind, theirs, ours, &[]));
        unlike.extend(pages(kind, ours).await);
    }
    assert!(unlike.is_empty(), "\n{}\n{}", unlike.join("\n"), rig.logs());
}

/// What is otherwise on the pages of the component that says `record` of itself.
async fn pages(kind: &str, record: &Value) -> Vec<String> {
    let collector = Collector::new();
    let part = Recording::V1.part(&["varz_healthz"]);
    let caller = match kind {
        "MyaaS-Node" => Caller::MonitorOfNode,
        _ => Caller::MonitorOfGateway,
    };
    let mut unlike = Vec::new();
    for exchange in part.http_exchanges(caller) {
        let login = exchange.request.header("authorization").map(|_theirs| login(record));
        let (status, ours) = collector.page(record, &exchange.request.path, login).await;
        let name = format!("{kind} {}", exchange.name());
        if status != exchange.status {
            unlike.push(format!("{name}: {} became {status}", exchange.status));
        }
        unlike.extend(differences(&name, &value(&exchange.reply), &value(&ours), &OF_THE_SERVER));
    }
    unlike
}

/// Fields of `theirs`, but for `left_out`, that `ours` lacks or has as another type.
fn differences(name: &str, theirs: &Value, ours: &Value, left_out: &[&str]) -> Vec<String> {
    let (Some(fields), Some(own)) = (theirs.as_object(), ours.as_object()) else {
        return if theirs == ours {
            Vec::new()
        } else {
            vec![format!("{name}: {theirs} became {ours}")]
        };
    };
    let fields = fields.iter().filter(|(field, _)| !left_out.contains(&field.as_str()));
    let unlike = fields.filter_map(|(field, theirs)| match own.get(field) {
        None => Some(format!("{name}: {field} is missing")),
        Some(ours) if kind_of(theirs) != kind_of(ours) => {
            Some(format!("{name}: {field}: {theirs} became {ours}"))
        }
        Some(_alike) => None,
    });
    unlike.collect()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}
