//! Orphans between an original gateway and our node, and between our gateway and an original node.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tenon_tests::{Options, Platform, wait_until};
use tokio::time::timeout;

use crate::node_stand_in::nodes;
use crate::original;
use crate::orphans::Operator;
use crate::settings;

const DEADLINE: Duration = Duration::from_secs(60);
/// A node of 2013.
const OLD: &str = "old_node";

async fn next(messages: &mut Subscriber) -> Value {
    let message = timeout(DEADLINE, messages.next()).await.unwrap().unwrap();
    serde_json::from_slice(&message.payload).unwrap()
}

impl Operator {
    async fn listen(&self, subject: &str) -> Subscriber {
        let subject = format!("{}.{subject}", self.service);
        let messages = self.bus.subscribe(subject).await.unwrap();
        self.bus.flush().await.unwrap();
        // A flush only writes: an answer, "nobody" too, shows that the server has read this far.
        self.bus.request("tenon.nobody", "".into()).await.unwrap_err();
        messages
    }

    /// Announces the node of 2013 until the gateway has heard of it.
    async fn is_known(&self, platform: &Platform, announcement: &Value) {
        wait_until("the gateway knows the node", DEADLINE, async || {
            self.say("announce", announcement).await;
            nodes(platform).await.contains(&OLD.to_owned()).then_some(())
        })
        .await
        .unwrap();
    }

    async fn say(&self, subject: &str, body: &Value) {
        let subject = format!("{}.{subject}", self.service);
        self.bus.publish(subject, body.to_string().into()).await.unwrap();
    }
}

fn binding(instance: &str, user: &str) -> Value {
    json!({"name": instance, "hostname": "h", "host": "h", "port": 3306, "user": user,
        "username": user, "password": "fake-password"})
}

#[tokio::test]
async fn p24_our_gateway_looks_twice_at_original_nodes_and_tells_them_once() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let lines = "peers = \"original\"\ncheck_orphan_interval_seconds = 1\n\
        double_check_orphan_interval_seconds = 2";
    settings::set(&platform, "gateway-1", "[[offerings]]", lines).await;
    let operator = Operator::of(&platform).await;
    let (mut asked, mut purged) =
        (operator.listen("check_orphan").await, operator.listen("purge_orphan.*").await);
    let announcement = json!({"id": OLD, "plan": "free", "available_capacity": 9,
        "capacity_unit": 1, "supported_versions": ["1"]});

    // Asked by the timer. Nobody was provisioned: all of it is unknown, but for what two
    // reports name and the platform lists.
    timeout(DEADLINE, asked.next()).await.unwrap().unwrap();
    operator.is_known(&platform, &announcement).await;
    let report = |instances: Value, bindings: Value| json!({"instances_list": instances, "bindings_list": bindings, "node_id": OLD});
    operator.say("node_handles", &report(json!(["d1", "d2"]), json!([]))).await;
    let batch = report(json!([]), json!([binding("d1", "u1"), {"name": "d1", "username": null}]));
    operator.say("node_handles", &batch).await;
    let found = wait_until("the report of two looks", DEADLINE, async || {
        let (_, all) = operator.ask(Method::GET, "/orphans", &json!({})).await;
        let report = all.get(&operator.service)?.clone();
        (report["orphan_instances"] != json!({})).then_some(report)
    });
    let found = found.await.unwrap();
    assert_eq!(found["orphan_instances"], json!({OLD: ["d1", "d2"]}), "{found}");
    assert_eq!(found["orphan_bindings"], json!({OLD: [binding("d1", "u1")]}));

    // What was found goes into a purge as it is, over the classic route.
    let body = json!({"orphan_instances": found["orphan_instances"],
        "orphan_bindings": found["orphan_bindings"]});
    let classic = platform.classic("files").unwrap();
    let path = "/service/internal/v1/purge_orphan";
    let done = wait_until("the node is known", DEADLINE, async || {
        operator.say("announce", &announcement).await;
        classic.send::<Value>(Method::DELETE, path, &body).await.ok()
    });
    assert_eq!(done.await.unwrap(), json!({}));
    let told = next(&mut purged).await;
    let expected =
        json!({"orphan_ins_list": ["d1", "d2"], "orphan_binding_list": [binding("d1", "u1")]});
    assert_eq!(told, expected);
}

