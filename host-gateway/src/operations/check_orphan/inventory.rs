//! Whole inventories of our nodes.

use futures_util::{StreamExt, stream};
use tenon_protocol::chain;
use tenon_protocol::message::{InventoryPage, InventoryRequest, InventoryScope};
use tenon_protocol::record::StoreMark;
use tenon_protocol::{NodeId, subject};

use crate::bus::Bus;
use crate::config::OfferingConfig;
use crate::operations::Operations;
use crate::orphans::Inventory;

/// Most pages of one node; more is a node that does not end.
const MAX_PAGES: usize = 10_000;
/// Nodes that are asked at once.
const AT_ONCE: usize = 32;

/// What each node has; `Err` says why it is not known.
type Inventories = Vec<(NodeId, Result<Inventory, String>)>;

/// All pages of each of `nodes`, or none of it. They are told which records ask.
pub(in crate::operations) async fn inventories(
    ops: &Operations,
    offering: &OfferingConfig,
    nodes: Vec<NodeId>,
    (scope, mark): (InventoryScope, &StoreMark),
) -> Inventories {
    let asked = stream::iter(nodes.into_iter().map(async |node| {
        let request = InventoryRequest { after: None, scope, store: Some(mark.clone()) };
        let inventory = inventory(&ops.bus, offering, &node, request).await;
        (node, inventory)
    }));
    let mut all: Inventories = asked.buffer_unordered(AT_ONCE).collect().await;
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

async fn inventory(
    bus: &Bus,
    offering: &OfferingConfig,
    node: &NodeId,
    mut request: InventoryRequest,
) -> Result<Inventory, String> {
    let subject = subject::inventory(&offering.service, node);
    let mut all = Inventory::default();
    for _page in 0..MAX_PAGES {
        let page: InventoryPage = bus
            .ask(&subject, &request, offering.node_timeout)
            .await
            .map_err(|error| chain(&error).to_string())?;
        all.instances.extend(page.instances);
        all.strangers.extend(page.strangers);
        if page.trusts.is_some() {
            all.doubt = Some("it obeys other records, and refuses purges".to_owned());
        }
        match page.next {
            None => return Ok(all),
            Some(next) => request.after = Some(next),
        }
    }
    Err(format!("more than {MAX_PAGES} pages"))
}
