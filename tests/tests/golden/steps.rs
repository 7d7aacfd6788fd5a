//! Which steps of the recordings are replayed, and by whom. `tests/golden/README.md` says of every
//! other step why it is not.

use super::recording::Recording;

const PAGE: &str = include_str!("../../golden/README.md");

/// Orders, bindings and their errors, and a node that is asked directly: `replay_gateway.rs`,
/// `replay_node.rs` and `replay_peers.rs`.
pub(crate) const LIFE: &[&str] = &[
    "startup",
    "errors.validation",
    "provision",
    "provision.default_plan",
    "provision.extra_optional_fields",
    "bind",
    "bind.with_options",
    "bind.bodyid_differs_from_url",
    "bind.errors",
    "unbind",
    "unbind.errors",
    "unprovision.without_bindings",
    "unprovision.not_found",
    "unprovision.with_binding",
    "provision.on_behalf.content_type_charset",
    "node.discover.direct",
    "node.provision.direct",
    "node.bind.direct",
    "node.unbind.direct",
    "node.unprovision.direct",
];

/// A node is asked the same whichever cloud controller its gateway has: `replay_node.rs`.
pub(crate) const ASKED_NODES: &[(Recording, &[&str])] = &[
    (Recording::V1, LIFE),
    (
        Recording::V2,
        &["provision", "bind", "unbind", "bind.after_restart", "unprovision.with_binding"],
    ),
    (Recording::Snapshots, &["provision", "unprovision"]),
];

/// Our nodes, between which an original gateway moves an instance: `replay_node.rs`.
pub(crate) const MOVE: &[&str] = &[
    "node2.start",
    "migration.disable",
    "migration.enable",
    "migration.import",
    "migration.update",
    "migration.unprovision",
    "migration.cleanupnfs",
    "migration.result",
    "migration.import.same_node",
];

/// A v2 cloud controller, its UAA and what our gateway tells them: `replay_catalog.rs`.
const CATALOG: &[&str] = &[
    "startup",
    "migration.instances",
    "gateway.restart",
    "handle.with_unknown_field",
    "check_orphan",
    "purge_orphan",
    "update_service_handle.nats",
    "end",
];

/// A collector looks for components, and at their pages: `replay_component.rs`.
const COMPONENTS: &[&str] = &["discovery.component", "varz_healthz"];

/// What is on the database server: `replay_sql.rs`.
pub(crate) const SQL: &[&str] = &["sql.state.after_bind"];

/// An operator looks for orphans: `replay_orphans.rs`.
const ORPHANS: &[&str] =
    &["check_orphan", "varz.after_orphan", "purge_orphan", "purge_orphan.errors"];

/// The gateway stops: `replay_gateway.rs` and `replay_snapshots.rs`.
pub(crate) const STOP: &[&str] = &["end"];

/// An instance leaves its node: `replay_migration.rs`.
pub(crate) const LEAVE: &[&str] = &[
    "migration.instances",
    "migration.check",
    "migration.disable",
    "migration.enable",
    "migration.import",
];

/// It arrives at another one, and comes back: the same.
pub(crate) const ARRIVE: &[&str] = &[
    "migration.update",
    "migration.check.after_update",
    "migration.unprovision",
    "migration.cleanupnfs",
    "migration.result",
    "migration.timeout",
    "restore",
];

/// It is lost with its node, and recovered; another one is to arrive where it is: the same.
pub(crate) const COME_BACK: &[&str] =
    &["recover", "migration.import.same_node", "migration.unprovision2"];

/// The gateway is started anew in the middle of the move: the same.
pub(crate) const RESTART: &[&str] = &["gateway.restart.patched"];

/// Snapshots, packages and their jobs: `replay_snapshots.rs`.
pub(crate) const SNAPSHOTS: &[&str] = &[
    "startup",
    "provision",
    "snapshot.list.empty",
    "snapshot.create",
    "snapshot.list",
    "snapshot.get",
    "snapshot.rename",
    "snapshot.rollback",
    "serialized.create_url",
    "serialized.get_url",
    "serialized.import_url",
    "snapshot.quota",
    "snapshot.delete",
    "snapshot.v2",
    "job.unknown",
    "unprovision",
];

/// Everything that is replayed.
const REPLAYED: &[&[(Recording, &[&str])]] = &[
    ASKED_NODES,
    &[
        (Recording::V1, STOP),
        (Recording::V1, SQL),
        (Recording::V1, ORPHANS),
        (Recording::V2, CATALOG),
        (Recording::V1, COMPONENTS),
        (Recording::V1, MOVE),
        (Recording::V1, LEAVE),
        (Recording::V1, ARRIVE),
        (Recording::V1, COME_BACK),
        (Recording::Snapshots, SNAPSHOTS),
        (Recording::Snapshots, STOP),
        (Recording::V1, RESTART),
    ],
];

#[test]
fn every_step_is_replayed_or_the_page_says_why_not() {
    let mut problems = Vec::new();
    for recording in Recording::ALL {
        let file = recording.file();
        for step in recording.steps() {
            let is_replayed = REPLAYED
                .iter()
                .copied()
                .flatten()
                .any(|(of, steps)| *of == recording && steps.contains(&&*step));
            let row = format!("| `{file}` | `{step}` |");
            match (is_replayed, PAGE.contains(&row)) {
                (true, false) | (false, true) => {}
                (true, true) => problems.push(format!("{row} is replayed, the page denies it")),
                (false, false) => problems.push(format!("{row} is neither replayed nor excused")),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
