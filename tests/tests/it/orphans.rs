//! Orphans end to end: found, told, purged into quarantine, had back.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::{self, kv};
use async_nats::{Client, ConnectOptions};
use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{InventoryPage, InventoryRequest, ServiceResponse};
use tenon_protocol::record::{StoreMark, key};
use tenon_protocol::{InstanceId, StoreEpoch};
use tenon_tests::{Availability, HarnessError, Login, Options, Platform, Refusal, wait_until};

use crate::settings;

/// A check of a few instances is done by then, and a node has announced itself anew.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// The one node.
pub(crate) const NODE: &str = "node-1";

/// What an operator does, and what a test does behind everybody's back.
pub(crate) struct Operator {
    http: reqwest::Client,
    url: String,
    token: String,
    pub(crate) bus: Client,
    pub(crate) service: String,
}

impl Operator {
    pub(crate) async fn of(platform: &Platform) -> Self {
        let file = platform.dev_file().unwrap();
        let login = (file.nats.user, file.nats.password.reveal().to_owned());
        let options = ConnectOptions::with_user_and_password(login.0, login.1);
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: file.admin.url,
            token: file.admin.token.reveal().to_owned(),
            bus: options.connect(&file.nats.url).await.unwrap(),
            service: file.nodes.first().unwrap().service.clone(),
        }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let response = request.bearer_auth(&self.token).json(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, &json!({})).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The report of a check that begins now.
    pub(crate) async fn check(&self) -> Value {
        let begun = Millis::now().as_millis();
        let (status, body) = self.ask(Method::POST, "/orphans/check", &json!({})).await;
        assert_eq!(status, 200, "{body}");
        wait_until("the report of a check", DEADLINE, async || {
            let report = self.get("/orphans").await.get(&self.service)?.clone();
            (report["begun"].as_u64()? >= begun).then_some(report)
        })
        .await
        .unwrap()
    }

    pub(crate) async fn purge(&self, query: &str, instances: &[&str]) -> (u16, Value) {
        let body = json!({"orphan_instances": {NODE: instances}, "orphan_bindings": {}});
        self.ask(Method::POST, &format!("/orphans/purge{query}"), &body).await
    }

    /// Instances in quarantine.
    pub(crate) async fn quarantine(&self) -> Vec<String> {
        let view = self.get("/orphans/quarantine").await[&self.service].clone();
        assert_eq!(view["problems"], json!([]));
        let node = view["quarantine"].get(NODE).and_then(Value::as_object).cloned();
        node.unwrap_or_default().keys().cloned().collect()
    }

    async fn bucket(&self, id: &str) -> kv::Store {
        let shard = key::shard_of(&InstanceId::new(id).unwrap());
        let name = key::records_bucket(shard);
        jetstream::new(self.bus.clone()).get_key_value(name).await.unwrap()
    }

    /// Takes a record away, without a trace; what it was.
    pub(crate) async fn lose(&self, id: &str) -> Vec<u8> {
        let (bucket, key) = (self.bucket(id).await, format!("inst.{id}"));
        let record = bucket.get(&key).await.unwrap().unwrap();
        let subject = format!("{}{key}", bucket.prefix);
        bucket.stream.purge().filter(subject).await.unwrap();
        record.to_vec()
    }

    async fn find(&self, id: &str, record: Vec<u8>) {
        self.bucket(id).await.put(format!("inst.{id}"), record.into()).await.unwrap();
    }

    pub(crate) async fn inventory(&self, store: Option<StoreMark>) -> InventoryPage {
        let subject = format!("tenon.inventory.{}.{NODE}", self.service);
        let request = InventoryRequest { store, ..InventoryRequest::default() };
        let request = serde_json::to_vec(&request).unwrap();
        let answer = self.bus.request(subject, request.into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    }

    pub(crate) async fn epoch(&self) -> StoreEpoch {
        let name = key::records_bucket(0);
        let bucket = jetstream::new(self.bus.clone()).get_key_value(name).await.unwrap();
        let epoch = bucket.get(key::STORE_EPOCH).await.unwrap().unwrap();
        StoreEpoch::new(String::from_utf8(epoch.to_vec()).unwrap()).unwrap()
    }
}

pub(crate) fn outcomes(answer: &Value) -> BTreeMap<String, String> {
    let items = answer[NODE].as_array().unwrap().iter();
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    items.map(|item| (text(item, "instance"), text(item, "outcome"))).collect()
}

pub(crate) fn all(ids: &[&str], outcome: &str) -> BTreeMap<String, String> {
    ids.iter().map(|&id| (id.to_owned(), outcome.to_owned())).collect()
}

#[tokio::test]
async fn p24_an_orphan_is_told_purged_into_quarantine_and_had_back() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let operator = Operator::of(&platform).await;
    let lost = classic.provision().await.unwrap().service_id;
    let kept = classic.provision().await.unwrap().service_id;
    let record = operator.lose(&lost).await;

    let report = operator.check().await;
    assert_eq!(report["orphan_instances"], json!({NODE: [lost]}), "{report}");
    assert_eq!(report["problems"], json!([]));

    // A list with a live instance is refused wholly, and so is a node that nobody knows.
    for run in ["", "?dry_run=true", "?force=true"] {
        let (status, body) = operator.purge(run, &[&lost, &kept]).await;
        assert_eq!((status, &body["code"]), (409, &json!(30301)), "{run} {body}");
    }
    let body = json!({"orphan_instances": {"node-9": [lost]}, "orphan_bindings": {}});
    let (status, _) = operator.ask(Method::POST, "/orphans/purge", &body).await;
    assert_eq!(status, 404);
    for body in [json!({}), json!({"orphan_instances": {}}), json!({"orphan_bindings": {}})] {
        let (status, body) = operator.ask(Method::POST, "/orphans/purge", &body).await;
        assert_eq!((status, &body["code"]), (400, &json!(30001)));
    }

