//! A purge on our nodes: looked at again, told first, then done, with an answer for each item.

use std::collections::{BTreeMap, HashMap, HashSet};

use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    InventoryScope, Object, OrphanAct, OrphanItem, OrphanOutcome, PurgeBinding, PurgeInstance,
    PurgeOrder, PurgeRun, PurgedBefore,
};
use tenon_protocol::record::{Phase, StoreMark};
use tenon_protocol::{Fault, Generation, InstanceId, NodeId};

use super::{ItemsByNode, Manner, PurgeRequest};
use crate::cloud_controller::Fetched;
use crate::config::OfferingConfig;
use crate::operations::check_orphan::{claimed, inventories};
use crate::operations::tend_orphans::order;
use crate::operations::{OperationError, Operations, shown};
use crate::orphans::{Inventory, KnownInstance, OrphanBinding, Verdict, judge};

/// Items of one order: far below what a message may hold, and soon done.
const BATCH: usize = 200;

/// What is to be purged on one node.
#[derive(Debug, Default)]
struct Plan {
    instances: Vec<PurgeInstance>,
    bindings: Vec<PurgeBinding>,
    strangers: Vec<InstanceId>,
    /// Those of the instances that an earlier purge put into quarantine.
    quarantined: HashSet<InstanceId>,
    /// What needs no order: it is gone.
    items: Vec<OrphanItem>,
}

pub(super) async fn purge(
    ops: &Operations,
    offering: &OfferingConfig,
    request: PurgeRequest,
    manner: Manner,
) -> Result<ItemsByNode, OperationError> {
    let mark = ops.records.mark().await?;
    let begun = Millis::now();
    let scope = (InventoryScope::All, &mark);
    let asked = inventories(ops, offering, request.nodes(), scope).await;
    let fetched = claimed(ops, offering).await?;
    let claimed: HashSet<String> = fetched.iter().flat_map(Fetched::names).collect();
    let look = Look { ops, offering, claimed: &claimed, begun };
    let mut plans = BTreeMap::new();
    for (node, inventory) in asked {
        let incomplete = |why| OperationError::Incomplete(format!("node {node}'s list: {why}"));
        let inventory = inventory.map_err(incomplete)?;
        let named = Named::of(&request, &node);
        let plan = look.plan(&node, &inventory, &named).await?;
        plans.insert(node, plan);
    }
    // All are asked before one is told: nothing is done when a node refuses.
    let told = send(ops, offering, &mark, (&plans, Manner { run: PurgeRun::Dry, ..manner })).await;
    let mut told = refused(told)?;
    if manner.run == PurgeRun::Real {
        told = settle(send(ops, offering, &mark, (&plans, manner)).await);
    }
    for (node, plan) in plans {
        told.entry(node).or_default().extend(plan.items);
    }
    Ok(told)
}

/// What a request names of one node.
struct Named<'a> {
    instances: &'a [String],
    bindings: &'a [Object],
    strangers: &'a [String],
}

impl<'a> Named<'a> {
    fn of(request: &'a PurgeRequest, node: &NodeId) -> Self {
        Self {
            instances: request.orphan_instances.get(node).map(Vec::as_slice).unwrap_or_default(),
            bindings: request.orphan_bindings.get(node).map(Vec::as_slice).unwrap_or_default(),
            strangers: request.strangers.get(node).map(Vec::as_slice).unwrap_or_default(),
        }
    }
}

/// The look that a purge takes before it orders anything.
struct Look<'a> {
    ops: &'a Operations,
    offering: &'a OfferingConfig,
    /// Ids of what the platform has.
    claimed: &'a HashSet<String>,
    begun: Millis,
}

