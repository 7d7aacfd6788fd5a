//! A node is killed at every step of a move; the gateway orders the step again, and goes on.

use tenon_protocol::message::{Handle, Reply, UpdateReply};
use tenon_protocol::subject::Operation;

use crate::bus::Bus;
use crate::crash::{dies_at, operation};
use crate::crash_node::{STEPS, points_of};
use crate::moves::{check_moved, two_nodes};
use crate::moving::{Orders, Tenant, check_serves, check_shut_out, logins};

/// The steps of a move that succeeds, in their order.
const WAY: [&str; 4] = ["disable", "import", "update", "cleanupnfs"];

/// A tenant on the way from one node to the other.
struct Move<'a> {
    tenant: &'a Tenant,
    orders: Orders,
    source: &'a Bus,
    target: &'a Bus,
}

impl Move<'_> {
    /// Takes one step, however often it has to be ordered.
    async fn take(&self, step: &str) -> Vec<Handle> {
        let (node, operation, generation) = match step {
            "disable" => (self.source, Operation::DisableInstance, 3),
            "import" => (self.target, Operation::ImportInstance, 3),
            "update" => (self.target, Operation::UpdateInstance, 3),
            "cleanupnfs" => (self.source, Operation::CleanupnfsInstance, 3),
            "enable" => (self.source, Operation::EnableInstance, 4),
            other => panic!("no step is called {other}"),
        };
        let (order, pair) = (self.orders.at(generation), &self.tenant.pair);
        if operation == Operation::UpdateInstance {
            let reply: UpdateReply = node.step(operation, &order, pair).await;
            return reply.into_result().unwrap();
        }
        let reply: Reply = node.step(operation, &order, pair).await;
        assert_eq!(reply.into_result(), Ok(()), "{step}");
        Vec::new()
    }
}

fn node_of(step: &str) -> &'static str {
    if matches!(step, "import" | "update") { "node-2" } else { "node-1" }
}

#[tokio::test]
async fn p11_a_node_killed_at_any_step_of_a_move_loses_nothing() {
    let (platform, source, target) = two_nodes().await;
    for point in points_of(&STEPS) {
        let tenant = Tenant::of(&platform, &source).await;
        let (orders, dies) = (Orders::of(&tenant), operation(point));
        let way = Move { tenant: &tenant, orders, source: &source, target: &target };
        let steps = if dies == "enable" { vec!["disable", "enable"] } else { WAY.to_vec() };
        let mut handles = Vec::new();
        for step in &steps {
            let taken = if *step == dies {
                dies_at(&platform, node_of(step), point, way.take(step)).await
            } else {
                way.take(step).await
            };
            if *step == "update" {
                handles = taken;
            }
        }
        if dies == "enable" {
            check_serves(&tenant.logins()).await;
        } else {
            check_moved(&tenant.handles(), &handles);
            check_serves(&logins(&handles)).await;
            check_shut_out(&tenant.logins()).await;
        }
    }
}
