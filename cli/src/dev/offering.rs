//! What `--offerings` can name, and what is assumed of a component that nobody described.

use std::str::FromStr;

use super::version::Version;

/// The one plan of every offering here.
pub(crate) const PLAN: &str = "free";

/// The provider of every offering here; a v1 cloud controller knows no other.
pub(crate) const PROVIDER: &str = "core";

/// Instances that one node takes of one offering.
pub(crate) const CAPACITY: u32 = 1_000;

/// The name of an offering, and of its plugin file: `<label>.wasm`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

/// A text that cannot name an offering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an offering's label is 1 to 40 of a-z 0-9 - and begins with a letter, not {0:?}")]
pub struct LabelError(String);

impl Label {
    /// The text of the label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = text.len() <= 40
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(word);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(LabelError(text.to_owned()))
        }
    }
}

/// Everything that the configuration files say about an offering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offering {
    pub(crate) label: Label,
    /// Prefix of its subjects.
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) description: String,
    /// What its guest is lent besides context and log.
    pub(crate) capabilities: Vec<&'static str>,
}

impl Offering {
    /// What is known or assumed about `label`. `database` is the version of the database servers.
    pub(crate) fn named(label: &Label, database: Option<Version>) -> Self {
        let (service, description, extra) = match label.as_str() {
            "mysql" => (
                "MyaaS".to_owned(),
                "MySQL database".to_owned(),
                Some("mysql"),
            ),
            "files" => (
                "FilesystemaaS".to_owned(),
                "Directory of files".to_owned(),
                Some("files"),
            ),
            other => (
                format!("{}aaS", capitalised(other)),
                format!("{other} service"),
                None,
            ),
        };
        let version = match (needs_database(label), database) {
            (true, Some(version)) => version.to_string(),
            (true | false, _) => "1.0".to_owned(),
        };
        let capabilities = extra
            .into_iter()
            .chain(["state", "blob", "secrets"])
            .collect();
        Self {
            label: label.clone(),
            service,
            version,
            description,
            capabilities,
        }
    }

    /// What a provision request names.
    pub(crate) fn plan_unique_id(&self) -> String {
        format!("{PROVIDER}_{}_{PLAN}", self.label.as_str())
    }

    /// Whether its nodes need a database server.
    pub(crate) fn needs_database(&self) -> bool {
        needs_database(&self.label)
    }
}

/// Whether the nodes of `label` need a database server.
pub(crate) fn needs_database(label: &Label) -> bool {
    label.as_str() == "mysql"
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_named(label: &str, expected: (&str, &str, &str, &[&str])) {
        let offering = Offering::named(
            &label.parse().unwrap(),
            Some(Version {
                major: 10,
                minor: 11,
            }),
        );
        let unique_id = offering.plan_unique_id();
        let found = (
            &*offering.service,
            &*offering.version,
            &*unique_id,
            &*offering.capabilities,
        );
        assert_eq!(found, expected);
    }

    #[test]
    fn known_offerings_have_their_classic_names_and_others_get_one() {
        check_named(
            "mysql",
            (
                "MyaaS",
                "10.11",
                "core_mysql_free",
                &["mysql", "state", "blob", "secrets"],
            ),
        );
        check_named(
            "files",
            (
                "FilesystemaaS",
                "1.0",
                "core_files_free",
                &["files", "state", "blob", "secrets"],
            ),
        );
        check_named(
            "counter",
            (
                "CounteraaS",
                "1.0",
                "core_counter_free",
                &["state", "blob", "secrets"],
            ),
        );
    }

    #[test]
    fn a_label_that_could_leave_its_directory_is_refused() {
        for text in ["", "../x", "a/b", "A", "9a", "a.b", &"x".repeat(41)] {
            assert!(text.parse::<Label>().is_err(), "{text:?}");
        }
        assert!("endless-loop".parse::<Label>().is_ok());
    }
}
