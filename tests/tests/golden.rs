//! The original's own traffic, replayed against Tenon.
//!
//! In 2013 a cloud controller, a gateway and a node were made to talk, and all of it was recorded
//! (`tests/golden/`). Here our node gets what the original gateway sent, and our gateway what the
//! cloud controller sent; every answer is compared field by field. Where Tenon answers otherwise on
//! purpose, `golden/differences.rs` says so, and `docs/reference/classic-differences.md` why.
//!
//! - `recording.rs`: the recording, as exchanges. `compare.rs`: field by field.
//! - `rig.rs`, `cloud_controller.rs`: the real servers and processes, and who stands around them.
//! - `replay_node.rs`, `replay_gateway.rs`: the two tests.

#[cfg(test)]
mod golden {
    mod cloud_controller;
    mod compare;
    mod differences;
    mod recording;
    mod replay_gateway;
    mod replay_node;
    mod rig;
}