impl Look<'_> {
    async fn plan(
        &self,
        node: &NodeId,
        inventory: &Inventory,
        named: &Named<'_>,
    ) -> Result<Plan, OperationError> {
        let mut plan = Plan::default();
        let there: HashMap<&str, _> =
            inventory.instances.iter().map(|seen| (seen.id.as_str(), seen)).collect();
        for name in named.instances {
            let id = InstanceId::new(name.as_str()).map_err(|_bad| OperationError::Malformed)?;
            let record = self.record(&id).await?;
            let Some(seen) = there.get(name.as_str()) else {
                // Not there, and yet ordered: somebody should look before anything goes.
                self.refuse_ordered(name, record.as_ref().is_some_and(|r| r.lives_on(node)))?;
                plan.items.push(OrphanItem::of(id, OrphanOutcome::Gone));
                continue;
            };
            let verdict = judge(node, seen, record.as_ref(), self.begun);
            self.refuse_ordered(name, verdict != Verdict::Orphan)?;
            plan.quarantined.extend(seen.quarantined.map(|_since| id.clone()));
            plan.instances.push(PurgeInstance { id, generation: seen.generation });
        }
        for name in named.strangers {
            let id = InstanceId::new(name.as_str()).map_err(|_bad| OperationError::Malformed)?;
            let record = self.record(&id).await?;
            self.refuse_ordered(name, record.is_some_and(|record| !record.is_gone()))?;
            if inventory.strangers.contains(name) {
                plan.strangers.push(id);
            } else {
                plan.items.push(OrphanItem::of(id, OrphanOutcome::Gone));
            }
        }
        for credentials in named.bindings {
            let binding = OrphanBinding::of(credentials).ok_or(OperationError::Malformed)?;
            self.check_binding(&binding).await?;
            let seen = there.get(binding.name.as_str());
            let seen =
                seen.and_then(|seen| seen.bindings.iter().find(|one| one.id == binding.handle_id));
            let generation = seen.map_or(Generation::default(), |seen| seen.generation);
            let OrphanBinding { name: instance, handle_id: id } = binding;
            plan.bindings.push(PurgeBinding { instance, id, generation });
        }
        Ok(plan)
    }

    async fn record(&self, id: &InstanceId) -> Result<Option<KnownInstance>, OperationError> {
        let found = self.ops.instance(self.offering, id.as_str()).await?;
        Ok(found.map(|stored| stored.record.into()))
    }

    fn refuse_ordered(&self, name: &str, is_ordered: bool) -> Result<(), OperationError> {
        if is_ordered || self.claimed.contains(name) {
            return Err(OperationError::NoOrphan(shown(name)));
        }
        Ok(())
    }

    async fn check_binding(&self, binding: &OrphanBinding) -> Result<(), OperationError> {
        let found = self.ops.records.binding(&binding.name, &binding.handle_id).await?;
        let is_ordered = match found.map(|stored| stored.record.life.phase) {
            Some(Phase::Intent | Phase::Ready | Phase::Moving) => true,
            Some(Phase::Deleting | Phase::Tomb) | None => false,
        };
        self.refuse_ordered(binding.handle_id.as_str(), is_ordered)
    }
}

/// What each batch of each node came to.
type Sent = Vec<(NodeId, PurgeOrder, Result<Vec<OrphanItem>, OperationError>)>;

async fn send(
    ops: &Operations,
    offering: &OfferingConfig,
    mark: &StoreMark,
    (plans, manner): (&BTreeMap<NodeId, Plan>, Manner),
) -> Sent {
    let mut sent = Sent::new();
    for (node, plan) in plans {
        let mut done = Done { quarantined: plan.quarantined.clone(), ..Done::default() };
        for batch in batches(plan, manner) {
            let batch = PurgeOrder { before: done.told(), ..batch };
            let act = (mark.clone(), OrphanAct::Purge(batch.clone()));
            let answer = order(ops, offering, node, act).await;
            if manner.run == PurgeRun::Real {
                done.add(&batch, answer.as_deref().ok());
            }
            sent.push((node.clone(), batch, answer));
        }
    }
    sent
}

/// What of a purge is done on one node: its later batches tell it.
#[derive(Debug, Default)]
struct Done {
    quarantined: HashSet<InstanceId>,
    removed: usize,
    bindings_removed: usize,
}

impl Done {
    fn told(&self) -> PurgedBefore {
        PurgedBefore {
            quarantined: self.quarantined.len(),
            removed: self.removed,
            bindings_removed: self.bindings_removed,
        }
    }

    /// Adds a batch. Without an answer all of it may have been done: what comes next must not be
    /// refused because of it.
    fn add(&mut self, batch: &PurgeOrder, answer: Option<&[OrphanItem]>) {
        let Some(items) = answer else {
            let instances = batch.instances.iter().map(|orphan| &orphan.id);
            self.quarantined.extend(instances.chain(&batch.strangers).cloned());
            self.removed += batch.instances.len() + batch.strangers.len();
            self.bindings_removed += batch.bindings.len();
            return;
        };
        for item in items {
            match (item.outcome, &item.binding) {
                (OrphanOutcome::Quarantined, _) => {
                    self.quarantined.insert(item.instance.clone());
                }
                (OrphanOutcome::Removed, None) => self.removed += 1,
                (OrphanOutcome::Removed, Some(_binding)) => self.bindings_removed += 1,
                (
                    OrphanOutcome::Gone
                    | OrphanOutcome::Newer
                    | OrphanOutcome::Released
                    | OrphanOutcome::Told
                    | OrphanOutcome::Failed,
                    _,
                ) => {}
            }
        }
    }
}

