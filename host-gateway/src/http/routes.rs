//! The routes, on one screen, and the translation of each.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::routing::{delete, get, post};
use tenon_protocol::Fault;
use tenon_protocol::message::{BindHandleRequest, ProvisionServiceRequest, UnbindHandleRequest};

use super::body::{Caller, Json, Names, RequestId};
use super::{Answer, Front, download, snapshots, upload};
use crate::metrics::Verb;
use crate::operations::bind::bind;
use crate::operations::check_orphan::check_orphan;
use crate::operations::migration_step::{Step, instances_of, migration_step};
use crate::operations::provision::provision;
use crate::operations::purge_orphan::{Manner, PurgeRequest, purge_orphan};
use crate::operations::recover::{BackupRequest, recover};
use crate::operations::restore::restore;
use crate::operations::shown;
use crate::operations::tend_orphans::first_failure;
use crate::operations::unbind::{Named, unbind};
use crate::operations::unprovision::unprovision;
use crate::sender::Sender;

/// All routes. Reference, section 1.
pub(super) fn table(front: Arc<Front>) -> Router {
    const V1: &str = "/gateway/v1/configurations";
    const V2: &str = "/gateway/v2/configurations";
    const INTERNAL: &str = "/service/internal/v1";
    let uploads = front.ops.packages.as_ref().and_then(|packages| packages.uploads.as_ref());
    let uploads = uploads.map(|_| upload::table()).unwrap_or_default();
    Router::new()
        .route(V1, post(on_provision))
        .route(&format!("{V1}/{{id}}"), delete(on_unprovision))
        .route(&format!("{V1}/{{id}}/handles"), post(on_bind))
        .route(&format!("{V1}/{{id}}/handles/{{handle}}"), delete(on_unbind))
        .merge(snapshots::table(V1, V2))
        .route(download::PATH, get(download::on_download))
        .merge(uploads)
        .route(&format!("{INTERNAL}/restore"), post(on_restore))
        .route(&format!("{INTERNAL}/recover"), post(on_recover))
        .route(&format!("{INTERNAL}/migration/{{node}}/instances"), get(on_list_instances))
        .route(&format!("{INTERNAL}/migration/{{node}}/{{id}}/{{action}}"), post(on_migrate))
        .route(&format!("{INTERNAL}/check_orphan"), post(on_check_orphan))
        .route(&format!("{INTERNAL}/purge_orphan"), delete(on_purge_orphan))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(front)
}

pub(super) type Shared = State<Arc<Front>>;

async fn unknown(State(front): Shared, method: Method, uri: Uri) -> Answer {
    let (method, path) = (shown(method.as_str()), shown(uri.path()));
    let fault = Fault::not_found(&format!("{method} {path}"));
    front.refusals.at_the_door(&Sender::current(), &fault, &fault.msg.description);
    fault.into()
}

async fn on_provision(
    State(front): Shared,
    Caller(offering): Caller,
    RequestId(request_id): RequestId,
    Json(request): Json<ProvisionServiceRequest>,
) -> Answer {
    let work = |ops, offering| async move {
        provision(&ops, &offering, request, request_id).await.map(|made| Answer::of(&made))
    };
    front.run(Verb::Provision, offering, work).await
}

async fn on_unprovision(
    State(front): Shared,
    Caller(offering): Caller,
    Names(id): Names<String>,
) -> Answer {
    let work = |ops, offering| async move {
        unprovision(&ops, &offering, &id).await.map(|()| Answer::nothing())
    };
    front.run(Verb::Unprovision, offering, work).await
}

async fn on_bind(
    State(front): Shared,
    Caller(offering): Caller,
    Names(id): Names<String>,
    RequestId(request_id): RequestId,
    Json(request): Json<BindHandleRequest>,
) -> Answer {
    let work = |ops, offering| async move {
        bind(&ops, &offering, &id, request, request_id).await.map(|made| Answer::of(&made))
    };
    front.run(Verb::Bind, offering, work).await
}

async fn on_unbind(
    State(front): Shared,
    Caller(offering): Caller,
    Names((instance, binding)): Names<(String, String)>,
    Json(request): Json<UnbindHandleRequest>,
) -> Answer {
    let named = Named { instance, binding };
    let work = |ops, offering| async move {
        unbind(&ops, &offering, &named, &request).await.map(|()| Answer::nothing())
    };
    front.run(Verb::Unbind, offering, work).await
}

async fn on_restore(
    State(front): Shared,
    Caller(offering): Caller,
    RequestId(request_id): RequestId,
    Json(request): Json<BackupRequest>,
) -> Answer {
    let work = |ops, offering| async move {
        restore(&ops, &offering, request, request_id.as_deref()).await.map(|()| Answer::nothing())
    };
    front.run(Verb::Restore, offering, work).await
}

async fn on_recover(
    State(front): Shared,
    Caller(offering): Caller,
    Json(request): Json<BackupRequest>,
) -> Answer {
    let work = |ops, offering| async move {
        recover(&ops, &offering, request).await.map(|()| Answer::nothing())
    };
    front.run(Verb::Recover, offering, work).await
}

async fn on_list_instances(
    State(front): Shared,
    Caller(offering): Caller,
    Names(node): Names<String>,
) -> Answer {
    let work = |ops, offering| async move {
        instances_of(&ops, &offering, &node).await.map(|ids| Answer::of(&ids))
    };
    front.run(Verb::ListInstances, offering, work).await
}

async fn on_migrate(
    State(front): Shared,
    Caller(offering): Caller,
    Names((node, instance, action)): Names<(String, String, String)>,
) -> Answer {
    let step = Step { node, instance, action };
    let work = |ops, offering| async move {
        // The original's answer is this word, not an object.
        migration_step(&ops, &offering, step).await.map(|()| Answer::of(&true))
    };
    front.run(Verb::Migrate, offering, work).await
}

async fn on_check_orphan(State(front): Shared, Caller(offering): Caller) -> Answer {
    let work =
        |ops, offering| async move { check_orphan(&ops, &offering).map(|_turn| Answer::nothing()) };
    front.run(Verb::CheckOrphan, offering, work).await
}

async fn on_purge_orphan(
    State(front): Shared,
    Caller(offering): Caller,
    Json(request): Json<PurgeRequest>,
) -> Answer {
    let work = |ops, offering| async move {
        let done = purge_orphan(&ops, &offering, request, Manner::default()).await;
        done.map(|items| first_failure(&items).map_or_else(Answer::nothing, Answer::from))
    };
    front.run(Verb::PurgeOrphan, offering, work).await
}
