//! The catalog difference: what a version 2 cloud controller lists, and what it should. Pure.
//!
//! Only what this gateway registered is ever touched, and nothing is removed (P6, P34): what
//! somebody else's gateway offers, and plans that the configuration has no more, stay as they are.
//! Reference, sections 2.3.4 and 2.3.5.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenon_protocol::message::Object;

use crate::cloud_controller::Presence;
use crate::config::{Listing, OfferingConfig, PlanConfig};

/// One entry of a list of the cloud controller.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Listed<T> {
    pub(super) metadata: Metadata,
    pub(super) entity: T,
}

/// What the cloud controller adds to an entry.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) guid: String,
}

/// What should be listed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// Fixed when it is created.
    pub(super) unique_id: String,
    /// All the rest.
    pub(super) body: Object,
}

/// What has to be done for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It is there, as this, as it should be.
    Keep(String),
    /// It is not there.
    Create,
    /// It is there, as this, and differs.
    Update(String),
    /// Somebody else has it, under this unique id.
    Taken(String),
}

/// The offering as a service, listed with the address of this gateway.
pub(super) fn service(offering: &OfferingConfig, own_url: &str, presence: Presence) -> Wanted {
    let version = offering.version_aliases.get("current").unwrap_or(&offering.version);
    let body = json!({
        "description": or_name(&offering.description, &offering.label),
        "provider": offering.provider,
        "version": version,
        "url": own_url,
        "label": offering.label,
        "active": presence == Presence::Here,
        "acls": offering.acls,
        "timeout": offering.platform_timeout.as_secs(),
        "extra": extra(&offering.listing),
    });
    Wanted { unique_id: offering.unique_id.clone(), body: object(body) }
}

/// `plan` as a plan of the service `service_guid`.
pub(super) fn plan(plan: &PlanConfig, service_guid: &str) -> Wanted {
    let extra = plan.extra.as_ref().filter(|extra| !extra.is_empty());
    let body = json!({
        "name": plan.name,
        "description": or_name(&plan.description, &plan.name),
        "free": plan.free,
        "extra": extra,
        "service_guid": service_guid,
    });
    Wanted { unique_id: plan.unique_id.clone(), body: object(body) }
}

impl Wanted {
    /// The body that creates it; only there the unique id may stand.
    pub(super) fn creation(&self) -> Object {
        let mut body = self.body.clone();
        body.insert("unique_id".to_owned(), Value::String(self.unique_id.clone()));
        body
    }

    fn text(&self, field: &str) -> &str {
        text(&self.body, field)
    }
}

/// What to do about a service. `derived` is the id that the cloud controller gave it while this
/// gateway spoke version 1; `sent` is what was last sent for an entry.
///
/// One with our unique id is ours. One without a unique id of anybody's is ours if label, provider
/// and version are.
pub(super) fn service_step(
    wanted: &Wanted,
    derived: &str,
    listed: &[Listed<Object>],
    sent: impl Fn(&str) -> Option<Object>,
) -> Step {
    let same = |entry: &Listed<Object>, fields: &[&str]| {
        fields.iter().all(|field| text(&entry.entity, field) == wanted.text(field))
    };
    if let Some(entry) = owned(wanted, listed) {
        return step_of(wanted, entry, sent);
    }
    let named = listed.iter().find(|entry| same(entry, &["label", "provider"]));
    let Some(entry) = named else {
        return Step::Create;
    };
    let unique_id = text(&entry.entity, "unique_id");
    let is_nobodys = unique_id.is_empty() || unique_id == derived;
    if is_nobodys && same(entry, &["version"]) {
        step_of(wanted, entry, sent)
    } else {
        Step::Taken(unique_id.to_owned())
    }
}

/// What to do about a plan, which is found by its unique id, else by its name: all plans of a
/// service are its gateway's.
pub(super) fn plan_step(
    wanted: &Wanted,
    listed: &[Listed<Object>],
    sent: impl Fn(&str) -> Option<Object>,
) -> Step {
    let named = || listed.iter().find(|entry| text(&entry.entity, "name") == wanted.text("name"));
    match owned(wanted, listed).or_else(named) {
        Some(entry) => step_of(wanted, entry, sent),
        None => Step::Create,
    }
}

fn owned<'a>(wanted: &Wanted, listed: &'a [Listed<Object>]) -> Option<&'a Listed<Object>> {
    listed.iter().find(|entry| text(&entry.entity, "unique_id") == wanted.unique_id)
}

fn step_of(wanted: &Wanted, entry: &Listed<Object>, sent: impl Fn(&str) -> Option<Object>) -> Step {
    let guid = entry.metadata.guid.clone();
    let sent = sent(&guid).unwrap_or_default();
    // Not every field is listed. What is not is compared with what was sent.
    let seen = |field: &str| entry.entity.get(field).or_else(|| sent.get(field));
    let differs = |(field, value): (&String, &Value)| seen(field).unwrap_or(&Value::Null) != value;
    if wanted.body.iter().any(differs) { Step::Update(guid) } else { Step::Keep(guid) }
}

fn text<'a>(entity: &'a Object, field: &str) -> &'a str {
    entity.get(field).and_then(Value::as_str).unwrap_or_default()
}

// A cloud controller refuses an empty description.
fn or_name<'a>(description: &'a str, name: &'a str) -> &'a str {
    if description.is_empty() { name } else { description }
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Object::new()
        }
    }
}

/// The text for a marketplace, in the original's order: it is compared as a text.
fn extra(listing: &Listing) -> Option<String> {
    #[derive(Serialize)]
    struct Extra<'a> {
        listing: Shown<'a>,
        provider: Provider<'a>,
    }
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(rename = "imageUrl")]
        image_url: &'a str,
        blurb: &'a str,
    }
    #[derive(Serialize)]
    struct Provider<'a> {
        name: &'a str,
    }
    if *listing == Listing::default() {
        return None;
    }
    let extra = Extra {
        listing: Shown {
            image_url: listing.logo_url.as_deref().unwrap_or_default(),
            blurb: listing.blurb.as_deref().unwrap_or_default(),
        },
        provider: Provider { name: listing.provider_name.as_deref().unwrap_or_default() },
    };
    serde_json::to_string(&extra).ok()
}

#[cfg(test)]
mod tests;
