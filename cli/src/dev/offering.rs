//! What `--offerings` can name, and what is assumed of a component that nobody described.

use std::str::FromStr;

use super::version::Version;

/// The one plan of every offering here.
pub(crate) const PLAN: &str = "free";

/// The provider of every offering here; a v1 cloud controller knows no other.
pub(crate) const PROVIDER: &str = "core";

/// Instances that one node takes of one offering.
pub(crate) const CAPACITY: u32 = 1_000;

/// The name of an offering, and of its plugin in the nodes' folder: `<label>.wasm`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

/// An argument of `--offerings`: `mysql`, or `shop=my-shop` for the component `my-shop.wasm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is ordered.
    pub label: Label,
    /// Its component in the folder of components, without `.wasm`.
    pub component: String,
}

/// A text that is no argument of `--offerings`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The name of the offering.
    #[error("a label is 1 to 40 of a-z 0-9 _ and begins with a letter, not {0:?}{hint}", hint = hint(.0))]
    Label(String),
    /// The name of the component.
    #[error("a component is 1 to 80 of a-z A-Z 0-9 _ -, not {0:?}")]
    Component(String),
}

impl Label {
    /// The text of the label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    // No dash: what follows it is a version to a cloud controller.
    fn new(text: &str) -> Result<Self, ChoiceError> {
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let good = text.len() <= 40
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(word);
        if good { Ok(Self(text.to_owned())) } else { Err(ChoiceError::Label(text.to_owned())) }
    }
}

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let (label, component) = text.split_once('=').unwrap_or((text, text));
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let good = (1..=80).contains(&component.len()) && component.bytes().all(word);
        let label = Label::new(label)?;
        if good {
            Ok(Self { label, component: component.to_owned() })
        } else {
            Err(ChoiceError::Component(component.to_owned()))
        }
    }
}

fn hint(label: &str) -> String {
    let dashless = label.replace('-', "_");
    match Label::new(&dashless) {
        Ok(_) => format!("; try {dashless}={label}"),
        Err(_) => String::new(),
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
            "mysql" => ("MyaaS".to_owned(), "MySQL database".to_owned(), Some("mysql")),
            "files" => ("FilesystemaaS".to_owned(), "Directory of files".to_owned(), Some("files")),
            other => (format!("{}aaS", capitalised(other)), format!("{other} service"), None),
        };
        let version = match (needs_database(label), database) {
            (true, Some(version)) => version.to_string(),
            (true | false, _) => "1.0".to_owned(),
        };
        let capabilities = extra.into_iter().chain(["state", "blob", "secrets"]).collect();
        Self { label: label.clone(), service, version, description, capabilities }
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
        let offering =
            Offering::named(&Label::new(label).unwrap(), Some(Version { major: 10, minor: 11 }));
        let unique_id = offering.plan_unique_id();
        let found = (&*offering.service, &*offering.version, &*unique_id, &*offering.capabilities);
        assert_eq!(found, expected);
    }

    #[test]
    fn known_offerings_have_their_classic_names_and_others_get_one() {
        check_named(
            "mysql",
            ("MyaaS", "10.11", "core_mysql_free", &["mysql", "state", "blob", "secrets"]),
        );
        check_named(
            "files",
            ("FilesystemaaS", "1.0", "core_files_free", &["files", "state", "blob", "secrets"]),
        );
        check_named(
            "counter",
            ("CounteraaS", "1.0", "core_counter_free", &["state", "blob", "secrets"]),
        );
    }

    fn check_refused(text: &str, expected: &str) {
        let error = text.parse::<Choice>().unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn a_component_may_have_another_name_than_its_offering() {
        let choice: Choice = "shop=my-shop".parse().unwrap();
        assert_eq!((choice.label.as_str(), &*choice.component), ("shop", "my-shop"));
        let choice: Choice = "mysql".parse().unwrap();
        assert_eq!((choice.label.as_str(), &*choice.component), ("mysql", "mysql"));
    }

    #[test]
    fn a_name_that_could_leave_its_directory_is_refused() {
        for text in ["", "../x", "a/b", "A", "9a", "a.b", "a=../b", "a=", &"x".repeat(41)] {
            assert!(text.parse::<Choice>().is_err(), "{text:?}");
        }
        check_refused("my-shop", "not \"my-shop\"; try my_shop=my-shop");
        check_refused("a/b", "not \"a/b\"");
    }
}