#[tokio::test]
async fn p16_odd_reports_of_what_nodes_have_are_told_once_and_harm_no_other() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let lines = "peers = \"original\"\ndouble_check_orphan_interval_seconds = 1";
    settings::set(&platform, "gateway-1", "[[offerings]]", lines).await;
    let operator = Operator::of(&platform).await;
    let announcement = json!({"id": OLD, "plan": "free", "available_capacity": 9,
        "capacity_unit": 1, "supported_versions": ["1"]});
    operator.is_known(&platform, &announcement).await;
    let report = |node: &str, instances: Value, bindings: Value| {
        json!({"instances_list": instances, "bindings_list": bindings, "node_id": node}).to_string()
    };
    let nameless = json!([{"name": "d1", "username": null, "password": "hunter2"}]);
    let subject = format!("{}.node_handles", operator.service);
    for payload in [
        "{bad".to_owned(),
        json!({"node_id": "half", "instances_list": ["d9"]}).to_string(),
        json!({"node_id": "list", "instances_list": "hunter2", "bindings_list": []}).to_string(),
        // Of a node of another service, or of none.
        report("stranger", json!(["d8"]), json!([])),
        report("stranger", json!([]), json!([])),
        report(OLD, json!(["d1", "d1"]), json!([binding("d1", "u1"), binding("d1", "u1")])),
        report(OLD, json!([]), nameless),
    ] {
        for _again in 0..3 {
            operator.bus.publish(subject.clone(), payload.clone().into()).await.unwrap();
        }
    }
    // They wait for the next round, and the last of them was taken.
    platform.logs("gateway-1", "some of its bindings name no user").await.unwrap();
    let found = operator.check().await;
    assert_eq!(found["orphan_instances"], json!({OLD: ["d1"]}), "{found}");
    assert_eq!(found["orphan_bindings"], json!({OLD: [binding("d1", "u1")]}));
    let log = platform.log("gateway-1");
    let odd = |sender: &str| {
        let is_of = |line: &&str| line.contains(&format!("{sender}\"")) && line.contains(&subject);
        let lines = log.lines().filter(|line| line.contains("odd: what a node reports"));
        lines.filter(|line| line.contains("WARN")).filter(is_of).count()
    };
    for sender in ["no node_id", "half", "list", "stranger", OLD] {
        assert_eq!(odd(sender), 1, "{sender} in\n{log}");
    }
    assert!(!log.contains("hunter2"));
}

