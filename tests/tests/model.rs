//! Model.

mod model {
    pub(crate) mod gateway;
    pub(crate) mod node;
    pub(crate) mod protocol;
    pub(crate) mod record;
    pub(crate) mod rules;
    pub(crate) mod state;
}

use model::protocol::Protocol;
use model::rules::{Front, Rules, Variant};
use stateright::{Checker, HasDiscoveries, Model};

#[test]
fn explore() {
    for front in [Front::Classic, Front::Broker] {
        for variant in [
            Variant::Whole,
            Variant::NoFence,
            Variant::NoCas,
            Variant::NotIdempotent,
            Variant::ActThenRecord,
            Variant::NoTombstone,
            Variant::TimeoutIsFailure,
        ] {
            let start = std::time::Instant::now();
            let checker = Protocol {
                rules: Rules { front, variant },
            }
            .checker()
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
            println!(
                "{front:?} {variant:?}: {} states, {} unique, depth {}, {:?}",
                checker.state_count(),
                checker.unique_state_count(),
                checker.max_depth(),
                start.elapsed()
            );
            for p in checker.model().properties() {
                let d = checker.discovery(p.name);
                println!(
                    "   {:?} {}: {:?}",
                    p.expectation,
                    p.name,
                    d.as_ref().map(|d| d.clone().into_actions().len())
                );
                if p.expectation == stateright::Expectation::Always && variant == Variant::Whole {
                    if let Some(d) = d {
                        println!("{d:#?}");
                        for a in d.into_actions() {
                            println!("      {a:?}");
                        }
                    }
                }
            }
        }
    }
}
