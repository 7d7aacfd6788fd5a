//! An instance with more bindings than a message of the bus holds.

use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tenon_protocol::message::ServiceResponse;
use tenon_protocol::record::MoveStep;
use tenon_tests::{Classic, HarnessError, Login, Options, Platform};

use crate::crash::{dies_at, insist};
use crate::migrate::{check_rest, platform, step};
use crate::mover::{Moved, Operator};
use crate::moving::check_shut_out;
use crate::{original, settings};

/// The longest message that the bus takes.
const MESSAGE: usize = 1 << 20;
/// Bindings of which a message of [`MESSAGE`] holds only some, and a half of which it holds.
const MANY: usize = 150;
/// Bytes of what makes each of them long.
const LONG: usize = 8 << 10;
/// Bindings that are ordered at once.
const AT_ONCE: usize = 16;

/// Has `count` bindings made; their ids and credentials.
async fn bind_many(classic: &Classic, id: &str, count: usize, options: &Value) -> Vec<Value> {
    let orders = futures_util::stream::iter(0..count);
    let orders = orders.map(|_| insist(async || classic.bind_with(id, options).await));
    let made: Vec<_> = orders.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    let of = |made: ServiceResponse| json!({ "service_id": made.service_id, "credentials": made.credentials });
    made.into_iter().map(of).collect()
}

#[tokio::test]
async fn an_instance_moves_with_more_bindings_than_a_message_holds() {
    let platform = platform().await;
    let classic = platform.classic_at(2, "mysql").unwrap();
    let moved = Moved::order(&platform, &classic).await;
    let (_, to) = moved.nodes();
    let options = json!({ "privileges": ["READ_ONLY"], "note": "x".repeat(LONG) });
    let many = bind_many(&classic, &moved.id, MANY, &options).await;
    assert!(MANY * options.to_string().len() > MESSAGE);
    let operator = Operator::at(&platform, 1);
    let ended = async {
        operator.order_move(&moved.id, to).await.unwrap();
        operator.moved(&moved.id, to).await
    };
    // The target dies with the first page in its ledger, and is told all of them again.
    let step = dies_at(&platform, to, "update.recorded", ended).await;
    assert_eq!(step, MoveStep::Done);
    moved.check_moved("many bindings").await;
    let logins: Vec<Login> = many
        .iter()
        .map(|made| Login::read(made["credentials"].as_object().unwrap()).unwrap())
        .collect();
    check_shut_out(&logins[..2]).await;
    check_rest(&platform, &moved, to).await;

    // Each of them is there, with what it asked for.
    let server = platform.server(if to == "node-1" { 1 } else { 2 }).unwrap();
    let accounts = server.accounts().await.unwrap();
    assert!(logins.iter().all(|one| accounts.contains(&format!("{}@%", one.user))), "{accounts:?}");
    let port = moved.logins_now().await.remove(0).port;
    let there = Login { port, ..logins[MANY - 1].clone() };
    assert_eq!(there.number("SELECT COUNT(*) FROM letters").await.unwrap(), Some(3));
    let written = there.execute("INSERT INTO letters VALUES (9)").await;
    assert!(matches!(written, Err(HarnessError::Mysql(_))), "it only reads");
    insist(async || classic.unprovision(&moved.id).await).await.unwrap();
    assert_eq!(server.accounts().await.unwrap(), [""; 0]);
}

/// Two nodes of a service whose credentials are long.
async fn talkative() -> Platform {
    let options = Options { nodes: 2, ..Options::of(&["echo"]) };
    let platform = Platform::start(options).await.unwrap();
    for node in ["node-1", "node-2"] {
        let line = format!("settings = {{ host = \"{}\" }}", "x".repeat(LONG));
        settings::set(&platform, node, "[[offerings]]", &line).await;
    }
    platform
}

#[tokio::test]
async fn an_instance_is_removed_with_more_bindings_than_a_message_holds() {
    let platform = talkative().await;
    let classic = platform.classic("echo").unwrap();
    let id = insist(async || classic.provision().await).await.unwrap().service_id;
    let many = bind_many(&classic, &id, MANY, &json!({})).await;
    let bytes: usize = many.iter().map(|handle| handle.to_string().len()).sum();
    assert!(bytes > MESSAGE, "{bytes}");
    insist(async || classic.unprovision(&id).await).await.unwrap();
    let records = platform.records().await.unwrap();
    assert_eq!(records.living_instances().await.unwrap(), [""; 0]);
    assert_eq!(records.living_bindings().await.unwrap(), [""; 0]);
}

fn code<T: std::fmt::Debug>(answer: Result<T, HarnessError>) -> (u16, u64) {
    match answer {
        Err(HarnessError::Refused(refusal)) => (refusal.status, refusal.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_original_node_is_not_told_more_bindings_than_a_message_holds() {
    let platform = talkative().await;
    for node in ["node-1", "node-2"] {
        original::expect_2013(&platform, node, "").await;
    }
    settings::set(&platform, "gateway-1", "[[offerings]]", "peers = \"original\"").await;
    let classic = platform.classic("echo").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let (id, home) = (made.service_id.as_str(), made.credentials["node_id"].as_str().unwrap());
    let many = bind_many(&classic, id, MANY, &json!({})).await;
    assert_eq!(code(classic.unprovision(id).await), (409, 30305));
    assert_eq!(code(step(&classic, home, id, "disable").await), (409, 30305));
    let to = if home == "node-1" { "node-2" } else { "node-1" };
    assert!(Operator::at(&platform, 1).order_move(id, to).await.is_err());
    assert_eq!(Operator::at(&platform, 1).step_of(id).await, None);

    // Nothing has begun: it is used as before, and goes when there are fewer.
    let records = platform.records().await.unwrap();
    assert!(records.are_settled().await.unwrap());
    for handle in &many[..MANY / 2] {
        let binding = handle["service_id"].as_str().unwrap();
        classic.unbind(id, binding).await.unwrap();
    }
    classic.unprovision(id).await.unwrap();
    assert_eq!(records.living_bindings().await.unwrap(), [""; 0]);
}
