//! Orphan reports and purges of the original, and how they are cut into messages. Reference,
//! section 3.7.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Object;
use crate::id::NodeId;

/// `S.node_handles`: one batch of what a node has.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHandlesReport {
    /// Ids of instances.
    pub instances_list: Vec<String>,
    /// Credentials of bindings, with a fake password.
    pub bindings_list: Vec<Object>,
    /// The node. Only believed where the bus cannot say who sent it.
    pub node_id: NodeId,
}

/// `S.purge_orphan.N`: what a node shall remove.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeOrphanRequest {
    /// Ids of instances.
    pub orphan_ins_list: Vec<String>,
    /// Credentials of bindings.
    pub orphan_binding_list: Vec<Object>,
}

/// What of a payload is left to the message around the items.
const AROUND: usize = 200;

/// Instances and bindings of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrphanBatch {
    /// Ids of instances.
    pub instances: Vec<String>,
    /// Credentials of bindings.
    pub bindings: Vec<Object>,
}

/// Items cut into messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrphanBatches {
    /// At least one.
    pub batches: Vec<OrphanBatch>,
    /// Items that fit into no message.
    pub skipped: usize,
}

/// Cuts instances and bindings into messages of at most `max_payload` bytes, instances first.
///
/// An item that is too large alone is left out, and the others go; the original gave up there.
#[must_use]
pub fn orphan_batches(
    instances: impl IntoIterator<Item = String>,
    bindings: impl IntoIterator<Item = Object>,
    max_payload: usize,
) -> OrphanBatches {
    let mut cutter = Cutter {
        limit: max_payload.saturating_sub(AROUND),
        size: 0,
        last: OrphanBatch::default(),
        done: OrphanBatches::default(),
    };
    for id in instances {
        let bytes = Value::from(id.as_str()).to_string().len();
        if cutter.makes_room(bytes) {
            cutter.last.instances.push(id);
        }
    }
    for credentials in bindings {
        let bytes = serde_json::to_vec(&credentials).map_or(usize::MAX, |json| json.len());
        if cutter.makes_room(bytes) {
            cutter.last.bindings.push(credentials);
        }
    }
    cutter.done.batches.push(cutter.last);
    cutter.done
}

struct Cutter {
    limit: usize,
    size: usize,
    last: OrphanBatch,
    done: OrphanBatches,
}

impl Cutter {
    /// Opens a new batch when an item of `bytes` does not fit; `false` when it fits nowhere.
    fn makes_room(&mut self, bytes: usize) -> bool {
        // With the comma behind it.
        let bytes = bytes.saturating_add(1);
        if bytes > self.limit {
            self.done.skipped += 1;
            return false;
        }
        if self.size + bytes > self.limit {
            self.done.batches.push(std::mem::take(&mut self.last));
            self.size = 0;
        }
        self.size += bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(number: usize) -> Object {
        let mut object = Object::new();
        object.insert("name".to_owned(), format!("d{number:032x}").into());
        object.insert("username".to_owned(), format!("u{number:012x}").into());
        object.insert("password".to_owned(), "fake-password".into());
        object
    }

    fn bytes(batch: &OrphanBatch) -> usize {
        let node_id = NodeId::new("n".repeat(64)).unwrap();
        let report = NodeHandlesReport {
            instances_list: batch.instances.clone(),
            bindings_list: batch.bindings.clone(),
            node_id,
        };
        serde_json::to_vec(&report).unwrap().len()
    }

    #[test]
    fn nothing_is_one_empty_message() {
        let cut = orphan_batches([], [], 1_048_576);
        assert_eq!(cut.batches, [OrphanBatch::default()]);
    }

    #[test]
    fn a_large_node_is_cut_into_messages_that_hold_all_of_it() {
        const INSTANCES: usize = 131_072;
        const BINDINGS: usize = 16_384;
        let ids = (0..INSTANCES).map(|number| format!("d{number:032x}"));
        let cut = orphan_batches(ids, (0..BINDINGS).map(credentials), 1_048_576);
        assert_eq!(cut.skipped, 0);
        assert!(cut.batches.len() > 5 && cut.batches.len() < 10, "{}", cut.batches.len());
        assert!(cut.batches.iter().all(|batch| bytes(batch) <= 1_048_576));
        let all: Vec<&String> = cut.batches.iter().flat_map(|batch| &batch.instances).collect();
        assert_eq!(all.len(), INSTANCES);
        assert!(all.iter().enumerate().all(|(n, id)| ***id == format!("d{n:032x}")));
        let bindings: Vec<&Object> = cut.batches.iter().flat_map(|batch| &batch.bindings).collect();
        assert_eq!(bindings.len(), BINDINGS);
        // Instances first; the batch of the last ones is filled up.
        let mixed =
            |batch: &&OrphanBatch| !batch.instances.is_empty() && !batch.bindings.is_empty();
        assert_eq!(cut.batches.iter().filter(mixed).count(), 1);
    }

    #[test]
    fn an_item_that_fits_nowhere_does_not_keep_the_others() {
        let ids = ["d1".to_owned(), "d".repeat(900), "d2".to_owned()];
        let cut = orphan_batches(ids, [credentials(1)], 600);
        assert_eq!(cut.skipped, 1);
        assert_eq!(cut.batches.len(), 1);
        assert_eq!(cut.batches[0].instances, ["d1", "d2"]);
        assert_eq!(cut.batches[0].bindings.len(), 1);
    }
}
