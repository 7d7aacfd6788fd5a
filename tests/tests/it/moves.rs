//! An instance moves from one node to another: the steps on the nodes, asked for as an original
//! gateway does, and as ours does.

use std::time::Duration;

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    BindRequest, CredentialsReply, Handle, HandlePair, Reply, UpdateReply,
};
use tenon_protocol::subject::Operation;
use tenon_protocol::{BindingId, Order};
use tenon_tests::{Options, Platform};

use crate::bus::Bus;
use crate::moving::{Orders, Tenant, check_serves, check_shut_out, logins, take, update};
use crate::original;

pub(crate) async fn two_nodes() -> (Platform, Bus, Bus) {
    let options = Options { nodes: 2, ..Options::of(&["mysql"]) };
    let platform = Platform::start(options).await.unwrap();
    let mut nodes = Bus::all(&platform, "mysql").await;
    let target = nodes.pop().unwrap();
    (platform, nodes.pop().unwrap(), target)
}

/// Two nodes that think that their gateways are of 2013, and a tenant of the first.
async fn original_nodes() -> (Platform, Bus, Bus, Tenant) {
    let (platform, source, target) = two_nodes().await;
    for child in ["node-1", "node-2"] {
        original::expect_2013(&platform, child, "").await;
    }
    let tenant = Tenant::of_2013(&platform, &source).await;
    (platform, source, target, tenant)
}

/// Files in the tenant's folder of the shared store.
fn stored(platform: &Platform, tenant: &Tenant) -> Vec<String> {
    let path = format!("snapshots/MyaaS/{}", tenant.name());
    let entries = platform.dir().unwrap().read_dir(path).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

pub(crate) fn check_moved(before: &[Handle], after: &[Handle]) {
    assert_eq!(after.len(), before.len());
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before.service_id, after.service_id);
        assert_eq!(before.configuration, after.configuration);
        for kept in ["name", "user", "username", "password"] {
            assert_eq!(before.credentials[kept], after.credentials[kept], "{kept}");
        }
        assert_ne!(before.credentials["port"], after.credentials["port"]);
    }
    assert_eq!(after[0].credentials["node_id"], "node-2");
}

#[tokio::test]
async fn an_original_gateway_moves_a_database_with_its_accounts() {
    let (platform, source, target, tenant) = original_nodes().await;
    let before = tenant.logins();
    check_serves(&before).await;

    take(&source, Operation::DisableInstance, &tenant.pair).await;
    check_shut_out(&before).await;
    assert_eq!(stored(&platform, &tenant), ["move.data", "move.json"]);
    take(&target, Operation::ImportInstance, &tenant.pair).await;
    let handles = update(&target, &tenant.pair).await;
    check_moved(&tenant.handles(), &handles);
    let reply: Reply = source.ask(Operation::Unprovision, &tenant.unprovision()).await;
    assert_eq!(reply.into_result(), Ok(()));
    take(&source, Operation::CleanupnfsInstance, &tenant.pair).await;

    check_serves(&logins(&handles)).await;
    check_shut_out(&before).await;
    assert_eq!(stored(&platform, &tenant), [""; 0]);
    assert_eq!(platform.server(1).unwrap().databases().await.unwrap(), [""; 0]);
    assert_eq!(platform.server(1).unwrap().accounts().await.unwrap(), [""; 0]);
    assert_eq!(platform.server(2).unwrap().databases().await.unwrap(), [tenant.name()]);
}

#[tokio::test]
async fn an_original_gateway_calls_a_move_off() {
    let (platform, source, target, tenant) = original_nodes().await;
    take(&source, Operation::DisableInstance, &tenant.pair).await;
    take(&target, Operation::ImportInstance, &tenant.pair).await;

    let reply: Reply = target.ask(Operation::Unprovision, &tenant.unprovision()).await;
    assert_eq!(reply.into_result(), Ok(()));
    take(&source, Operation::EnableInstance, &tenant.pair).await;
    check_serves(&tenant.logins()).await;
    assert_eq!(platform.server(2).unwrap().databases().await.unwrap(), [""; 0]);
}

