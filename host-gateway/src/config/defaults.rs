//! What is meant by an absent key. The page names them all.

use super::Replicas;

pub(super) const fn max_body_bytes() -> usize {
    1 << 20
}
pub(super) const fn max_in_flight() -> usize {
    512
}
pub(super) const fn max_connections() -> usize {
    4096
}
pub(super) const fn drain_seconds() -> u64 {
    10
}
pub(super) const fn stall_seconds() -> u64 {
    60
}
pub(super) const fn replicas() -> Replicas {
    Replicas::One
}
pub(super) const fn reconcile_interval_seconds() -> u64 {
    10
}
pub(super) const fn reread_interval_seconds() -> u64 {
    3_600
}
pub(super) const fn tomb_days() -> u64 {
    7
}
pub(super) const fn job_life_seconds() -> u64 {
    6 * 3_600
}
pub(super) const fn link_seconds() -> u64 {
    3_600
}
pub(super) const fn max_downloads() -> usize {
    16
}
pub(super) const fn upload_max_mib() -> u64 {
    10
}
pub(super) const fn upload_seconds() -> u64 {
    7_200
}
pub(super) const fn upload_timeout_seconds() -> u64 {
    300
}
pub(super) const fn max_uploads() -> usize {
    64
}
pub(super) const fn heartbeat_interval_seconds() -> u64 {
    60
}
pub(super) const fn handle_fetch_interval_seconds() -> u64 {
    1
}
pub(super) const fn move_timeout_seconds() -> u64 {
    1_800
}

pub(super) const fn node_timeout_seconds() -> u64 {
    5
}
pub(super) const fn check_orphan_interval_seconds() -> i64 {
    -1
}
pub(super) const fn double_check_orphan_interval_seconds() -> u64 {
    300
}
/// Nodes announce themselves every 30 s: it missed three.
pub(super) const fn forget_node_seconds() -> u64 {
    90
}
pub(super) const fn free() -> bool {
    true
}
pub(super) fn provider() -> String {
    "core".to_owned()
}
// What the original registered at its UAA; nothing answers there, and nothing has to.
pub(super) fn redirect_uri(client_id: &str) -> String {
    format!("https://uaa.cloudfoundry.com/redirect/{client_id}")
}
