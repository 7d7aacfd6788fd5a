//! A cloud controller whose handles are malformed, there twice, another service's, or incomplete.

use reqwest::Method;
use serde_json::{Value, json};
use tenon_tests::{Options, Platform, Refusal};

use crate::crash::insist;
use crate::file_server::FileServer;
use crate::letters::{letter, with_letter};
use crate::orphans::Operator;

const FILES: &str = "FilesystemaaS";
/// Handles that nobody can read, besides the one that is an instance's.
const NOISE: usize = 100_000;

/// A handle of `id` on `node`.
fn handle(id: &str, node: &str) -> Value {
    let configuration = json!({ "plan": "free", "version": "1.0" });
    let credentials = json!({ "name": id, "node_id": node });
    json!({ "service_id": id, "configuration": configuration, "credentials": credentials })
}

/// Starts the gateway anew with another cloud controller, which has `handles` of files.
async fn move_to(platform: &Platform, handles: &[Value]) -> FileServer {
    let list = json!({ "handles": handles }).to_string();
    let server = FileServer::start_below("/files-1.0/handles", list.leak().as_bytes()).await;
    let text = crate::settings::read(platform, "gateway-1");
    let own = platform.dev_file().unwrap().cloud_controller.url;
    let changed = text.replace(&own, server.url("").trim_end_matches('/'));
    assert_ne!(text, changed);
    platform.dir().unwrap().write("gateway-1.toml", changed).unwrap();
    let control = platform.control().unwrap();
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", None).await.unwrap();
    server
}

/// What `server` has, besides noise: all that can be wrong, each of it once.
fn odd_handles(kept: &str, lost: &str, foreign: &str) -> Vec<Value> {
    let mut malformed = handle(lost, "node-1");
    malformed["credentials"] = json!("hunter2");
    let mut unversioned = handle("dunversioned", "node-1");
    unversioned["configuration"] = json!({ "plan": "free" });
    let mut placeless = handle("dplaceless", "node-1");
    placeless["credentials"] = json!({ "name": "dplaceless" });
    let mut ownerless = handle("bownerless", "node-1");
    ownerless["credentials"] = json!({ "name": "dnosuch" });
    let mut handles = vec![malformed, unversioned, placeless, ownerless];
    handles.extend([handle(kept, "node-1"), handle(kept, "node-1"), handle(kept, "node-9")]);
    handles.push(handle(foreign, "node-1"));
    handles.extend((0..NOISE).map(|number| json!({ "service_id": number, "x": "hunter2" })));
    handles
}

/// Each kind is told in one line of `log`, with its sender.
fn check_told(log: &str, from: &str, [kept, lost, foreign]: [&str; 3]) {
    assert!(!log.contains("hunter2"));
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let odd = lines.filter(|line| line["fields"]["message"] == "odd: what the platform has");
    let odd: Vec<Value> = odd.collect();
    for (wrong, count, first) in [
        ("cannot be read: ", NOISE + 1, lost),
        ("is there more than once: it counts once", 1, kept),
        ("with other words: the first count", 1, kept),
        ("is another offering's by its record", 1, foreign),
        ("has no version", 1, "dunversioned"),
        ("names no instance and node", 1, "dplaceless"),
        ("is a binding of no instance", 1, "bownerless"),
    ] {
        let is_told = |line: &&Value| line["fields"]["wrong"].as_str().unwrap().contains(wrong);
        let told: Vec<&Value> = odd.iter().filter(is_told).collect();
        let [line] = *told else { panic!("{wrong}: {odd:#?}") };
        let (level, fields) = (&line["level"], &line["fields"]);
        assert_eq!((level, &fields["what"]), (&json!("WARN"), &json!("files-1.0")), "{line}");
        assert_eq!((&fields["from"], &fields["count"]), (&json!(from), &json!(count)), "{line}");
        assert!(fields["first"].as_str().unwrap().starts_with(first), "{first}: {line}");
    }
    assert_eq!(odd.len(), 7, "{odd:#?}");
}

#[tokio::test]
async fn p08_odd_handles_are_told_once_with_their_sender_and_nothing_is_lost() {
    let platform = Platform::start(Options::of(&["files", "echo"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let mut operator = Operator::of(&platform).await;
    FILES.clone_into(&mut operator.service);
    let kept = with_letter(&classic, "dear all").await;
    let lost = with_letter(&classic, "dear me").await;
    operator.lose(&lost.service_id).await;
    let foreign = platform.classic("echo").unwrap().provision().await.unwrap().service_id;

    let (kept_id, lost_id) = (kept.service_id.as_str(), lost.service_id.as_str());
    let before = platform.log("gateway-1").len();
    let server = move_to(&platform, &odd_handles(kept_id, lost_id, &foreign)).await;
    let log = || platform.log("gateway-1").split_off(before);
    platform.logs("gateway-1", "new: 1").await.unwrap();
    // What nobody can read is no orphan, and the next looks say nothing again.
    for _ in 0..2 {
        let report = operator.check().await;
        assert_eq!(report["orphan_instances"], json!({}), "{report}");
        let problem = report["problems"][0].as_str().unwrap();
        let unread = format!("{} handles cannot be read", NOISE + 1);
        assert!(problem.contains(&unread), "{problem}");
        assert!(problem.ends_with("1 in no record may be the platform's"), "{problem}");
        let (status, refused) = operator.purge(&format!("?service={FILES}"), &[lost_id]).await;
        assert_eq!((status, &refused["code"]), (503, &json!(30602)), "{refused}");
    }
    let view = operator.get("/orphans/quarantine").await;
    assert_eq!(view[FILES]["quarantine"], json!({}), "{view}");

    let own = server.url("");
    check_told(&log(), own.trim_end_matches('/'), [kept_id, lost_id, &foreign]);

    // All serve on as they did; the other service has its instance, and nobody else.
    assert_eq!((letter(&kept), letter(&lost)), ("dear all".to_owned(), "dear me".to_owned()));
    insist(async || classic.bind(kept_id).await).await.unwrap();
    platform.classic("echo").unwrap().bind(&foreign).await.unwrap();
    let records = platform.records().await.unwrap().instances().await.unwrap();
    let versions = records.values().map(|record| (record.id.as_str(), record.version.as_str()));
    assert!(versions.clone().any(|pair| pair == ("dunversioned", "1.0")));
    assert_eq!(versions.count(), 3);
    let bind: Result<Value, _> = classic
        .send(
            Method::POST,
            &format!("/gateway/v1/configurations/{foreign}/handles"),
            &json!({
                "service_id": foreign, "label": "files-1.0", "email": "", "binding_options": {},
            }),
        )
        .await;
    let Err(tenon_tests::HarnessError::Refused(Refusal { code: 30300, .. })) = bind else {
        panic!("{bind:?}");
    };
}
