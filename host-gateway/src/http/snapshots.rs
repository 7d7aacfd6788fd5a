//! The routes of snapshots, serialisation and jobs. Reference, sections 1.5 to 1.14 and 1.21.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post, put};
use tenon_protocol::message::{SerializedUrl, SnapshotName};

use super::body::{Caller, Json, Names, RequestId};
use super::routes::Shared;
use super::{Answer, Front};
use crate::metrics::Verb;
use crate::operations::create_serialized_url::create_serialized_url;
use crate::operations::create_snapshot::create_snapshot;
use crate::operations::create_snapshot_v2::create_snapshot_v2;
use crate::operations::delete_snapshot::delete_snapshot;
use crate::operations::get_serialized_url::get_serialized_url;
use crate::operations::get_snapshot::get_snapshot;
use crate::operations::import_from_url::import_from_url;
use crate::operations::list_snapshots::list_snapshots;
use crate::operations::list_snapshots_v2::list_snapshots_v2;
use crate::operations::rename_snapshot::rename_snapshot;
use crate::operations::rollback_snapshot::rollback_snapshot;
use crate::operations::show_job::show_job;

/// Below the bases of both versions of the API.
pub(super) fn table(v1: &str, v2: &str) -> Router<Arc<Front>> {
    let all = post(on_create_snapshot).get(on_list_snapshots);
    let one = get(on_get_snapshot).put(on_rollback_snapshot).delete(on_delete_snapshot);
    let url = get(on_get_serialized_url).post(on_create_serialized_url);
    Router::new()
        .route(&format!("{v1}/{{id}}/snapshots"), all)
        .route(&format!("{v1}/{{id}}/snapshots/{{snapshot}}"), one)
        .route(&format!("{v1}/{{id}}/snapshots/{{snapshot}}/name"), post(on_rename_snapshot))
        .route(&format!("{v1}/{{id}}/serialized/url"), put(on_import_from_url))
        .route(&format!("{v1}/{{id}}/serialized/url/snapshots/{{snapshot}}"), url)
        .route(&format!("{v1}/{{id}}/jobs/{{job}}"), get(on_show_job))
        .route(
            &format!("{v2}/{{id}}/snapshots"),
            post(on_create_snapshot_v2).get(on_list_snapshots_v2),
        )
}

async fn on_create_snapshot(
    State(front): Shared,
    Caller(offering): Caller,
    Names(id): Names<String>,
    RequestId(request): RequestId,
) -> Answer {
    let work = |ops, offering| async move {
        create_snapshot(&ops, &offering, &id, request.as_deref()).await.map(|job| Answer::of(&job))
    };
    front.run(Verb::CreateSnapshot, offering, work).await
}

async fn on_list_snapshots(
    State(front): Shared,
    Caller(offering): Caller,
    Names(id): Names<String>,
) -> Answer {
    let work = |ops, offering| async move {
        list_snapshots(&ops, &offering, &id).await.map(|list| Answer::of(&list))
    };
    front.run(Verb::ListSnapshots, offering, work).await
}

async fn on_get_snapshot(
    State(front): Shared,
    Caller(offering): Caller,
    Names((id, snapshot)): Names<(String, String)>,
) -> Answer {
    let work = |ops, offering| async move {
        get_snapshot(&ops, &offering, &id, &snapshot).await.map(|found| Answer::of(&found))
    };
    front.run(Verb::GetSnapshot, offering, work).await
}

async fn on_rename_snapshot(
    State(front): Shared,
    Caller(offering): Caller,
    Names((id, snapshot)): Names<(String, String)>,
    Json(SnapshotName { name }): Json<SnapshotName>,
) -> Answer {
    let work = |ops, offering| async move {
        rename_snapshot(&ops, &offering, (&id, &snapshot), &name).await.map(|()| Answer::nothing())
    };
    front.run(Verb::RenameSnapshot, offering, work).await
}

async fn on_rollback_snapshot(
    State(front): Shared,
    Caller(offering): Caller,
    Names((id, snapshot)): Names<(String, String)>,
    RequestId(request): RequestId,
) -> Answer {
    let work = |ops, offering| async move {
        rollback_snapshot(&ops, &offering, (&id, &snapshot), request.as_deref())
            .await
            .map(|job| Answer::of(&job))
    };
    front.run(Verb::RollbackSnapshot, offering, work).await
}

async fn on_delete_snapshot(
    State(front): Shared,
    Caller(offering): Caller,
    Names((id, snapshot)): Names<(String, String)>,
    RequestId(request): RequestId,
) -> Answer {
    let work = |ops, offering| async move {
        delete_snapshot(&ops, &offering, (&id, &snapshot), request.as_deref())
            .await
            .map(|job| Answer::of(&job))
    };
    front.run(Verb::DeleteSnapshot, offering, work).await
}

async fn on_create_serialized_url(
    State(front): Shared,
    Caller(offering): Caller,
    Names((id, snapshot)): Names<(String, String)>,
    RequestId(request): RequestId,
) -> Answer {
    let work = |ops, offering| async move {
        create_serialized_url(&ops, &offering, (&id, &snapshot), request.as_deref())
            .await
            .map(|job| Answer::of(&job))
    };
    front.run(Verb::CreateSerializedUrl, offering, work).await
}

async fn on_get_serialized_url(
    State(front): Shared,
    Caller(offering): Caller,
    Names((id, snapshot)): Names<(String, String)>,
) -> Answer {
    let work = |ops, offering| async move {
        get_serialized_url(&ops, &offering, &id, &snapshot).await.map(|link| Answer::of(&link))
    };
    front.run(Verb::GetSerializedUrl, offering, work).await
}

async fn on_import_from_url(
    State(front): Shared,
    Caller(offering): Caller,
    Names(id): Names<String>,
    RequestId(request): RequestId,
    Json(SerializedUrl { url }): Json<SerializedUrl>,
) -> Answer {
    let work = |ops, offering| async move {
        import_from_url(&ops, &offering, &id, url, request.as_deref())
            .await
            .map(|job| Answer::of(&job))
    };
    front.run(Verb::ImportFromUrl, offering, work).await
}

async fn on_show_job(
    State(front): Shared,
    Caller(offering): Caller,
    Names((id, job)): Names<(String, String)>,
) -> Answer {
    let work = |ops, offering| async move {
        show_job(&ops, &offering, &id, &job).await.map(|job| Answer::of(&job))
    };
    front.run(Verb::ShowJob, offering, work).await
}

async fn on_create_snapshot_v2(
    State(front): Shared,
    Caller(offering): Caller,
    Names(id): Names<String>,
    RequestId(request): RequestId,
    Json(SnapshotName { name }): Json<SnapshotName>,
) -> Answer {
    let work = |ops, offering| async move {
        create_snapshot_v2(&ops, &offering, &id, name, request.as_deref())
            .await
            .map(|ordered| Answer::of(&ordered))
    };
    front.run(Verb::CreateSnapshotV2, offering, work).await
}

async fn on_list_snapshots_v2(
    State(front): Shared,
    Caller(offering): Caller,
    Names(id): Names<String>,
) -> Answer {
    let work = |ops, offering| async move {
        list_snapshots_v2(&ops, &offering, &id).await.map(|list| Answer::of(&list))
    };
    front.run(Verb::ListSnapshotsV2, offering, work).await
}
