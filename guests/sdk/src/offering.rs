//! What a service says about itself.

use serde_json::Value;

use crate::bindings::imports::tenon::service::types;
use crate::json::Texts;

/// What can be ordered. Plans, versions and prices are the operator's, not the service's.
///
/// ```
/// let offering = tenon_guest::Offering::new("mysql", "A database", "1.0.0").tag("relational");
/// # drop(offering);
/// ```
#[derive(Clone, PartialEq)]
pub struct Offering {
    label: String,
    description: String,
    version: String,
    bindable: bool,
    tags: Vec<String>,
    schemas: Texts,
}

impl Offering {
    /// A bindable offering. `label` is `[a-z0-9-]{1,40}` and the plugin's name in the operator's
    /// configuration; `version` is that of the service's code: `env!("CARGO_PKG_VERSION")`.
    pub fn new(label: &str, description: &str, version: &str) -> Self {
        Self {
            label: label.to_owned(),
            description: description.to_owned(),
            version: version.to_owned(),
            bindable: true,
            tags: Vec::new(),
            schemas: Texts::default(),
        }
    }

    /// Applications cannot be bound to it.
    #[must_use]
    pub fn unbindable(mut self) -> Self {
        self.bindable = false;
        self
    }

    /// Adds a word to be found by.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }

    /// The JSON Schema of the parameters of `provision`.
    #[must_use]
    pub fn provision_schema(mut self, schema: &Value) -> Self {
        self.schemas.set("provision", schema);
        self
    }

    /// The JSON Schema of the parameters of `bind`.
    #[must_use]
    pub fn bind_schema(mut self, schema: &Value) -> Self {
        self.schemas.set("bind", schema);
        self
    }

    /// The name it is ordered by.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl From<Offering> for types::Offering {
    fn from(offering: Offering) -> Self {
        Self {
            label: offering.label,
            description: offering.description,
            version: offering.version,
            bindable: offering.bindable,
            tags: offering.tags,
            schemas: offering.schemas.into_pairs(),
            attrs: Vec::new(),
        }
    }
}
