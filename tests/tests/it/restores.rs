//! Restores that are asked for again: what the gateway orders of a node.

use std::collections::BTreeSet;

use async_nats::Message;
use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::order::header;
use tenon_tests::{Classic, HarnessError, Options, Platform};

use crate::node_stand_in::StandIn;

fn operation(message: &Message) -> String {
    message.headers.as_ref().unwrap().get(header::OPERATION).unwrap().as_str().to_owned()
}

async fn restore(classic: &Classic, id: &str, backup: &str) -> Result<Value, HarnessError> {
    let body = json!({ "instance_id": id, "backup_path": backup });
    classic.send(Method::POST, "/service/internal/v1/restore", &body).await
}

struct Stage {
    node: StandIn,
    instance: String,
}

impl Stage {
    async fn set(platform: &Platform, classic: &Classic) -> Self {
        let mut node = StandIn::replace(platform).await;
        node.announce(platform).await;
        let (made, ()) = tokio::join!(classic.provision(), async {
            let request = node.next("provision").await;
            let instance = request.headers.as_ref().unwrap().get(header::INSTANCE).unwrap();
            let credentials = json!({ "name": instance.as_str() });
            let answer = json!({ "success": true, "credentials": credentials });
            node.reply(&request, &answer).await;
        });
        let instance = made.unwrap().service_id;
        Self { node, instance }
    }

    /// The operation that is ordered of the node, which says that it is done.
    async fn done(&mut self, classic: &Classic, backup: &str) -> String {
        let answer = json!({ "success": true });
        let node = &mut self.node;
        let (restored, ordered) = tokio::join!(restore(classic, &self.instance, backup), async {
            let request = node.next("restore").await;
            node.reply(&request, &answer).await;
            operation(&request)
        });
        assert_eq!(restored.unwrap(), json!({}));
        ordered
    }

    /// The operation that is ordered of the node, which does not answer.
    async fn silent(&mut self, classic: &Classic, backup: &str) -> String {
        let refused = restore(classic, &self.instance, backup).await;
        let Err(HarnessError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!((refusal.status, refusal.code), (504, 30700));
        // Twice: a command that may have been lost is repeated.
        let ordered = [self.node.next("restore").await, self.node.next("restore").await];
        let ordered: BTreeSet<String> = ordered.iter().map(operation).collect();
        assert_eq!(ordered.len(), 1, "one command has one operation");
        ordered.into_iter().next().unwrap()
    }
}

#[tokio::test]
async fn p11_a_restore_that_is_asked_for_again_is_the_same_one() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let classic = platform.classic("echo").unwrap();
    let mut stage = Stage::set(&platform, &classic).await;

    let first = stage.silent(&classic, "/b/1").await;
    assert_eq!(stage.done(&classic, "/b/1").await, first, "it was told to come back");
    assert_eq!(stage.done(&classic, "/b/1").await, first, "its answer may have been lost");
    let other = stage.done(&classic, "/b/2").await;
    assert_ne!(other, first);
    assert_ne!(stage.done(&classic, "/b/1").await, first, "another one was loaded since");

    // A request with a name is known by it.
    let (one, two) = (classic.asking_as("r::1"), classic.asking_as("r::2"));
    let named = stage.silent(&one, "/b/1").await;
    assert_eq!(stage.done(&one, "/b/1").await, named);
    assert_ne!(stage.done(&two, "/b/1").await, named);
    assert_ne!(stage.done(&one, "/b/2").await, named);
}
