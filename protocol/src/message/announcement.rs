//! `S.announce` and `S.discover`.

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// What a node offers. Reference, section 3.3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Free capacity, in the unit below; below zero when the node is over-provisioned.
    pub available_capacity: i64,
    /// Capacity when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_capacity: Option<i64>,
    /// What one instance takes.
    #[serde(default = "one")]
    pub capacity_unit: i64,
    /// The node. Only believed where the bus cannot say who sent it.
    pub id: NodeId,
    /// The one plan that the node serves.
    pub plan: String,
    /// The versions that it serves.
    #[serde(default)]
    pub supported_versions: Vec<String>,
    /// Whether its service can take snapshots. Not in the original, and only told to our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<bool>,
    /// Nothing is to be placed there any more: the node stops, or is disabled. Not in the original,
    /// and not sent to its gateways.
    #[serde(default, skip_serializing_if = "is_open")]
    pub closing: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_open(closing: &bool) -> bool {
    !*closing
}

const fn one() -> i64 {
    1
}

/// Body of `S.discover`; the original also sends an empty payload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DiscoverRequest {
    /// Only nodes of this plan answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_written_in_the_original_order() {
        let text = r#"{"available_capacity":200,"max_capacity":200,"capacity_unit":1,"id":"mysql_node_free_1","plan":"free","supported_versions":["5.5"]}"#;
        let announcement: Announcement = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&announcement).unwrap(), text);
    }

    #[test]
    fn an_announcement_of_an_older_service_is_read() {
        let text = r#"{"id":"n","plan":"free","available_capacity":-3,"available_memory":7}"#;
        let announcement: Announcement = serde_json::from_str(text).unwrap();
        assert_eq!(announcement.capacity_unit, 1);
        assert_eq!(announcement.max_capacity, None);
    }
}
