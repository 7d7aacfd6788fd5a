//! The page for operators' tools: `/healthz`, `/metrics`, `/plugins`. No secrets, no commands.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::guest::Guests;
use crate::offering::Offering;

const DUTIES: &str =
    "# HELP tenon_duties_total What was done unasked.\n# TYPE tenon_duties_total counter\n";

/// What the page shows.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) offerings: Arc<Vec<Arc<Offering>>>,
    pub(crate) guests: Guests,
}

/// The page.
pub(crate) fn router(page: Page) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route("/plugins", get(plugins))
        .with_state(page)
}

/// 200 `ok` when every offering can take work, else 503 and what is not well. What an operator has
/// disabled is well, and named.
async fn healthz(State(page): State<Page>) -> (StatusCode, String) {
    let labels = |which: &dyn Fn(&Offering) -> bool| {
        let all = page.offerings.iter().filter(|offering| which(offering));
        all.map(|offering| offering.config.label.as_str()).collect::<Vec<_>>().join(", ")
    };
    let ill = labels(&|offering| !offering.is_well());
    let disabled = labels(&|offering| offering.disabled.load(Ordering::Relaxed));
    if !ill.is_empty() {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not well: {ill}\n"))
    } else if !disabled.is_empty() {
        (StatusCode::OK, format!("ok, disabled: {disabled}\n"))
    } else {
        (StatusCode::OK, "ok\n".to_owned())
    }
}

/// Which generation of each plugin serves.
async fn plugins(State(page): State<Page>) -> Json<Value> {
    let all = page.offerings.iter().map(|offering| {
        let current = offering.plugin.current();
        json!({
            "label": offering.config.label,
            "service": offering.service(),
            "node_id": offering.node(),
            "sha256": current.as_ref().map(|generation| generation.sha256.clone()),
            "snapshots": current.as_ref().is_some_and(|generation| generation.offers_snapshots()),
            "in_flight": current.as_ref().map_or(0, |generation| generation.in_flight()),
            "swaps": offering.plugin.swaps(),
        })
    });
    Json(all.collect())
}

/// Prometheus text.
async fn metrics(State(page): State<Page>) -> impl IntoResponse {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, labels: &str, value: i64| {
        if !text.contains(&format!("# TYPE {name} ")) {
            text += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        }
        text += &format!("{name}{{{labels}}} {value}\n");
    };
    let allocation = format!("allocation=\"{}\"", page.guests.engine.allocation.as_str());
    gauge("tenon_guest_allocation", "How guests get memory.", &allocation, 1);
    let free = i64::try_from(page.guests.free_slots()).unwrap_or(i64::MAX);
    gauge("tenon_guest_slots_free", "Guest calls that could start now.", "", free);
    for offering in page.offerings.iter() {
        let labels = format!("offering=\"{}\"", offering.config.label);
        let used = offering.used.load(Ordering::Relaxed);
        gauge("tenon_instances", "Instances that take capacity.", &labels, used);
    }
    for offering in page.offerings.iter() {
        let labels = format!("offering=\"{}\"", offering.config.label);
        let swaps = i64::try_from(offering.plugin.swaps()).unwrap_or(i64::MAX);
        gauge("tenon_plugin_swaps", "Generations that took over.", &labels, swaps);
    }
    for offering in page.offerings.iter() {
        let labels = format!("offering=\"{}\"", offering.config.label);
        let over = i64::try_from(offering.figures.over()).unwrap_or(i64::MAX);
        gauge("tenon_instances_over_quota", "Instances whose writes are blocked.", &labels, over);
    }
    for offering in page.offerings.iter() {
        let labels = format!("offering=\"{}\"", offering.config.label);
        let bytes = i64::try_from(offering.figures.bytes()).unwrap_or(i64::MAX);
        gauge("tenon_used_bytes", "What instances use, as last measured.", &labels, bytes);
    }
    text += DUTIES;
    for offering in page.offerings.iter() {
        for (duty, count) in offering.duties.all() {
            let label = &offering.config.label;
            text +=
                &format!("tenon_duties_total{{offering=\"{label}\",duty=\"{duty}\"}} {count}\n");
        }
    }
    ([("content-type", "text/plain; version=0.0.4")], text)
}
