//! What a node announced, believed as far as it can be. Pure.

use tenon_protocol::message::Announcement;
use tenon_protocol::{NodeId, subject};

use crate::config::Peers;
use crate::operations::shown;

/// A longer announcement is not read.
const MAX_BYTES: usize = 64 << 10;
/// A node serves a few versions.
const MAX_VERSIONS: usize = 100;
/// Of a plan's or version's name.
const MAX_NAME: usize = 255;

/// An announcement, and whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) node: NodeId,
    pub(super) announcement: Announcement,
}

/// What is wrong with an announcement.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("it has {0} bytes, and {MAX_BYTES} at most are read")]
    TooLong(usize),
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("its subject names no node")]
    NoNode,
    #[error("it names {0} versions, and {MAX_VERSIONS} at most are taken")]
    TooManyVersions(usize),
    #[error("a name in it is longer than {MAX_NAME} bytes")]
    LongName,
    /// The subject is believed; whoever may publish there is that node.
    #[error("it says that it comes from {0}, which its subject does not")]
    Foreign(NodeId),
}

/// Reads what was published on `subject`.
///
/// # Errors
///
/// [`Wrong`]: it is ignored then, and somebody has to be told.
pub(super) fn read(peers: Peers, subject: &str, payload: &[u8]) -> Result<Announced, Wrong> {
    if payload.len() > MAX_BYTES {
        return Err(Wrong::TooLong(payload.len()));
    }
    let announcement: Announcement = serde_json::from_slice(payload)
        .map_err(|error| Wrong::Unreadable(shown(&error.to_string())))?;
    if announcement.supported_versions.len() > MAX_VERSIONS {
        return Err(Wrong::TooManyVersions(announcement.supported_versions.len()));
    }
    let names = announcement.supported_versions.iter().chain([&announcement.plan]);
    if names.map(String::len).max() > Some(MAX_NAME) {
        return Err(Wrong::LongName);
    }
    let node = match peers {
        Peers::Native => subject::node_of(subject).ok_or(Wrong::NoNode)?,
        Peers::Original => announcement.id.clone(),
    };
    if announcement.id == node {
        Ok(Announced { node, announcement })
    } else {
        Err(Wrong::Foreign(announcement.id))
    }
}

/// Who sent it, for the log: on the subject that original nodes share only the body can tell.
pub(super) fn sender(peers: Peers, subject: &str, payload: &[u8]) -> String {
    let id = || {
        let body: serde_json::Value =
            serde_json::from_slice(payload.get(..MAX_BYTES).unwrap_or(payload)).ok()?;
        Some(shown(body.get("id")?.as_str()?))
    };
    match peers {
        Peers::Native => shown(subject),
        Peers::Original => {
            format!("{} ({})", shown(subject), id().unwrap_or_else(|| "no id".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check_read(peers: Peers, subject: &str, payload: &str, expected: &Expect) {
        let read = read(peers, subject, payload.as_bytes());
        let told = match read {
            Ok(Announced { node, announcement }) => {
                format!("{node} has {}", announcement.available_capacity)
            }
            Err(wrong) => format!("{}: {wrong}", sender(peers, subject, payload.as_bytes())),
        };
        expected.assert_eq(&told);
    }

    fn check_native(payload: &str, expected: &Expect) {
        check_read(Peers::Native, "S.announce.n1", payload, expected);
    }

    #[test]
    fn an_announcement_is_its_subjects_or_for_original_nodes_its_bodys() {
        let payload = r#"{"id":"n1","plan":"free","available_capacity":-3,"new":[1]}"#;
        check_native(payload, &expect!["n1 has -3"]);
        check_read(Peers::Original, "S.announce", payload, &expect!["n1 has -3"]);
        check_read(
            Peers::Native,
            "S.announce.n 1",
            payload,
            &expect!["S.announce.n 1: its subject names no node"],
        );
    }

    #[test]
    fn p15_an_announcement_in_the_name_of_another_node_is_ignored() {
        let payload = r#"{"id":"n2","plan":"free","available_capacity":9}"#;
        check_native(
            payload,
            &expect!["S.announce.n1: it says that it comes from n2, which its subject does not"],
        );
    }

    #[test]
    fn p16_what_is_no_announcement_is_told_and_not_believed() {
        check_native(
            "",
            &expect![
                "S.announce.n1: it cannot be read: EOF while parsing a value at line 1 column 0"
            ],
        );
        check_native(
            "{bad",
            &expect!["S.announce.n1: it cannot be read: key must be a string at line 1 column 2"],
        );
        check_native(
            r#"{"plan":"free","available_capacity":1}"#,
            &expect!["S.announce.n1: it cannot be read: missing field `id` at line 1 column 38"],
        );
        check_native(
            r#"{"id":"n1","plan":"free","available_capacity":99999999999999999999}"#,
            &expect![[
                r#"S.announce.n1: it cannot be read: invalid type: floating point `1e+20`, expected i64 at line 1 column 66"#
            ]],
        );
        check_native(
            r#"{"id":"n1","plan":null,"available_capacity":1}"#,
            &expect![[
                r#"S.announce.n1: it cannot be read: invalid type: null, expected a string at line 1 column 22"#
            ]],
        );
        let original = r#"{"id":"o1","plan":1}"#;
        check_read(
            Peers::Original,
            "S.announce",
            original,
            &expect![[
                r#"S.announce (o1): it cannot be read: invalid type: integer `1`, expected a string at line 1 column 19"#
            ]],
        );
        check_read(
            Peers::Original,
            "S.announce",
            r#"{"plan":"free"}"#,
            &expect![[
                r#"S.announce (no id): it cannot be read: missing field `available_capacity` at line 1 column 15"#
            ]],
        );
    }

    #[test]
    fn an_announcement_is_of_bounded_size() {
        let with = |plan: &str, versions: &[String]| {
            let id = NodeId::new("n1").unwrap();
            let body = serde_json::json!({
                "id": id, "plan": plan, "available_capacity": 1, "supported_versions": versions,
            });
            body.to_string()
        };
        let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
        check_native(
            &with("free", &many),
            &expect!["S.announce.n1: it names 101 versions, and 100 at most are taken"],
        );
        check_native(
            &with(&"x".repeat(256), &[]),
            &expect!["S.announce.n1: a name in it is longer than 255 bytes"],
        );
        check_native(
            &with("free", &["x".repeat(1 << 20)]),
            &expect!["S.announce.n1: it has 1048650 bytes, and 65536 at most are read"],
        );
    }
}
