//! Subjects on the bus. Classic ones are spelt as the original spelt them.

use crate::id::{InstanceId, NodeId, ServiceName};

/// What a gateway asks of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Create an instance.
    Provision,
    /// Remove an instance with its bindings.
    Unprovision,
    /// Create credentials for an application.
    Bind,
    /// Revoke them.
    Unbind,
    /// Load a periodic backup.
    Restore,
    /// Revoke all access, and dump (migration).
    DisableInstance,
    /// Give access back (migration undone).
    EnableInstance,
    /// Load a dump (migration).
    ImportInstance,
    /// Create the bindings anew (migration).
    UpdateInstance,
    /// Remove the dump (migration).
    CleanupnfsInstance,
    /// Remove what nobody owns.
    PurgeOrphan,
}

impl Operation {
    /// All of them, in the order in which the original node subscribes.
    pub const ALL: [Self; 11] = [
        Self::Provision,
        Self::Unprovision,
        Self::Bind,
        Self::Unbind,
        Self::Restore,
        Self::DisableInstance,
        Self::EnableInstance,
        Self::ImportInstance,
        Self::UpdateInstance,
        Self::CleanupnfsInstance,
        Self::PurgeOrphan,
    ];

    /// The token in the subject.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Unprovision => "unprovision",
            Self::Bind => "bind",
            Self::Unbind => "unbind",
            Self::Restore => "restore",
            Self::DisableInstance => "disable_instance",
            Self::EnableInstance => "enable_instance",
            Self::ImportInstance => "import_instance",
            Self::UpdateInstance => "update_instance",
            Self::CleanupnfsInstance => "cleanupnfs_instance",
            Self::PurgeOrphan => "purge_orphan",
        }
    }
}

/// `S.<operation>.N`: gateway to one node.
#[must_use]
pub fn operation(service: &ServiceName, operation: Operation, node: &NodeId) -> String {
    format!("{service}.{}.{node}", operation.as_str())
}

/// `S.discover`: gateway to all nodes.
#[must_use]
pub fn discover(service: &ServiceName) -> String {
    format!("{service}.discover")
}

/// `S.announce`: the subject that original nodes share. Anybody may claim any id on it.
#[must_use]
pub fn announce_shared(service: &ServiceName) -> String {
    format!("{service}.announce")
}

/// `S.announce.N`: a node of ours; the bus's permissions say that it is N.
#[must_use]
pub fn announce(service: &ServiceName, node: &NodeId) -> String {
    format!("{service}.announce.{node}")
}

/// `S.announce.*`: all nodes of ours.
#[must_use]
pub fn announce_all(service: &ServiceName) -> String {
    format!("{service}.announce.*")
}

/// `S.check_orphan`: gateway to all nodes.
#[must_use]
pub fn check_orphan(service: &ServiceName) -> String {
    format!("{service}.check_orphan")
}

/// `S.node_handles`: the subject on which original nodes report what they have.
#[must_use]
pub fn node_handles_shared(service: &ServiceName) -> String {
    format!("{service}.node_handles")
}

/// `S.node_handles.N`: the report of a node of ours.
#[must_use]
pub fn node_handles(service: &ServiceName, node: &NodeId) -> String {
    format!("{service}.node_handles.{node}")
}

/// `tenon.inventory.S.N`: gateway asks one node for a page of what it has.
#[must_use]
pub fn inventory(service: &ServiceName, node: &NodeId) -> String {
    format!("tenon.inventory.{service}.{node}")
}

/// `tenon.orphans.S.N`: gateway tells one node what to do about orphans.
#[must_use]
pub fn orphans(service: &ServiceName, node: &NodeId) -> String {
    format!("tenon.orphans.{service}.{node}")
}

/// `tenon.jobs.S.N.I`: at most one waiting or running job for each instance.
#[must_use]
pub fn job(service: &ServiceName, node: &NodeId, instance: &InstanceId) -> String {
    format!("tenon.jobs.{service}.{node}.{instance}")
}

/// `tenon.jobs.S.N.>`: all jobs of one node.
#[must_use]
pub fn jobs_of(service: &ServiceName, node: &NodeId) -> String {
    format!("tenon.jobs.{service}.{node}.>")
}

/// `tenon.jobs.>`: all jobs.
pub const ALL_JOBS: &str = "tenon.jobs.>";

/// `tenon.identity.S.N`: whoever starts as node N asks whether another process is it already.
#[must_use]
pub fn identity(service: &ServiceName, node: &NodeId) -> String {
    format!("tenon.identity.{service}.{node}")
}

/// `tenon.gateways.S`: a gateway that leaves asks whether another one serves, and tells that it left.
#[must_use]
pub fn gateways(service: &ServiceName) -> String {
    format!("tenon.gateways.{service}")
}

/// `S.handles`: anybody asks an original gateway for the handles of an instance, or of all.
#[must_use]
pub fn handles(service: &ServiceName) -> String {
    format!("{service}.handles")
}

/// `S.update_service_handle`: anybody tells an original gateway that a handle has changed.
#[must_use]
pub fn update_service_handle(service: &ServiceName) -> String {
    format!("{service}.update_service_handle")
}

/// `vcap.component.announce`: each component, at its start.
pub const COMPONENT_ANNOUNCE: &str = "vcap.component.announce";

/// `vcap.component.discover`: a collector, to all components.
pub const COMPONENT_DISCOVER: &str = "vcap.component.discover";

/// The node named by the last token of `S.announce.N` or the like; `None` when it is not an id.
#[must_use]
pub fn node_of(subject: &str) -> Option<NodeId> {
    let (_, last) = subject.rsplit_once('.')?;
    NodeId::new(last).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_spelt_as_the_original_spelt_them() {
        let service = ServiceName::new("MyaaS").unwrap();
        let node = NodeId::new("mysql_node_free_1").unwrap();
        let spelt: Vec<String> =
            Operation::ALL.iter().map(|&op| operation(&service, op, &node)).collect();
        assert_eq!(spelt.first().unwrap(), "MyaaS.provision.mysql_node_free_1");
        assert_eq!(spelt.get(9).unwrap(), "MyaaS.cleanupnfs_instance.mysql_node_free_1");
        assert_eq!(discover(&service), "MyaaS.discover");
        assert_eq!(announce_shared(&service), "MyaaS.announce");
    }

    #[test]
    fn the_node_is_read_from_the_subject() {
        assert_eq!(node_of("MyaaS.announce.n1"), NodeId::new("n1").ok());
        assert_eq!(node_of("MyaaS"), None);
        assert_eq!(node_of("MyaaS.announce.n 1"), None);
    }
}
