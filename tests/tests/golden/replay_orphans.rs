//! The operator's part about orphans: our gateway looks for them on two nodes of 2013, shows a
//! collector what it found, and has it purged.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tenon_tests::wait_until;

use super::cloud_controller::CloudController;
use super::collector::{Collector, login};
use super::compare::Learned;
use super::differences::{Declared, Difference, OF_LOST_HANDLES, OF_THE_PURGE, value};
use super::recording::{Caller, Client, HttpExchange, Recording};
use super::stage::Stage;

/// Two looks are over by then.
const DEADLINE: Duration = Duration::from_secs(60);
const PAGE: &str = "varz.after_orphan";

#[tokio::test]
async fn orphans_on_original_nodes_are_found_shown_and_purged_as_the_original_did() {
    // What the platform lost had been ordered elsewhere: no record knows it.
    let mut play = Play::begin(&listed_at_the_check(), OF_THE_PURGE).await;
    play.asks("check_orphan").await;
    play.compare_page(&["nodes", "orphan_instances", "orphan_bindings", "plans"]).await;
    play.asks("purge_orphan").await;
    play.asks("purge_orphan.errors").await;
    play.end();
}

#[tokio::test]
async fn p08_what_was_ordered_is_no_orphan_though_the_platform_lost_it() {
    let mut play = Play::begin(&listed_before(), OF_LOST_HANDLES).await;
    play.stage.cloud_controller.list(&listed_at_the_check());
    play.asks("check_orphan").await;
    play.compare_page(&["prov_svcs", "orphan_instances", "orphan_bindings"]).await;
    play.asks("purge_orphan").await;
    play.end();
}

/// What the cloud controller listed when the original looked for orphans.
fn listed_at_the_check() -> String {
    let looks = Recording::V1.part(&["check_orphan"]).http_exchanges(Caller::Gateway);
    assert_eq!(looks.len(), 2);
    assert_eq!(looks[0].reply, looks[1].reply);
    looks[0].reply.clone()
}

/// What it must have listed before: the original still showed it.
fn listed_before() -> String {
    let page = recorded_page();
    let handles: Vec<&Value> = page["prov_svcs"].as_object().expect("handles").values().collect();
    json!({ "handles": handles }).to_string()
}

/// The original's page after its two looks.
fn recorded_page() -> Value {
    let pages = Recording::V1.part(&[PAGE]).http_exchanges(Caller::MonitorOfGateway);
    value(&pages.first().expect("the collector looked").reply)
}

/// A stage, and what was seen on it.
struct Play {
    stage: Stage,
    learned: Learned,
    declared: Declared,
    unlike: Vec<String>,
}

impl Play {
    /// The platform lists `handles`, and two nodes are there.
    async fn begin(handles: &str, differences: &'static [Difference]) -> Self {
        let cloud_controller = CloudController::start().await;
        cloud_controller.list(handles);
        let stage = Stage::set_beside(cloud_controller).await;
        stage.node.are_as_in(&Recording::V1.part(&["check_orphan", PAGE]));
        stage.rig.bus.publish("MyaaS.discover", "".into()).await.expect("the bus is there");
        let (learned, declared) = (Learned::default(), Declared::new(differences));
        Self { stage, learned, declared, unlike: Vec::new() }
    }

    /// Asks our gateway what the operator asked in `step`. Of the cloud controller and of all nodes
    /// it asks what the original asked.
    async fn asks(&mut self, step: &str) {
        let part = Recording::V1.part(&[step]);
        let mut asked = self.stage.rig.listen("MyaaS.check_orphan").await;
        let looks = part.http_exchanges(Caller::Gateway);
        let before = self.looks_like(looks.first());
        for exchange in part.http_exchanges(Caller::CloudController) {
            let found = self.stage.replay(&exchange, &mut self.learned, &mut self.declared).await;
            self.unlike.extend(found);
        }
        let all = wait_until("all looks", DEADLINE, async || {
            (self.looks_like(looks.first()) == before + looks.len()).then_some(())
        });
        all.await.unwrap_or_else(|error| panic!("{error}\n{}", self.stage.rig.logs()));
        let ours = self.stage.rig.commands(&mut asked).await;
        let ours: Vec<&[u8]> = ours.iter().map(|message| &*message.payload).collect();
        let theirs = part.published(Client::Gateway, "MyaaS.check_orphan");
        let theirs: Vec<&[u8]> = theirs.iter().map(String::as_bytes).collect();
        assert_eq!(ours, theirs, "{step}");
    }

    /// How often our gateway has asked the cloud controller for `look` since it is there.
    fn looks_like(&self, look: Option<&HttpExchange>) -> usize {
        let heard = look.map(|look| {
            self.stage.cloud_controller.heard(&look.request.method, &look.request.path)
        });
        heard.unwrap_or_default().len()
    }

    /// Compares these fields of our gateway's page with the original's.
    async fn compare_page(&mut self, fields: &[&str]) {
        let recorded = recorded_page();
        let ours = self.page_with_orphans().await;
        for field in fields {
            let expected = self.expected(field, &recorded[field]);
            let found = self.learned.compare(&expected, &ours[field]);
            self.unlike.extend(found.into_iter().map(|found| format!("{PAGE} {field}{found}")));
        }
    }

    /// A field as ours is to be: with declared differences, and another time.
    fn expected(&mut self, field: &str, recorded: &Value) -> Value {
        let Value::Object(entries) = recorded else {
            return recorded.clone();
        };
        let mut expected = Map::new();
        for (key, entry) in entries {
            let mut entry = entry.clone();
            if let Some(heard) = entry.get_mut("time") {
                *heard = "*".into();
            }
            let instead =
                self.declared.instead(&format!("{PAGE} {field}.{key}"), &entry.to_string());
            expected.insert(key.clone(), instead.map_or(entry, value));
        }
        Value::Object(expected)
    }

    /// The page, as soon as it says what was found.
    async fn page_with_orphans(&self) -> Value {
        let collector = Collector::new();
        let found = collector.discover(&self.stage.rig, 1).await;
        let gateway = &found["MyaaS-Provisioner"];
        let page = wait_until("what was found is shown", DEADLINE, async || {
            let (_, text) = collector.page(gateway, "/varz", Some(login(gateway))).await;
            let page = value(&text);
            (page["orphan_instances"] != json!({})).then_some(page)
        });
        page.await.unwrap_or_else(|error| panic!("{error}\n{}", self.stage.rig.logs()))
    }

    fn end(mut self) {
        self.unlike.extend(self.declared.unmet());
        assert!(self.unlike.is_empty(), "\n{}\n{}", self.unlike.join("\n"), self.stage.rig.logs());
    }
}
