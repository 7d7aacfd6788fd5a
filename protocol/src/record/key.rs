//! Where records are kept: buckets and keys.

use crate::id::{BindingId, InstanceId, JobId, NodeId, ServiceName, SnapshotId};

/// Number of buckets over which instances and bindings are spread.
///
/// One stream does not share an fsync among its writers; 16 of them made 16 concurrent provisions
/// 8.5 times faster. Changing it strands records.
pub const SHARDS: u64 = 16;

/// The bucket of jobs and snapshots, which nodes write too.
pub const JOBS_BUCKET: &str = "tenon_jobs";

/// The work queue of jobs.
pub const JOBS_STREAM: &str = "TENON_JOBS";

/// The consumer that gives node `node` the jobs of `service`: `S-N`, or `S@N` for a service whose
/// name has a `-`, as nobody could tell where it ends. No two nodes have the same one: no name has
/// an `@`.
#[must_use]
pub fn jobs_consumer(service: &ServiceName, node: &NodeId) -> String {
    let between = if service.as_str().contains('-') { '@' } else { '-' };
    format!("{service}{between}{node}")
}

/// What that consumer was called for every service, before two nodes were seen to share one.
#[must_use]
pub fn jobs_consumer_before(service: &ServiceName, node: &NodeId) -> String {
    format!("{service}-{node}")
}

/// Name of bucket number `shard`.
#[must_use]
pub fn records_bucket(shard: u64) -> String {
    format!("tenon_records_{shard:02}")
}

/// The bucket of an instance and all its bindings.
#[must_use]
pub fn shard_of(instance: &InstanceId) -> u64 {
    // FNV-1a: spreads well, and stays the same for ever.
    let hash = instance.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % SHARDS
}

/// Where the first bucket says which store it is, since it was made.
pub const STORE_EPOCH: &str = "store.epoch";

/// Where the first bucket draws positions.
pub const STORE_POSITION: &str = "store.position";

/// `platform.<service>`, in the first bucket.
#[must_use]
pub fn platform(service: &ServiceName) -> String {
    format!("platform.{service}")
}

/// `gone.<node>`, in the first bucket: an operator says that the node will not come back.
#[must_use]
pub fn gone(node: &NodeId) -> String {
    format!("gone.{node}")
}

/// All such nodes.
#[must_use]
pub fn gone_nodes() -> String {
    "gone.*".to_owned()
}

/// `inst.<id>`.
#[must_use]
pub fn instance(id: &InstanceId) -> String {
    format!("inst.{id}")
}

/// `bind.<instance>.<id>`.
#[must_use]
pub fn binding(instance: &InstanceId, id: &BindingId) -> String {
    format!("bind.{instance}.{id}")
}

/// `move.<instance>`.
#[must_use]
pub fn moving(instance: &InstanceId) -> String {
    format!("move.{instance}")
}

/// All bindings of `instance`.
#[must_use]
pub fn bindings_of(instance: &InstanceId) -> String {
    format!("bind.{instance}.*")
}

/// `job.<service>.<node>.<id>`.
#[must_use]
pub fn job(service: &ServiceName, node: &NodeId, id: &JobId) -> String {
    format!("job.{service}.{node}.{id}")
}

/// `snap.<service>.<node>.<instance>.<id>`.
#[must_use]
pub fn snapshot(
    service: &ServiceName,
    node: &NodeId,
    instance: &InstanceId,
    id: &SnapshotId,
) -> String {
    format!("snap.{service}.{node}.{instance}.{id}")
}

/// All snapshots of `instance`, whichever node took them.
#[must_use]
pub fn snapshots_of(service: &ServiceName, instance: &InstanceId) -> String {
    format!("snap.{service}.*.{instance}.*")
}

/// One snapshot of `instance`, whichever node took it.
#[must_use]
pub fn snapshot_anywhere(service: &ServiceName, instance: &InstanceId, id: &SnapshotId) -> String {
    format!("snap.{service}.*.{instance}.{id}")
}

/// `order.<service>.<instance>.<id>`.
#[must_use]
pub fn snapshot_order(service: &ServiceName, instance: &InstanceId, id: &SnapshotId) -> String {
    format!("order.{service}.{instance}.{id}")
}

/// `restore.<service>.<instance>`.
#[must_use]
pub fn restore(service: &ServiceName, instance: &InstanceId) -> String {
    format!("restore.{service}.{instance}")
}

/// All snapshots of `instance` that the second version of the API ordered.
#[must_use]
pub fn snapshot_orders_of(service: &ServiceName, instance: &InstanceId) -> String {
    format!("order.{service}.{instance}.*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_nodes_share_a_consumer() {
        let names = ["a", "b", "c", "a-b", "b-c", "a-b-c", "a-", "-b", "-", "a--b", "a_b"];
        let mut seen = std::collections::BTreeMap::new();
        for (service, node) in names.iter().flat_map(|one| names.map(|other| (*one, other))) {
            let (name, id) = (ServiceName::new(service).unwrap(), NodeId::new(node).unwrap());
            let other = seen.insert(jobs_consumer(&name, &id), (service, node));
            assert_eq!(other, None, "{service} on {node}");
        }
        let (service, node) = (ServiceName::new("MyaaS").unwrap(), NodeId::new("node-1").unwrap());
        assert_eq!(jobs_consumer(&service, &node), "MyaaS-node-1");
        assert_eq!(jobs_consumer(&service, &node), jobs_consumer_before(&service, &node));
    }

    #[test]
    fn instances_spread_over_all_buckets_and_stay_there() {
        let mut count = [0u32; 16];
        for _ in 0..1_600 {
            let shard = usize::try_from(shard_of(&InstanceId::random())).unwrap();
            *count.get_mut(shard).unwrap() += 1;
        }
        assert!(count.iter().all(|&n| n > 40), "{count:?}");
        let known = InstanceId::new("d00000000000000000000000000000001").unwrap();
        assert_eq!(shard_of(&known), 0);
    }
}
