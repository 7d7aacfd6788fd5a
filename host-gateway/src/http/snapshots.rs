//! The routes of snapshots, serialisation and jobs. Reference, sections 1.5 to 1.14 and 1.21.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};
use serde_json::json;
use tenon_protocol::message::{SerializedUrl, SnapshotName};

use super::ask::{Ask, Asked};
use super::body::Json;
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

async fn on_create_snapshot(ask: Ask<String>) -> Answer {
    let work = |asked: Asked<String>| async move {
        create_snapshot(&asked.ops, &asked.offering, &asked.names, asked.request_id()).await
    };
    ask.answer(Verb::CreateSnapshot, work).await
}

async fn on_list_snapshots(ask: Ask<String>) -> Answer {
    let work = |asked: Asked<String>| async move {
        list_snapshots(&asked.ops, &asked.offering, &asked.names).await
    };
    ask.answer(Verb::ListSnapshots, work).await
}

async fn on_get_snapshot(ask: Ask<(String, String)>) -> Answer {
    let work = |asked: Asked<(String, String)>| async move {
        let (id, snapshot) = &asked.names;
        get_snapshot(&asked.ops, &asked.offering, id, snapshot).await
    };
    ask.answer(Verb::GetSnapshot, work).await
}

async fn on_rename_snapshot(ask: Ask<(String, String)>, Json(body): Json<SnapshotName>) -> Answer {
    let work = |asked: Asked<(String, String)>| async move {
        let (id, snapshot) = &asked.names;
        let renamed =
            rename_snapshot(&asked.ops, &asked.offering, (id, snapshot), &body.name).await;
        renamed.map(|()| json!({}))
    };
    ask.answer(Verb::RenameSnapshot, work).await
}

async fn on_rollback_snapshot(ask: Ask<(String, String)>) -> Answer {
    let work = |asked: Asked<(String, String)>| async move {
        let (id, snapshot) = &asked.names;
        rollback_snapshot(&asked.ops, &asked.offering, (id, snapshot), asked.request_id()).await
    };
    ask.answer(Verb::RollbackSnapshot, work).await
}

async fn on_delete_snapshot(ask: Ask<(String, String)>) -> Answer {
    let work = |asked: Asked<(String, String)>| async move {
        let (id, snapshot) = &asked.names;
        delete_snapshot(&asked.ops, &asked.offering, (id, snapshot), asked.request_id()).await
    };
    ask.answer(Verb::DeleteSnapshot, work).await
}

async fn on_create_serialized_url(ask: Ask<(String, String)>) -> Answer {
    let work = |asked: Asked<(String, String)>| async move {
        let (id, snapshot) = &asked.names;
        create_serialized_url(&asked.ops, &asked.offering, (id, snapshot), asked.request_id()).await
    };
    ask.answer(Verb::CreateSerializedUrl, work).await
}

async fn on_get_serialized_url(ask: Ask<(String, String)>) -> Answer {
    let work = |asked: Asked<(String, String)>| async move {
        let (id, snapshot) = &asked.names;
        get_serialized_url(&asked.ops, &asked.offering, id, snapshot).await
    };
    ask.answer(Verb::GetSerializedUrl, work).await
}

async fn on_import_from_url(ask: Ask<String>, Json(body): Json<SerializedUrl>) -> Answer {
    let work = |asked: Asked<String>| async move {
        import_from_url(&asked.ops, &asked.offering, &asked.names, body.url, asked.request_id())
            .await
    };
    ask.answer(Verb::ImportFromUrl, work).await
}

async fn on_show_job(ask: Ask<(String, String)>) -> Answer {
    let work = |asked: Asked<(String, String)>| async move {
        let (id, job) = &asked.names;
        show_job(&asked.ops, &asked.offering, id, job).await
    };
    ask.answer(Verb::ShowJob, work).await
}

async fn on_create_snapshot_v2(ask: Ask<String>, Json(body): Json<SnapshotName>) -> Answer {
    let work = |asked: Asked<String>| async move {
        create_snapshot_v2(&asked.ops, &asked.offering, &asked.names, body.name, asked.request_id())
            .await
    };
    ask.answer(Verb::CreateSnapshotV2, work).await
}

async fn on_list_snapshots_v2(ask: Ask<String>) -> Answer {
    let work = |asked: Asked<String>| async move {
        list_snapshots_v2(&asked.ops, &asked.offering, &asked.names).await
    };
    ask.answer(Verb::ListSnapshotsV2, work).await
}
