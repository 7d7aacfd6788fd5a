//! Orphans: look, tell, purge, have back. `docs/guides/orphans.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::Uri;
use axum::response::IntoResponse;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenon_protocol::chain;
use tenon_protocol::message::{PurgeRun, PurgeShare};
use tenon_protocol::{Fault, InstanceId, NodeId, ServiceName};

use super::Shared;
use crate::config::OfferingConfig;
use crate::http::Answer;
use crate::operations::check_orphan::check_orphan;
use crate::operations::purge_orphan::{Manner, PurgeRequest, purge_orphan};
use crate::operations::tend_orphans::{accept_store, release as let_out, show_quarantine};
use crate::operations::{OperationError, Operations};
use crate::orphans::Turn;

/// Bytes of a list of orphans; a longer one is several purges.
const MAX_BODY: usize = 8 << 20;

/// What a query says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Which {
    /// May be left out when there is only one.
    service: Option<ServiceName>,
    /// All of the service when absent.
    node: Option<NodeId>,
    manner: Manner,
}

impl Which {
    /// Reads the query of `uri`. `None` when it is not one of ours: a misspelt `dry_run` would
    /// purge. Ids and words need no escapes.
    fn of(uri: &Uri) -> Option<Self> {
        let mut which = Self::default();
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        for pair in pairs {
            match pair.split_once('=')? {
                ("service", name) => which.service = Some(ServiceName::new(name).ok()?),
                ("node", name) => which.node = Some(NodeId::new(name).ok()?),
                ("dry_run", "true") => which.manner.run = PurgeRun::Dry,
                ("dry_run", "false") => which.manner.run = PurgeRun::Real,
                ("force", "true") => which.manner.share = PurgeShare::Any,
                ("force", "false") => which.manner.share = PurgeShare::Limited,
                _ => return None,
            }
        }
        Some(which)
    }
}

/// Whether a check began.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Begun {
    Begun,
    Running,
}

pub(super) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(MAX_BODY)
}

/// `GET /orphans`
pub(super) async fn reports(State(desk): Shared) -> impl IntoResponse {
    Json(desk.ops.orphans.all())
}

/// `POST /orphans/check`
pub(super) async fn check(State(desk): Shared, uri: Uri) -> Answer {
    let Some(which) = Which::of(&uri) else { return Fault::malformed().into() };
    let mut begun = BTreeMap::new();
    for offering in wanted(&desk.ops, &which) {
        let turn = match check_orphan(&desk.ops, offering) {
            Ok(Turn::Yours) => Begun::Begun,
            Ok(Turn::Taken) => Begun::Running,
            Err(error) => return refused(&error),
        };
        begun.insert(offering.service.clone(), turn);
    }
    if begun.is_empty() { unknown_service() } else { Answer::of(&begun) }
}

/// `POST /orphans/purge`
pub(super) async fn purge(State(desk): Shared, uri: Uri, body: Bytes) -> Answer {
    let Some(which) = Which::of(&uri) else { return Fault::malformed().into() };
    let Some(offering) = one(&desk.ops, &which) else { return unknown_service() };
    let Some(request) = read::<PurgeRequest>(&body) else { return Fault::malformed().into() };
    match purge_orphan(&desk.ops, &offering, request, which.manner).await {
        Ok(items) => Answer::of(&items),
        Err(error) => refused(&error),
    }
}

/// `GET /orphans/quarantine`
pub(super) async fn quarantine(State(desk): Shared, uri: Uri) -> Answer {
    let Some(which) = Which::of(&uri) else { return Fault::malformed().into() };
    let mut views = BTreeMap::new();
    for offering in wanted(&desk.ops, &which) {
        match show_quarantine(&desk.ops, offering).await {
            Ok(view) => views.insert(offering.service.clone(), view),
            Err(error) => return refused(&error),
        };
    }
    Answer::of(&views)
}

/// `POST /orphans/release`
pub(super) async fn release(State(desk): Shared, uri: Uri, body: Bytes) -> Answer {
    let Some(which) = Which::of(&uri) else { return Fault::malformed().into() };
    let Some(offering) = one(&desk.ops, &which) else { return unknown_service() };
    let instances = read::<BTreeMap<NodeId, Vec<InstanceId>>>(&body);
    let Some(instances) = instances else { return Fault::malformed().into() };
    match let_out(&desk.ops, &offering, instances).await {
        Ok(items) => Answer::of(&items),
        Err(error) => refused(&error),
    }
}

/// `POST /orphans/store`
pub(super) async fn accept(State(desk): Shared, uri: Uri) -> Answer {
    let Some(which) = Which::of(&uri) else { return Fault::malformed().into() };
    let Some(offering) = one(&desk.ops, &which) else { return unknown_service() };
    let alive = desk.ops.nodes.ids(&offering.service);
    let nodes = match which.node {
        Some(node) => vec![node],
        None => alive,
    };
    match accept_store(&desk.ops, &offering, nodes).await {
        Ok(mark) => Answer::of(&mark),
        Err(error) => refused(&error),
    }
}

fn wanted<'a>(
    ops: &'a Operations,
    which: &'a Which,
) -> impl Iterator<Item = &'a Arc<OfferingConfig>> {
    let is_meant = |offering: &&Arc<OfferingConfig>| {
        which.service.as_ref().is_none_or(|service| *service == offering.service)
    };
    ops.offerings.iter().filter(is_meant)
}

/// The one that is meant; `None` when that is not clear.
fn one(ops: &Operations, which: &Which) -> Option<Arc<OfferingConfig>> {
    let mut meant = wanted(ops, which);
    let first = meant.next()?;
    meant.next().is_none().then(|| Arc::clone(first))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(body);
    if let Err(error) = &read {
        tracing::debug!(error = %chain(error), "a list of orphans is malformed");
    }
    read.ok()
}

fn unknown_service() -> Answer {
    Fault::not_found("the service that the query must name").into()
}

fn refused(error: &OperationError) -> Answer {
    tracing::warn!(error = %chain(error), "an order about orphans was refused");
    Fault::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which(query: &str) -> Option<Which> {
        Which::of(&format!("http://h/orphans/purge{query}").parse().unwrap())
    }

    #[test]
    fn p24_a_query_that_is_not_understood_purges_nothing() {
        for query in ["?dryrun=true", "?dry_run", "?dry_run=1", "?force=yes", "?service=a%20b"] {
            assert_eq!(which(query), None, "{query}");
        }
        assert_eq!(which(""), Some(Which::default()));
        let dry = which("?service=MyaaS&dry_run=true&node=n1").unwrap();
        assert_eq!(dry.manner.run, PurgeRun::Dry);
        assert_eq!(dry.manner.share, PurgeShare::Limited);
        assert_eq!(dry.service, ServiceName::new("MyaaS").ok());
        assert_eq!(which("?force=true").unwrap().manner.share, PurgeShare::Any);
    }
}