/// A step that is ordered twice, and what it answered: the same.
async fn twice(node: &Bus, step: Operation, order: &Order, pair: &HandlePair) -> Reply {
    let first: Reply = node.step(step, order, pair).await;
    let second: Reply = node.step(step, order, pair).await;
    assert_eq!(first, second, "{step:?}");
    first
}

async fn updated(node: &Bus, order: &Order, pair: &HandlePair) -> Vec<Handle> {
    let reply: UpdateReply = node.step(Operation::UpdateInstance, order, pair).await;
    reply.into_result().unwrap()
}

fn code(reply: &Reply) -> u32 {
    reply.error.as_ref().map_or(0, |fault| fault.msg.code)
}

#[tokio::test]
async fn p11_every_step_of_a_move_may_come_twice() {
    let (platform, source, target) = two_nodes().await;
    let tenant = Tenant::of(&platform, &source).await;
    let (pair, orders) = (&tenant.pair, Orders::of(&tenant));
    let order = orders.at(3);

    assert_eq!(code(&twice(&source, Operation::DisableInstance, &order, pair).await), 0);
    check_shut_out(&tenant.logins()).await;
    assert_eq!(code(&twice(&target, Operation::ImportInstance, &order, pair).await), 0);
    let handles = updated(&target, &order, pair).await;
    check_moved(&tenant.handles(), &handles);

    // What happened since is not undone by a late copy of a step.
    let moved = logins(&handles);
    moved[0].execute("INSERT INTO letters VALUES (4)").await.unwrap();
    let unbind = serde_json::json!({"credentials": handles[1].credentials});
    let binding = BindingId::new("b-1").ok();
    let removal = Order { binding, ..Orders::of(&tenant).at(3) };
    let reply: Reply = target.step(Operation::Unbind, &removal, &unbind).await;
    assert_eq!(reply.into_result(), Ok(()));
    let reply: Reply = target.step(Operation::ImportInstance, &order, pair).await;
    assert_eq!(code(&reply), 0);
    let again = updated(&target, &order, pair).await;
    let ids: Vec<&str> = again.iter().map(|handle| handle.service_id.as_str()).collect();
    assert_eq!(ids, [tenant.name(), "b-2"]);
    check_shut_out(&moved[1..2]).await;
    assert_eq!(moved[0].number("SELECT COUNT(*) FROM letters").await.unwrap(), Some(4));

    let gone: Reply = source.step(Operation::Unprovision, &order, &tenant.unprovision()).await;
    assert_eq!(code(&gone), 0);
    assert_eq!(code(&twice(&source, Operation::CleanupnfsInstance, &order, pair).await), 0);
    assert_eq!(stored(&platform, &tenant), [""; 0]);
    let late: Reply = source.step(Operation::DisableInstance, &order, pair).await;
    assert_eq!(code(&late), 31002);
}

