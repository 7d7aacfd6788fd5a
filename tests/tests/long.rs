//! A long life in minutes: several tenants, two gateways, three nodes, and something that dies or
//! sleeps all the time. What was promised is there in the end, and nothing else.
//!
//! `TENON_SEED` replays a schedule, `TENON_LOAD_SECONDS` makes it longer.

#[cfg(test)]
#[path = "long/ask.rs"]
mod ask;
#[cfg(test)]
#[expect(dead_code, reason = "shared with the other tests, which need more of it")]
#[path = "it/bus.rs"]
mod bus;
#[cfg(test)]
#[path = "long/data.rs"]
mod data;
#[cfg(test)]
#[path = "long/dice.rs"]
mod dice;
#[cfg(test)]
#[path = "long/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "long/found.rs"]
mod found;
#[cfg(test)]
#[path = "long/meters.rs"]
mod meters;
#[cfg(test)]
#[path = "long/run.rs"]
mod run;
#[cfg(test)]
#[path = "long/start.rs"]
mod start;
#[cfg(test)]
#[path = "long/tenant.rs"]
mod tenant;
#[cfg(test)]
#[path = "long/timers.rs"]
mod timers;
#[cfg(test)]
#[path = "long/told.rs"]
mod told;
#[cfg(test)]
#[path = "long/verdict.rs"]
mod verdict;
#[cfg(test)]
#[path = "long/warden.rs"]
mod warden;
