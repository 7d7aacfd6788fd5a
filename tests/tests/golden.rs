//! The original's own traffic, replayed against Tenon.
//!
//! In 2013 a cloud controller, a gateway and a node were made to talk, and all of it was recorded
//! (`tests/golden/`). Here the recording is played with each part in turn replaced by ours: our node
//! gets what the original gateway sent, our gateway what the cloud controller sent, and our gateway
//! stands between a cloud controller and a node of that time. Every answer, and every command that
//! is sent on the way, is compared field by field. Where Tenon does otherwise on purpose,
//! `golden/differences.rs` says so, and `docs/reference/classic-differences.md` why.
//!
//! - `recording.rs`: the recordings, as exchanges. `steps.rs`: which part is replayed where.
//!   `compare.rs`: field by field.
//! - `fixtures.rs`, `contract.rs`: every message of the original, one by one, as a type.
//!   `unknown_fields.rs`: the same with fields that nobody knows.
//! - `rig.rs`, `stage.rs`: the real servers and processes. `gateway_client.rs`, `cloud_controller.rs`,
//!   `catalog.rs`, `original_node.rs`, `collector.rs`: who plays the original's parts around them.
//! - `replay_*.rs`: the tests; `replay.rs`: what two of them have in common. `components.rs`: collectors.

#[cfg(test)]
mod golden {
    mod catalog;
    mod cloud_controller;
    mod collector;
    mod compare;
    mod components;
    mod contract;
    mod differences;
    mod fixtures;
    mod gateway_client;
    mod original_node;
    mod recording;
    mod replay;
    mod replay_catalog;
    mod replay_component;
    mod replay_gateway;
    mod replay_migration;
    mod replay_node;
    mod replay_orphans;
    mod replay_peers;
    mod replay_snapshots;
    mod replay_sql;
    mod rig;
    mod stage;
    mod steps;
    mod unknown_fields;
}
