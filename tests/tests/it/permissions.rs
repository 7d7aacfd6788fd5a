//! What a node's login on the bus lets it read: nothing that is another's.

use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use reqwest::Method;
use serde_json::json;
use tenon_protocol::record::key::{self, JOBS_BUCKET};
use tenon_protocol::{NodeId, ServiceName};
use tenon_tests::{Options, Platform};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::letters::with_letter;
use crate::settings;
use crate::shelf::Shelf;

/// Longer than the server takes to refuse.
const REFUSED_BY: Duration = Duration::from_secs(60);

/// Connects with the login of `node`; what the server says about it.
async fn as_node(platform: &Platform, node: &str) -> (Client, UnboundedReceiver<String>) {
    let config: toml::Table = settings::read(platform, node).parse().unwrap();
    let login = |key: &str| config["nats"][key].as_str().unwrap().to_owned();
    let (tell, told) = unbounded_channel();
    let options = ConnectOptions::with_user_and_password(login("user"), login("password"))
        .custom_inbox_prefix(format!("_INBOX_{node}"))
        .event_callback(move |event| {
            tell.send(event.to_string()).ok();
            async {}
        });
    (options.connect(login("url")).await.unwrap(), told)
}

/// Everything that another node might ask to see the record under `key`, or to take the job.
fn questions(service: &str, owner: &str, key: &str) -> Vec<(String, String)> {
    let kv = format!("$KV.{JOBS_BUCKET}");
    let last = json!({ "last_by_subj": format!("{kv}.{key}") }).to_string();
    let all = json!({ "multi_last": [format!("{kv}.>")] }).to_string();
    let next = json!({ "seq": 1, "next_by_subj": format!("{kv}.>") }).to_string();
    let consumer = json!({ "stream_name": "TENON_JOBS", "config": {} }).to_string();
    let api = |subject: &str, body: &str| (format!("$JS.API.{subject}"), body.to_owned());
    vec![
        api(&format!("DIRECT.GET.KV_{JOBS_BUCKET}.{kv}.{key}"), ""),
        api(&format!("DIRECT.GET.KV_{JOBS_BUCKET}"), &last),
        api(&format!("DIRECT.GET.KV_{JOBS_BUCKET}"), &all),
        api(&format!("DIRECT.GET.KV_{JOBS_BUCKET}"), &next),
        api(&format!("STREAM.MSG.GET.KV_{JOBS_BUCKET}"), &last),
        api(&format!("CONSUMER.CREATE.KV_{JOBS_BUCKET}"), "{}"),
        api(&format!("CONSUMER.CREATE.KV_{JOBS_BUCKET}.thief.{kv}.{key}"), "{}"),
        api("CONSUMER.CREATE.TENON_JOBS", &consumer),
        api(&format!("CONSUMER.CREATE.TENON_JOBS.thief.tenon.jobs.{service}.{owner}.>"), "{}"),
        api(&format!("CONSUMER.INFO.TENON_JOBS.{service}-{owner}"), ""),
        api(&format!("CONSUMER.MSG.NEXT.TENON_JOBS.{service}-{owner}"), "1"),
        api("STREAM.MSG.GET.TENON_JOBS", "{\"seq\":1}"),
        api(&format!("DIRECT.GET.TENON_JOBS.tenon.jobs.{service}.{owner}.x"), ""),
        (format!("$JS.ACK.TENON_JOBS.{service}-{owner}.1.1.1.1.0"), "+TERM".to_owned()),
    ]
}

#[tokio::test]
async fn p32_a_node_cannot_read_or_take_the_job_of_another() {
    let options = Options { nodes: 2, ..Options::of(&["files"]) };
    let platform = Platform::start(options).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let made = with_letter(&classic, "dear all").await;
    let records = platform.records().await.unwrap().instances().await.unwrap();
    let owner = records[&made.service_id].life.node.as_str();
    let other = if owner == "node-1" { "node-2" } else { "node-1" };
    // Nobody takes the job, so that its record holds the URL as long as this takes.
    platform.control().unwrap().stop(owner).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let body = json!({ "url": "http://192.0.2.1/1.zip?token=hunter2" });
    let job = shelf.order(Method::PUT, "serialized/url", &body).await;

    let service = platform.dev_file().unwrap().nodes.first().unwrap().service.clone();
    let name = ServiceName::new(service.as_str()).unwrap();
    let key_on = |node: &str| key::job(&name, &NodeId::new(node).unwrap(), &job.job_id);
    let read = |node: &str| {
        format!("$JS.API.DIRECT.GET.KV_{JOBS_BUCKET}.$KV.{JOBS_BUCKET}.{}", key_on(node))
    };
    let (its_node, _told) = as_node(&platform, owner).await;
    let record = its_node.request(read(owner), "".into()).await.unwrap();
    assert!(String::from_utf8_lossy(&record.payload).contains("hunter2"));

    let (thief, mut told) = as_node(&platform, other).await;
    for (subject, body) in questions(&service, owner, &key_on(owner)) {
        let reply = thief.new_inbox();
        thief.publish_with_reply(subject.clone(), reply, body.into()).await.unwrap();
        let refused = async {
            while let Some(text) = told.recv().await {
                if text.to_lowercase().contains("permissions violation") {
                    return text.contains(&subject);
                }
            }
            false
        };
        assert_eq!(timeout(REFUSED_BY, refused).await, Ok(true), "{subject}");
    }
    // Its own it may read: there is none.
    let own = thief.request(read(other), "".into()).await.unwrap();
    assert_eq!(own.status.map(|status| status.as_u16()), Some(404));

    platform.control().unwrap().start(owner, None).await.unwrap();
    let ended = classic.ended(&shelf.instance, &job).await.unwrap();
    assert_eq!(ended.result.unwrap()["code"], 30803);
}