#[tokio::test]
async fn p11_a_move_that_is_called_off_leaves_no_half_of_it() {
    let (platform, source, target) = two_nodes().await;
    let tenant = Tenant::of(&platform, &source).await;
    let (pair, orders) = (&tenant.pair, Orders::of(&tenant));
    let there = orders.at(3);
    let reply: Reply = source.step(Operation::DisableInstance, &there, pair).await;
    assert_eq!(code(&reply), 0);
    let bind = BindRequest { name: tenant.name().to_owned(), bind_opts: None, credentials: None };
    let deadline = Millis::now().after(Duration::from_secs(60));
    let order = Order { deadline, binding: Some(BindingId::random()), ..Orders::of(&tenant).at(3) };
    let bound: CredentialsReply = source.command(Operation::Bind, &order, &bind).await.unwrap();
    assert_eq!(bound.into_result().unwrap_err().msg.code, 30807);

    let back = Orders::of(&tenant).at(4);
    assert_eq!(code(&twice(&source, Operation::EnableInstance, &back, pair).await), 0);
    check_serves(&tenant.logins()).await;
    // Orders of the way there are late now, on both nodes.
    let late: Reply = source.step(Operation::DisableInstance, &there, pair).await;
    assert_eq!(code(&late), 30511);
    let gone: Reply = target.step(Operation::Unprovision, &back, &tenant.unprovision()).await;
    assert_eq!(code(&gone), 0);
    let late: Reply = target.step(Operation::ImportInstance, &there, pair).await;
    assert_eq!(code(&late), 30511);
    // And data of an earlier move is not that of the next.
    let next = Orders::of(&tenant).at(6);
    let stale: Reply = target.step(Operation::ImportInstance, &next, pair).await;
    assert_eq!(code(&stale), 30301);
    check_serves(&tenant.logins()).await;
    assert_eq!(platform.server(2).unwrap().databases().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn p30_damaged_data_is_not_loaded() {
    let (platform, source, target, tenant) = original_nodes().await;
    take(&source, Operation::DisableInstance, &tenant.pair).await;
    let path = format!("snapshots/MyaaS/{}/move.data", tenant.name());
    let dir = platform.dir().unwrap();
    let mut data = dir.read(&path).unwrap();
    *data.last_mut().unwrap() ^= 1;
    dir.write(&path, data).unwrap();
    let reply: Reply = target.ask(Operation::ImportInstance, &tenant.pair).await;
    assert_eq!(code(&reply), 30806);
    assert_eq!(platform.server(2).unwrap().databases().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_suspended_instance_stays_shut_over_a_restart_and_can_be_removed() {
    let (platform, source, _target) = two_nodes().await;
    let tenant = Tenant::of(&platform, &source).await;
    let order = Orders::of(&tenant).at(3);
    let reply: Reply = source.step(Operation::DisableInstance, &order, &tenant.pair).await;
    assert_eq!(code(&reply), 0);
    platform.kill("node-1").await.unwrap();
    platform.control().unwrap().start("node-1", None).await.unwrap();
    let reply: Reply = source.step(Operation::DisableInstance, &order, &tenant.pair).await;
    assert_eq!(code(&reply), 0);
    check_shut_out(&tenant.logins()).await;
    let gone: Reply = source.step(Operation::Unprovision, &order, &tenant.unprovision()).await;
    assert_eq!(code(&gone), 0);
    assert_eq!(platform.server(1).unwrap().databases().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn p11_an_instance_comes_back_to_a_node_that_still_has_what_it_left_there() {
    let (platform, source, target) = two_nodes().await;
    let tenant = Tenant::of(&platform, &source).await;
    let (pair, orders) = (&tenant.pair, Orders::of(&tenant));
    let away = orders.at(3);
    let reply: Reply = source.step(Operation::DisableInstance, &away, pair).await;
    assert_eq!(code(&reply), 0);
    let reply: Reply = target.step(Operation::ImportInstance, &away, pair).await;
    assert_eq!(code(&reply), 0);
    let there = updated(&target, &away, pair).await;
    logins(&there)[0].execute("INSERT INTO letters VALUES (4)").await.unwrap();

    // Nobody found the time to remove what it left.
    let back = orders.at(4);
    let reply: Reply = source.step(Operation::ImportInstance, &back, pair).await;
    assert_eq!(code(&reply), 30301, "the data is that of the way there");
    let moved = HandlePair(there[0].clone(), there[1..].to_vec());
    let reply: Reply = target.step(Operation::DisableInstance, &back, &moved).await;
    assert_eq!(code(&reply), 0);
    let reply: Reply = source.step(Operation::ImportInstance, &back, &moved).await;
    assert_eq!(code(&reply), 0);
    let home = logins(&updated(&source, &back, &moved).await);
    assert_eq!(home[0].number("SELECT COUNT(*) FROM letters").await.unwrap(), Some(4));
    assert_eq!(platform.server(1).unwrap().databases().await.unwrap(), [tenant.name()]);

    // A removal that was ordered of what it had left comes too late.
    let late: Reply = source.step(Operation::Unprovision, &away, &tenant.unprovision()).await;
    assert_eq!(code(&late), 30511);
    assert_eq!(home[0].number("SELECT COUNT(*) FROM letters").await.unwrap(), Some(4));
}