#[tokio::test]
async fn p25_our_node_purges_for_an_original_gateway_what_it_wrote_down_itself() {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    original::expect_2013(&platform, "node-1", "quarantine_hours = 0").await;
    let operator = Operator::of(&platform).await;
    let version = platform.dev_file().unwrap().nodes[0].versions[0].clone();
    let ask = async |operation: &str, body: Value| -> Value {
        let subject = format!("{}.{operation}.node-1", operator.service);
        let asked = operator.bus.request(subject, body.to_string().into());
        serde_json::from_slice(&asked.await.unwrap().payload).unwrap()
    };
    let mut made = Vec::new();
    for _ in 0..2 {
        let order = json!({"plan": "free", "version": version});
        made.push(ask("provision", order).await["credentials"]["name"].clone());
    }
    let bound = ask("bind", json!({"name": made[0], "bind_opts": {}})).await["credentials"].clone();
    // Somebody else's account on the same server, by the same prefix.
    let administrator = platform.server(1).unwrap().administrator().clone();
    administrator.execute("CREATE USER `uforeign`@'%'").await.unwrap();

    let mut reports = operator.listen("node_handles").await;
    operator.say("check_orphan", &json!("Send Me Handles")).await;
    let report = next(&mut reports).await;
    assert_eq!(report["node_id"], "node-1");
    let ids: BTreeSet<&str> =
        report["instances_list"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(ids, made.iter().filter_map(Value::as_str).collect());
    let listed = report["bindings_list"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["name"], made[0]);
    assert_eq!(listed[0]["username"], bound["username"]);
    assert_eq!(listed[0]["port"], bound["port"]);
    assert_eq!(listed[0]["password"], "fake-password");

    // One that is none, one that is not there, and a foreign account do not keep the others.
    let purge = json!({
        "orphan_ins_list": [made[1], "dnever", "no id!"],
        "orphan_binding_list": [binding("dnever", "uforeign"), binding(made[0].as_str().unwrap(), "uforeign"), listed[0]],
    });
    operator.say("purge_orphan.node-1", &purge).await;
    let left = wait_until("the node has purged", DEADLINE, async || {
        operator.say("check_orphan", &json!("Send Me Handles")).await;
        let report = next(&mut reports).await;
        (report["bindings_list"] == json!([])).then_some(report)
    });
    assert_eq!(left.await.unwrap()["instances_list"], json!([made[0]]));
    let query = "SELECT COUNT(*) FROM mysql.user WHERE user = 'uforeign'";
    assert_eq!(administrator.number(query).await.unwrap(), Some(1));
}

#[tokio::test]
async fn p08_a_mistaken_purge_of_an_original_gateway_is_refused_or_kept_in_quarantine() {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    original::expect_2013(&platform, "node-1", "quarantine_hours = 24").await;
    let operator = Operator::of(&platform).await;
    let version = platform.dev_file().unwrap().nodes[0].versions[0].clone();
    let ask = async |operation: &str, body: Value| -> Value {
        let subject = format!("{}.{operation}.node-1", operator.service);
        let asked = operator.bus.request(subject, body.to_string().into());
        serde_json::from_slice(&asked.await.unwrap().payload).unwrap()
    };
    let mut made = Vec::new();
    for _ in 0..6 {
        let order = json!({"plan": "free", "version": version});
        made.push(ask("provision", order).await["credentials"]["name"].clone());
    }
    // All of them: the gateway's list of handles was cut off. It waits for no answer, so that the
    // log has to say it.
    let all = json!({"orphan_ins_list": made, "orphan_binding_list": []});
    let subject = format!("{}.purge_orphan.node-1", operator.service);
    operator.bus.publish(subject, all.to_string().into()).await.unwrap();
    platform.logs("node-1", "a purge failed that nobody waits for").await.unwrap();
    let log = platform.log("node-1");
    let line = log.lines().find(|line| line.contains("nobody waits for")).unwrap();
    assert!(line.contains("WARN") && line.contains("30303") && line.contains("of the 6"), "{line}");
    let refused = ask("purge_orphan", all).await;
    assert_eq!(refused["error"]["msg"]["code"], 30303, "{refused}");
    // Few: they are out of sight, and the next bind has them back.
    let one = json!({"orphan_ins_list": [made[0]], "orphan_binding_list": []});
    assert_eq!(ask("purge_orphan", one).await["success"], true);
    let mut reports = operator.listen("node_handles").await;
    operator.say("check_orphan", &json!("Send Me Handles")).await;
    assert_eq!(next(&mut reports).await["instances_list"].as_array().unwrap().len(), 5);
    let bound = ask("bind", json!({"name": made[0], "bind_opts": {}})).await;
    assert_eq!(bound["success"], true, "{bound}");
    operator.say("check_orphan", &json!("Send Me Handles")).await;
    assert_eq!(next(&mut reports).await["instances_list"].as_array().unwrap().len(), 6);
}
