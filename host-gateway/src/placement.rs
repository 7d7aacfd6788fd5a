//! Which node takes a new instance. Pure.
//!
//! Random among the best few, weighted by free capacity: several gateways see the same
//! announcements, and would all run to the best one. The node alone knows whether it is full.

use std::cmp::Reverse;

use tenon_protocol::NodeId;

/// Among how many of the best the choice is made.
const BEST: usize = 3;

/// A node that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The node.
    pub(crate) node: NodeId,
    /// Its one plan.
    pub(crate) plan: String,
    /// What it serves.
    pub(crate) versions: Vec<String>,
    /// Instances that still fit, after those that are on their way; below zero when over-full.
    pub(crate) free: i64,
}

/// Whether nodes without free capacity are ordered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overcommit {
    Refuse,
    Allow,
}

/// What is to be placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Name of the plan.
    pub(crate) plan: &'a str,
    /// Version of the service.
    pub(crate) version: &'a str,
    /// The plan's rule.
    pub(crate) overcommit: Overcommit,
    /// Nodes that were asked already.
    pub(crate) tried: &'a [NodeId],
}

/// Why there is no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlacementError {
    /// No live node has the plan.
    #[error("no node of the plan is there")]
    NoNode,
    /// Live nodes have the plan, and none the version.
    #[error("no node of the plan serves the version")]
    NoVersion,
    /// All that are left are full.
    #[error("all nodes of the plan are full")]
    Full,
}

/// Picks a node for `wanted`. `draw` is a random number, all of whose values are equally likely.
///
/// # Errors
///
/// [`PlacementError`], in the order in which a caller can do something about it.
pub(crate) fn pick(
    offers: &[Offer],
    wanted: Wanted<'_>,
    draw: u64,
) -> Result<NodeId, PlacementError> {
    let of_plan: Vec<&Offer> = offers.iter().filter(|offer| offer.plan == wanted.plan).collect();
    if of_plan.is_empty() {
        return Err(PlacementError::NoNode);
    }
    let mut fit: Vec<&Offer> = of_plan
        .into_iter()
        .filter(|offer| offer.versions.iter().any(|version| version == wanted.version))
        .collect();
    if fit.is_empty() {
        return Err(PlacementError::NoVersion);
    }
    let usable = |offer: &&Offer| {
        let fits = offer.free > 0 || wanted.overcommit == Overcommit::Allow;
        fits && !wanted.tried.contains(&offer.node)
    };
    fit.retain(usable);
    fit.sort_by(|a, b| (Reverse(a.free), &a.node).cmp(&(Reverse(b.free), &b.node)));
    fit.truncate(BEST);
    weighted(&fit, draw).map(|offer| offer.node.clone()).ok_or(PlacementError::Full)
}

/// One of `fit`, with a chance in proportion to its free capacity; `None` when there is none.
fn weighted<'a>(fit: &[&'a Offer], draw: u64) -> Option<&'a Offer> {
    let weight = |offer: &Offer| u64::try_from(offer.free).unwrap_or(0).max(1);
    let total: u64 = fit.iter().map(|offer| weight(offer)).fold(0, u64::saturating_add);
    let mut left = draw.checked_rem(total)?;
    for offer in fit {
        match left.checked_sub(weight(offer)) {
            Some(rest) => left = rest,
            None => return Some(offer),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use PlacementError::{Full, NoNode, NoVersion};

    fn offers(list: &[(&str, &str, i64)]) -> Vec<Offer> {
        let offer = |&(node, plan, free): &(&str, &str, i64)| Offer {
            node: NodeId::new(node).unwrap(),
            plan: plan.to_owned(),
            versions: vec!["5.5".to_owned()],
            free,
        };
        list.iter().map(offer).collect()
    }

    fn check_pick(
        list: &[(&str, &str, i64)],
        overcommit: Overcommit,
        tried: &[&str],
        draw: u64,
        expected: Result<&str, PlacementError>,
    ) {
        let tried: Vec<NodeId> = tried.iter().map(|node| NodeId::new(*node).unwrap()).collect();
        let wanted = Wanted { plan: "free", version: "5.5", overcommit, tried: &tried };
        let picked = pick(&offers(list), wanted, draw);
        assert_eq!(picked.as_ref().map(NodeId::as_str).map_err(|error| *error), expected);
    }

    use Overcommit::{Allow, Refuse};

    #[test]
    fn a_node_of_the_plan_with_room_is_picked() {
        check_pick(&[("a", "free", 2)], Refuse, &[], 7, Ok("a"));
        check_pick(&[("a", "gold", 9), ("b", "free", 1)], Refuse, &[], 0, Ok("b"));
        check_pick(&[("a", "free", 0), ("b", "free", 1)], Refuse, &[], 3, Ok("b"));
    }

    #[test]
    fn the_chance_is_in_proportion_to_the_room() {
        let list = [("a", "free", 1), ("b", "free", 3)];
        for (draw, node) in [(0, "b"), (2, "b"), (3, "a"), (4, "b")] {
            check_pick(&list, Refuse, &[], draw, Ok(node));
        }
    }

    #[test]
    fn only_the_best_few_are_considered() {
        let list = [("a", "free", 1), ("b", "free", 9), ("c", "free", 9), ("d", "free", 9)];
        for draw in 0..30 {
            let wanted = Wanted { plan: "free", version: "5.5", overcommit: Refuse, tried: &[] };
            assert_ne!(pick(&offers(&list), wanted, draw).unwrap().as_str(), "a");
        }
    }

    #[test]
    fn a_node_is_asked_once() {
        check_pick(&[("a", "free", 9), ("b", "free", 1)], Refuse, &["a"], 0, Ok("b"));
        check_pick(&[("a", "free", 9)], Refuse, &["a"], 0, Err(Full));
    }

    #[test]
    fn p20_full_nodes_are_used_only_when_the_plan_says_so() {
        check_pick(&[("a", "free", 0), ("b", "free", -2)], Refuse, &[], 0, Err(Full));
        check_pick(&[("a", "free", 0), ("b", "free", -2)], Allow, &[], 0, Ok("a"));
        check_pick(&[("a", "free", 0), ("b", "free", -2)], Allow, &[], 1, Ok("b"));
    }

    #[test]
    fn p21_what_is_missing_is_told_apart() {
        check_pick(&[], Refuse, &[], 0, Err(NoNode));
        check_pick(&[("a", "gold", 9)], Refuse, &[], 0, Err(NoNode));
        let wanted = Wanted { plan: "free", version: "9.9", overcommit: Refuse, tried: &[] };
        assert_eq!(pick(&offers(&[("a", "free", 9)]), wanted, 0), Err(NoVersion));
    }
}