fn batches(plan: &Plan, manner: Manner) -> Vec<PurgeOrder> {
    let order = PurgeOrder {
        instances_in_all: plan.instances.len() + plan.strangers.len(),
        bindings_in_all: plan.bindings.len(),
        run: manner.run,
        share: manner.share,
        ..PurgeOrder::default()
    };
    let instances = plan.instances.chunks(BATCH);
    let strangers = plan.strangers.chunks(BATCH);
    let bindings = plan.bindings.chunks(BATCH);
    let instances = instances.map(|part| PurgeOrder { instances: part.to_vec(), ..order.clone() });
    let strangers = strangers.map(|part| PurgeOrder { strangers: part.to_vec(), ..order.clone() });
    let bindings = bindings.map(|part| PurgeOrder { bindings: part.to_vec(), ..order.clone() });
    instances.chain(strangers).chain(bindings).collect()
}

/// All items, unless one batch was refused.
fn refused(sent: Sent) -> Result<ItemsByNode, OperationError> {
    let mut all = ItemsByNode::new();
    for (node, _, answer) in sent {
        all.entry(node).or_default().extend(answer?);
    }
    Ok(all)
}

/// All items; those of a batch without an answer failed, as far as is known.
fn settle(sent: Sent) -> ItemsByNode {
    let mut all = ItemsByNode::new();
    for (node, batch, answer) in sent {
        let items = answer.unwrap_or_else(|error| failed(batch, &Fault::from(&error)));
        all.entry(node).or_default().extend(items);
    }
    all
}

fn failed(batch: PurgeOrder, fault: &Fault) -> Vec<OrphanItem> {
    let instances = batch.instances.into_iter().map(|orphan| (orphan.id, None));
    let strangers = batch.strangers.into_iter().map(|id| (id, None));
    let bindings = batch.bindings.into_iter().map(|orphan| (orphan.instance, Some(orphan.id)));
    let all = instances.chain(strangers).chain(bindings);
    let item = |(instance, binding)| OrphanItem {
        binding,
        error: Some(fault.clone()),
        ..OrphanItem::of(instance, OrphanOutcome::Failed)
    };
    all.map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orphan(number: usize) -> PurgeInstance {
        let id = InstanceId::new(format!("d{number}")).unwrap();
        PurgeInstance { id, generation: Generation::FIRST }
    }

    #[test]
    fn a_large_purge_goes_in_batches_that_each_say_how_large_it_is() {
        let plan = Plan {
            instances: (0..131_072).map(orphan).collect(),
            strangers: vec![orphan(1).id],
            ..Plan::default()
        };
        let batches = batches(&plan, Manner::default());
        assert_eq!(batches.len(), 131_072_usize.div_ceil(BATCH) + 1);
        assert!(batches.iter().all(|batch| batch.instances_in_all == 131_073));
        assert_eq!(batches.iter().map(|batch| batch.instances.len()).sum::<usize>(), 131_072);
        let largest = batches.first().map(|batch| serde_json::to_vec(batch).unwrap().len());
        assert!(largest.unwrap() < 1 << 20);
    }

    #[test]
    fn p08_each_batch_of_a_purge_tells_what_the_ones_before_it_did() {
        let mut done = Done { quarantined: HashSet::from([orphan(1).id]), ..Done::default() };
        let of = |outcome, number| OrphanItem::of(orphan(number).id, outcome);
        let binding = tenon_protocol::BindingId::new("b1").unwrap();
        let revoked = OrphanItem { binding: Some(binding), ..of(OrphanOutcome::Removed, 4) };
        let items = [
            of(OrphanOutcome::Quarantined, 1),
            of(OrphanOutcome::Quarantined, 2),
            of(OrphanOutcome::Removed, 3),
            of(OrphanOutcome::Newer, 5),
            revoked,
        ];
        let batch = PurgeOrder { instances: vec![orphan(6), orphan(7)], ..PurgeOrder::default() };
        done.add(&batch, Some(&items));
        let expected = PurgedBefore { quarantined: 2, removed: 1, bindings_removed: 1 };
        assert_eq!(done.told(), expected, "what was in quarantine counts once");
        done.add(&batch, None);
        assert_eq!(done.told(), PurgedBefore { quarantined: 4, removed: 3, ..expected });
    }

    #[test]
    fn p24_each_item_of_a_batch_without_an_answer_failed() {
        let batch = PurgeOrder { instances: vec![orphan(1), orphan(2)], ..PurgeOrder::default() };
        let node = NodeId::new("n1").unwrap();
        let sent = || {
            let silent = Err(OperationError::Silent(node.clone()));
            vec![(node.clone(), batch.clone(), silent)]
        };
        let items = settle(sent());
        assert_eq!(items[&node].len(), 2);
        assert!(items[&node].iter().all(|item| item.outcome == OrphanOutcome::Failed));
        assert!(refused(sent()).is_err());
    }
}
