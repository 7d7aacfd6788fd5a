//! Snapshots as a platform handles them: shown, named, counted, deleted, and gone with their
//! instance.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::job::JobView;
use tenon_tests::{HarnessError, Options, Platform, wait_until};

use crate::letters::with_letter;
use crate::settings;
use crate::shelf::{PATIENCE, Shelf, text};

const NOTHING: Value = Value::Null;

fn named(name: &str) -> Value {
    json!({ "name": name })
}

#[tokio::test]
async fn p34_a_snapshot_is_shown_named_and_deleted() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let shelf = Shelf::of(&classic, &with_letter(&classic, "dear all").await.service_id);
    let (first, second) = (shelf.take().await, shelf.take().await);
    assert_eq!(shelf.numbers().await, [first.clone(), second.clone()]);

    let path = format!("snapshots/{first}");
    let shown: Value = shelf.ask(Method::GET, &path, &NOTHING).await.unwrap();
    assert_eq!(shown["snapshot_id"], first.as_str());
    assert_eq!(text(&shown, "name"), format!("Snapshot {}", text(&shown, "date")));
    assert!(shown["size"].as_u64().unwrap() > 0);

    let rename = format!("{path}/name");
    let answer: Value = shelf.ask(Method::POST, &rename, &named("before lunch")).await.unwrap();
    assert_eq!(answer, json!({}));
    let shown: Value = shelf.ask(Method::GET, &path, &NOTHING).await.unwrap();
    assert_eq!(shown["name"], "before lunch");
    let (status, code, _) = shelf.refused(Method::POST, &rename, &named(&"x".repeat(513))).await;
    assert_eq!((status, code), (400, 30808));

    for (method, path) in [
        (Method::GET, "snapshots/999999"),
        (Method::PUT, "snapshots/999999"),
        (Method::DELETE, "snapshots/999999"),
        (Method::POST, "snapshots/999999/name"),
        (Method::POST, "serialized/url/snapshots/999999"),
        (Method::GET, "serialized/url/snapshots/999999"),
    ] {
        let refusal = shelf.refused(method, path, &named("n")).await;
        assert_eq!(refusal, (404, 30300, "snapshot 999999 not found".to_owned()), "{path}");
    }

    let path_of_all = format!("/gateway/v1/configurations/{}/{path}", shelf.instance);
    let delete = async || {
        let asking = classic.asking_as("r-1");
        asking.send::<JobView>(Method::DELETE, &path_of_all, &NOTHING).await.unwrap()
    };
    let job = delete().await;
    let done = classic.completed(&shelf.instance, &job).await.unwrap();
    assert_eq!(done.result, Some(json!({"result": "ok"})));
    assert_eq!(shelf.numbers().await, [second]);
    // P1: a request that is made again is the first one, also when its work is done.
    assert_eq!(delete().await.job_id, job.job_id);
    assert_eq!(shelf.refused(Method::GET, &path, &NOTHING).await.0, 404);
}

#[tokio::test]
async fn a_plan_says_how_many_snapshots_there_may_be() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[[offerings.plans]]", "snapshot_quota = 1").await;
    let classic = platform.classic("files").unwrap();
    let made = crate::crash::insist(async || classic.provision().await).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let first = shelf.take().await;
    let expected = format!("Instance {} has 1 snapshots. Quota is 1 ", shelf.instance);
    let failed = shelf.failed(Method::POST, "snapshots", &json!({})).await;
    assert_eq!(failed, (30800, expected));
    shelf.done(Method::DELETE, &format!("snapshots/{first}"), &NOTHING).await;
    // What was deleted does not count.
    shelf.take().await;
}

