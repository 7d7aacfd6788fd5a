//! Gateways and nodes come and go in any order: none needs another to be there first.

use tenon_tests::{HarnessError, Options, Platform, wait_until};

use super::dice::Dice;

/// A busy machine starts all of it by then.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// Orders that are tried, of the 24.
const ORDERS: usize = 6;

#[tokio::test]
async fn gateways_and_nodes_start_and_die_in_any_order() {
    let options = Options { gateways: 2, nodes: 2, ..Options::of(&["echo"]) };
    let platform = Platform::start(options).await.unwrap();
    let control = platform.control().unwrap();
    let mut dice = Dice::new(1);
    for _ in 0..ORDERS {
        for child in shuffled(&mut dice) {
            platform.kill(child).await.unwrap();
        }
        let order = shuffled(&mut dice);
        for child in &order {
            control.start(child, None).await.unwrap();
        }
        for gateway in [1, 2] {
            let classic = platform.classic_at(gateway, "echo").unwrap();
            let made =
                wait_until("an answer", PATIENCE, async || match classic.provision().await {
                    Err(HarnessError::Refused(refusal)) if refusal.status >= 503 => None,
                    answer => Some(answer),
                });
            let made = made.await.unwrap().unwrap_or_else(|error| panic!("{order:?}: {error}"));
            classic.unprovision(&made.service_id).await.unwrap();
        }
    }
}

fn shuffled(dice: &mut Dice) -> Vec<&'static str> {
    let mut left = vec!["gateway-1", "gateway-2", "node-1", "node-2"];
    let mut order = Vec::new();
    while !left.is_empty() {
        order.push(left.remove(dice.below(left.len())));
    }
    order
}