    let (_, dry) = operator.purge("?dry_run=true", &[&lost, "dnever"]).await;
    assert_eq!(dry[NODE][0]["outcome"], "quarantined", "{dry}");
    assert_eq!(outcomes(&dry)["dnever"], "gone");
    assert!(operator.quarantine().await.is_empty(), "a dry run did something");

    let (status, done) = operator.purge("", &[&lost]).await;
    assert_eq!((status, outcomes(&done)), (200, all(&[&lost], "quarantined")), "{done}");
    assert_eq!(operator.quarantine().await, std::slice::from_ref(&lost));
    let report = operator.check().await;
    assert_eq!(report["orphan_instances"], json!({}));
    assert_eq!(report["quarantined_instances"], json!({NODE: [lost]}));

    // An operator lets it out, and purges it again.
    let (status, released) =
        operator.ask(Method::POST, "/orphans/release", &json!({NODE: [lost]})).await;
    assert_eq!((status, outcomes(&released)), (200, all(&[&lost], "released")));
    assert!(operator.quarantine().await.is_empty());
    operator.purge("", &[&lost]).await;

    // Its record was only mislaid: the next bind has it back, all data in place.
    operator.find(&lost, record.clone()).await;
    classic.bind(&lost).await.unwrap();
    assert!(operator.quarantine().await.is_empty());

    // And so does the next check, when nobody orders anything.
    operator.lose(&lost).await;
    operator.purge("", &[&lost]).await;
    operator.find(&lost, record).await;
    operator.check().await;
    assert!(operator.quarantine().await.is_empty());
    classic.unprovision(&lost).await.unwrap();
}

#[tokio::test]
async fn p24_without_quarantine_what_is_purged_is_gone_at_once() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, NODE, "[[offerings]]", "quarantine_hours = 0").await;
    let classic = platform.classic("files").unwrap();
    let operator = Operator::of(&platform).await;
    let provisioned = async || classic.provision().await.ok();
    let lost = wait_until("a node is there", DEADLINE, provisioned).await.unwrap().service_id;
    operator.lose(&lost).await;
    let (_, dry) = operator.purge("?dry_run=true", &[&lost]).await;
    assert_eq!(outcomes(&dry), all(&[&lost], "removed"));
    assert_eq!(operator.inventory(None).await.instances.len(), 1);
    let (_, done) = operator.purge("", &[&lost]).await;
    assert_eq!(outcomes(&done), all(&[&lost], "removed"));
    assert_eq!(operator.inventory(None).await.instances.len(), 0);
}

#[tokio::test]
async fn p24_what_is_in_quarantine_is_shut_off_and_opened_with_its_passwords() {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    let classic = platform.classic("mysql").unwrap();
    let operator = Operator::of(&platform).await;
    let instance = classic.provision().await.unwrap();
    let bound = classic.bind(&instance.service_id).await.unwrap();
    let logs_in = async |who: &ServiceResponse| {
        Login::read(&who.credentials).unwrap().connect().await.is_ok()
    };
    assert!(logs_in(&bound).await);
    let record = operator.lose(&instance.service_id).await;
    operator.purge("", &[&instance.service_id]).await;
    assert!(!logs_in(&bound).await && !logs_in(&instance).await);

    operator.find(&instance.service_id, record).await;
    classic.bind(&instance.service_id).await.unwrap();
    assert!(logs_in(&bound).await && logs_in(&instance).await);
}

#[tokio::test]
async fn p08_what_the_platform_has_is_not_purged_and_without_its_list_nothing_is() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let operator = Operator::of(&platform).await;
    let made = classic.provision().await.unwrap();
    let lost = made.service_id.clone();
    operator.lose(&lost).await;
    let file = platform.dev_file().unwrap();
    let url = format!("{}/_stand_in/handles/files/{lost}", file.cloud_controller.url);
    let handle = json!({"service_id": lost, "configuration": {}, "credentials": made.credentials});
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = http.put(&url).json(&handle).send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.text().await.unwrap());

    let report = operator.check().await;
    assert_eq!(report["orphan_instances"], json!({}), "{report}");
    let (status, body) = operator.purge("", &[&lost]).await;
    assert_eq!((status, &body["code"]), (409, &json!(30301)), "{body}");

    http.delete(&url).send().await.unwrap();
    let control = platform.control().unwrap();
    control.set_cloud_controller(Availability::Away).await.unwrap();
    let (status, body) = operator.purge("", &[&lost]).await;
    assert_eq!((status, &body["code"]), (503, &json!(30602)), "{body}");
    let refused: Result<Value, _> =
        classic.send(Method::DELETE, "/service/internal/v1/purge_orphan", &purge_of(&lost)).await;
    let Err(HarnessError::Refused(Refusal { code: 30602, .. })) = refused else {
        panic!("{refused:?}");
    };
    control.set_cloud_controller(Availability::Serving).await.unwrap();
    let done: Value = classic
        .send(Method::DELETE, "/service/internal/v1/purge_orphan", &purge_of(&lost))
        .await
        .unwrap();
    assert_eq!(done, json!({}));
    assert_eq!(operator.quarantine().await, [lost]);
}

fn purge_of(id: &str) -> Value {
    json!({"orphan_instances": {NODE: [id]}, "orphan_bindings": {}})
}