#[tokio::test]
async fn the_second_version_has_states_and_a_repeated_request_is_one() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let instance = with_letter(&classic, "dear all").await.service_id;
    let path = format!("/gateway/v2/configurations/{instance}/snapshots");
    let order = async || {
        classic.asking_as("r-1").send::<Value>(Method::POST, &path, &named("nightly")).await
    };
    let made = order().await.unwrap();
    let number = text(&made, "snapshot_id");
    let expected = json!({"snapshot_id": number, "name": "nightly", "state": "empty", "size": 0});
    assert_eq!(made, expected);
    assert_eq!(order().await.unwrap(), expected);

    let ready = wait_until("the snapshot is ready", PATIENCE, async || {
        let list: Value = classic.send(Method::GET, &path, &NOTHING).await.unwrap();
        let all = list["snapshots"].as_array().unwrap().clone();
        assert_eq!(all.len(), 1, "{list}");
        let one = all.into_iter().next().unwrap();
        assert_eq!((&one["snapshot_id"], &one["name"]), (&made["snapshot_id"], &made["name"]));
        (one["state"] == "ready").then_some(one)
    });
    assert!(ready.await.unwrap()["size"].as_u64().unwrap() > 0);
    let shelf = Shelf::of(&classic, &instance);
    assert_eq!(shelf.numbers().await, [number]);

    for (body, code) in [(json!({"x": 1}), 30001), (named(""), 30808)] {
        match classic.send::<Value>(Method::POST, &path, &body).await {
            Err(HarnessError::Refused(refusal)) => assert_eq!(refusal.code, code),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn p31_a_job_of_another_instance_is_not_there() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let mine = Shelf::of(&classic, &with_letter(&classic, "mine").await.service_id);
    let other = Shelf::of(&classic, &with_letter(&classic, "yours").await.service_id);
    let job = mine.order(Method::POST, "snapshots", &json!({})).await;
    classic.completed(&mine.instance, &job).await.unwrap();
    let refusal = other.refused(Method::GET, &format!("jobs/{}", job.job_id), &NOTHING).await;
    assert_eq!(refusal, (404, 30300, format!("{} not found", job.job_id)));
    let number = mine.numbers().await.remove(0);
    let path = format!("snapshots/{number}");
    assert_eq!(other.refused(Method::PUT, &path, &NOTHING).await.0, 404);
    assert_eq!(other.refused(Method::DELETE, &path, &NOTHING).await.0, 404);
}

#[tokio::test]
async fn p31_a_job_whose_node_is_away_ends() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[state]", "job_life_seconds = 10").await;
    let classic = platform.classic("files").unwrap();
    let made = crate::crash::insist(async || classic.provision().await).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let control = platform.control().unwrap();
    control.stop("node-1").await.unwrap();
    let job = shelf.order(Method::POST, "snapshots", &json!({})).await;
    assert_eq!(shelf.refused(Method::POST, "snapshots", &json!({})).await.1, 30807);
    let view = classic.ended(&shelf.instance, &job).await.unwrap();
    assert_eq!(view.result.unwrap()["code"], 30801);

    control.start("node-1", None).await.unwrap();
    let taken = wait_until("the queue is free again", PATIENCE, async || {
        let job = shelf.ask(Method::POST, "snapshots", &json!({})).await.ok()?;
        Some(classic.completed(&shelf.instance, &job).await.unwrap())
    });
    taken.await.unwrap();
    assert_eq!(shelf.numbers().await.len(), 1);
}

#[tokio::test]
async fn snapshots_go_with_their_instance() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let shelf = Shelf::of(&classic, &with_letter(&classic, "dear all").await.service_id);
    let number = shelf.take().await;
    shelf.link(&number).await;
    let path = format!("snapshots/FilesystemaaS/{}", shelf.instance);
    let dir = platform.dir().unwrap();
    assert_eq!(dir.read_dir(&path).unwrap().count(), 2);
    classic.unprovision(&shelf.instance).await.unwrap();
    let gone = async || (!dir.exists(&path)).then_some(());
    wait_until("the data is gone", PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn renames_at_once_leave_one_name_and_whoever_loses_is_told() {
    let platform =
        Platform::start(Options { gateways: 2, ..Options::of(&["files"]) }).await.unwrap();
    let gateways = [1, 2].map(|gateway| platform.classic_at(gateway, "files").unwrap());
    let instance = with_letter(&gateways[0], "dear all").await.service_id;
    let shelves = gateways.map(|classic| Shelf::of(&classic, &instance));
    let path = format!("snapshots/{}", shelves[0].take().await);
    let rename = format!("{path}/name");
    let mut lost = 0;
    for round in 0..20 {
        let names: Vec<String> = (0..8).map(|n| format!("name {round}.{n}")).collect();
        let asked = names.iter().zip(shelves.iter().cycle()).map(async |(name, shelf)| match shelf
            .ask::<Value>(Method::POST, &rename, &named(name))
            .await
        {
            Ok(answer) => {
                assert_eq!(answer, json!({}));
                Some(name)
            }
            Err(HarnessError::Refused(refusal)) => {
                assert_eq!((refusal.status, refusal.code), (500, 30807));
                None
            }
            Err(error) => panic!("{error}"),
        });
        let told: Vec<Option<&String>> = join_all(asked).await;
        lost += told.iter().filter(|told| told.is_none()).count();
        let shown: Value = shelves[1].ask(Method::GET, &path, &NOTHING).await.unwrap();
        let name = text(&shown, "name");
        assert!(told.contains(&Some(&name)), "{name} was refused, or nobody's: {told:?}");
    }
    assert!(lost > 0, "160 renames never met");
}

#[tokio::test]
async fn a_service_without_snapshots_says_so_at_once() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let classic = platform.classic("echo").unwrap();
    let shelf = Shelf::of(&classic, &classic.provision().await.unwrap().service_id);
    let words = "Service extension snapshot is not implemented.".to_owned();
    let url = json!({ "url": "http://example.org/7.zip" });
    for (method, path, body) in
        [(Method::POST, "snapshots", json!({})), (Method::PUT, "serialized/url", url)]
    {
        let refusal = shelf.refused(method, path, &body).await;
        assert_eq!(refusal, (501, 30501, words.clone()), "{path}");
    }
    let path = format!("/gateway/v2/configurations/{}/snapshots", shelf.instance);
    match classic.send::<Value>(Method::POST, &path, &named("nightly")).await {
        Err(HarnessError::Refused(refusal)) => {
            assert_eq!((refusal.status, refusal.code), (501, 30501));
        }
        other => panic!("{other:?}"),
    }
    // Nothing was written down that would wait or fail later.
    assert_eq!(shelf.numbers().await, [""; 0]);
    let list: Value = classic.send(Method::GET, &path, &NOTHING).await.unwrap();
    assert_eq!(list, json!({ "snapshots": [] }));
    classic.unprovision(&shelf.instance).await.unwrap();
}
