//! The catalog of a version 2 cloud controller: services and their plans, by guid. No I/O.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenon_protocol::BindingId;
use tenon_protocol::message::Object;

use super::refusal::Refusal;

/// All that gateways registered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Catalog {
    services: BTreeMap<String, Object>,
    plans: BTreeMap<String, Object>,
}

/// What is kept in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Service,
    Plan,
}

impl Kind {
    /// What may be there once.
    const fn unique(self) -> [&'static str; 2] {
        match self {
            Self::Service => ["label", "provider"],
            Self::Plan => ["name", "service_guid"],
        }
    }

    const fn taken(self) -> u32 {
        match self {
            Self::Service => 120_002,
            Self::Plan => 110_002,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Plan => "service_plans",
        }
    }
}

impl Catalog {
    /// A new entry; its resource.
    pub(super) fn create(&mut self, kind: Kind, entity: Object) -> Result<Value, Refusal> {
        let same = |other: &Object| {
            kind.unique().iter().all(|field| other.get(*field) == entity.get(*field))
        };
        if self.of(kind).values().any(same) {
            return Err(Refusal::Taken(kind.taken()));
        }
        let guid = BindingId::random().to_string();
        let created = resource(kind, &guid, &entity);
        self.of(kind).insert(guid, entity);
        Ok(created)
    }

    /// An entry with some fields changed; its resource.
    pub(super) fn update(
        &mut self,
        kind: Kind,
        guid: &str,
        changes: Object,
    ) -> Result<Value, Refusal> {
        let entity = self.of(kind).get_mut(guid).ok_or_else(|| Refusal::unknown(guid))?;
        entity.extend(changes);
        Ok(resource(kind, guid, entity))
    }

    /// All services.
    pub(super) fn services(&self) -> Vec<Value> {
        self.services.iter().map(|(guid, entity)| resource(Kind::Service, guid, entity)).collect()
    }

    /// The plans of a service.
    pub(super) fn plans_of(&self, service: &str) -> Vec<Value> {
        let plans = self.plans_with(service);
        plans.map(|(guid, entity)| resource(Kind::Plan, guid, entity)).collect()
    }

    /// Label of the service, and name, of a plan.
    pub(super) fn plan(&self, guid: &str) -> Option<(&str, &str)> {
        let plan = self.plans.get(guid)?;
        let service = self.services.get(plan.get("service_guid")?.as_str()?)?;
        Some((service.get("label")?.as_str()?, plan.get("name")?.as_str()?))
    }

    /// Services as a version 1 cloud controller would have been told of them.
    pub(super) fn offerings(&self) -> Vec<Value> {
        self.services.iter().map(|(guid, entity)| self.offering(guid, entity)).collect()
    }

    fn offering(&self, guid: &str, entity: &Object) -> Value {
        let text = |field: &str| entity.get(field).and_then(Value::as_str).unwrap_or_default();
        let field = |field: &str| entity.get(field).cloned().unwrap_or_default();
        let plans: Vec<Value> =
            self.plans_with(guid).filter_map(|(_, plan)| plan.get("name").cloned()).collect();
        json!({
            "label": format!("{}-{}", text("label"), text("version")),
            "url": field("url"), "supported_versions": [field("version")],
            "version_aliases": { "current": field("version") },
            "description": field("description"), "provider": field("provider"), "plans": plans,
            "active": field("active"), "acls": field("acls"), "timeout": field("timeout"),
        })
    }

    fn plans_with(&self, service: &str) -> impl Iterator<Item = (&String, &Object)> {
        let of =
            move |plan: &Object| plan.get("service_guid").and_then(Value::as_str) == Some(service);
        self.plans.iter().filter(move |(_, plan)| of(plan))
    }

    fn of(&mut self, kind: Kind) -> &mut BTreeMap<String, Object> {
        match kind {
            Kind::Service => &mut self.services,
            Kind::Plan => &mut self.plans,
        }
    }
}

fn resource(kind: Kind, guid: &str, entity: &Object) -> Value {
    let url = format!("/v2/{}/{guid}", kind.path());
    let mut entity = entity.clone();
    match kind {
        Kind::Service => {
            entity.insert("service_plans_url".to_owned(), json!(format!("{url}/service_plans")));
            // The original takes these, and does not list them.
            entity.remove("acls");
            entity.remove("timeout");
        }
        Kind::Plan => {}
    }
    json!({ "metadata": { "guid": guid, "url": url }, "entity": entity })
}
