//! A version 2 cloud controller. Reference, section 2.3.
//!
//! It keeps the same as one of version 1, in other words: an offering is a service with plans, a
//! handle is an instance or a binding, and its `configuration` is `gateway_data`.

mod catalog;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::json;
use tenon_protocol::BindingId;
use tenon_protocol::message::{Configuration, Handle, Object};

use self::catalog::{Listed, Step, Wanted};
use self::session::Session;
use super::exchange::{MAX_BODY, read};
use super::odd::{Odd, Oddity, Remarks};
use super::uaa::Uaa;
use super::{CloudControllerError, Fetched, Presence};
use crate::config::{OfferingConfig, UaaConfig};

/// Lists of bindings that are asked for at once; there is one for each instance.
const LISTS_AT_ONCE: usize = 16;

/// A client of one. Clones share what they know.
#[derive(Clone)]
pub(crate) struct V2 {
    session: Session,
    own_url: String,
    /// What was last sent for each guid: the cloud controller does not list all of it.
    sent: Arc<Mutex<HashMap<String, Object>>>,
}

/// What is read of an instance; other fields are ignored (P9).
#[derive(Deserialize)]
struct InstanceEntity {
    credentials: Object,
    #[serde(default)]
    gateway_data: Option<Configuration>,
}

/// What is read of a binding.
#[derive(Deserialize)]
struct BindingEntity {
    gateway_name: String,
    credentials: Object,
    #[serde(default)]
    gateway_data: Option<Configuration>,
}

/// The one field of the answer to a creation that matters.
#[derive(Deserialize)]
struct Created {
    metadata: catalog::Metadata,
}

impl V2 {
    /// Speaks to the one at `url`, and tells it that this gateway listens at `own_url`.
    pub(super) fn new(client: Client, url: String, own_url: String, uaa: UaaConfig) -> Self {
        let uaa = Uaa::new(client.clone(), uaa);
        Self { session: Session::new(client, url, uaa), own_url, sent: Arc::default() }
    }

    pub(super) const fn remarks(&self) -> &Remarks {
        self.session.remarks()
    }

    /// Makes the catalog say that `offering` is here, with its plans; or that it is not to be
    /// ordered any more.
    pub(super) async fn notify(
        &self,
        offering: &OfferingConfig,
        presence: Presence,
    ) -> Result<(), CloudControllerError> {
        let (services, _) = self.entries("/v2/services").await?;
        let wanted = catalog::service(offering, &self.own_url, presence);
        let step = self.service_step(offering, &wanted, &services);
        if presence == Presence::Leaving {
            return self.leave(offering, &wanted, step, &services).await;
        }
        let guid = self.take("/v2/services", offering, &wanted, step).await?;
        let (plans, _) = self.entries(&format!("/v2/services/{guid}/service_plans")).await?;
        for plan in &offering.plans {
            let wanted = catalog::plan(plan, &guid);
            let step = catalog::plan_step(&wanted, &plans, |guid| self.sent(guid));
            self.take("/v2/service_plans", offering, &wanted, step).await?;
        }
        Ok(())
    }

    /// All instances and bindings of the plans of `offering`, and nobody else's (P13).
    pub(super) async fn handles(
        &self,
        offering: &OfferingConfig,
    ) -> Result<Fetched, CloudControllerError> {
        let mut fetched = Fetched::default();
        let (services, odd) = self.entries("/v2/services").await?;
        let wanted = catalog::service(offering, &self.own_url, Presence::Here);
        let guid = match self.service_step(offering, &wanted, &services) {
            Step::Keep(guid) | Step::Update(guid) => guid,
            Step::Create if odd.count(Oddity::Unreadable) > 0 => return Err(self.unread_service()),
            Step::Create => return Ok(fetched),
            Step::Taken(unique_id) => return Err(taken(offering, unique_id)),
        };
        let mut instances = Vec::new();
        let (plans, odd) = self.entries(&format!("/v2/services/{guid}/service_plans")).await?;
        // What it has of a plan that cannot be read is not listed.
        fetched.lacks(odd);
        for plan in plans {
            let plan = plan.metadata.guid;
            let path = format!("/v2/service_instances?q=service_plan_guid:{plan}");
            let mut nameless = Odd::default();
            let take = |entry: Listed<InstanceEntity>| {
                match instance_handle(entry.entity) {
                    Some(handle) => fetched.push(&handle),
                    None => nameless
                        .note(Oddity::Unreadable, || format!("{} (no name)", entry.metadata.guid)),
                }
                instances.push(entry.metadata.guid);
            };
            let odd = self.session.list(&path, take).await?;
            fetched.lacks(odd);
            fetched.lacks(nameless);
            bounded(&fetched, path)?;
        }
        let lists = futures_util::stream::iter(instances);
        let mut lists = lists.map(|guid| self.bindings(guid)).buffer_unordered(LISTS_AT_ONCE);
        while let Some((bindings, odd)) = lists.try_next().await? {
            bindings.iter().for_each(|handle| fetched.push(handle));
            fetched.lacks(odd);
            bounded(&fetched, "/v2/service_bindings".to_owned())?;
        }
        self.remarks().tell(&offering.classic_label(), &fetched.odd);
        Ok(fetched)
    }

    /// A PUT; the token of the offering stands in its body. Reference, section 2.3.7.
    pub(super) async fn update_handle(
        &self,
        offering: &OfferingConfig,
        handle: &Handle,
    ) -> Result<(), CloudControllerError> {
        let id = BindingId::new(handle.service_id.as_str())?;
        let kind = if handle.is_instance() { "service_instances" } else { "service_bindings" };
        let body = Object::from_iter([
            ("token".to_owned(), json!(offering.token.reveal())),
            ("gateway_data".to_owned(), json!(handle.configuration)),
            ("credentials".to_owned(), json!(handle.credentials)),
        ]);
        let path = format!("/v2/{kind}/internal/{id}");
        self.session.send(Method::PUT, &path, Some(&body)).await.map(drop)
    }

    /// Withdraws what still points here. Another gateway may have taken the offering over, and
    /// would be withdrawn with it.
    async fn leave(
        &self,
        offering: &OfferingConfig,
        wanted: &Wanted,
        step: Step,
        services: &[Listed<Object>],
    ) -> Result<(), CloudControllerError> {
        let points_here = |guid: &str| {
            let own = services.iter().find(|entry| entry.metadata.guid == guid);
            own.is_some_and(|entry| entry.entity.get("url") == wanted.body.get("url"))
        };
        match step {
            Step::Update(guid) if points_here(&guid) => {
                let step = Step::Update(guid);
                self.take("/v2/services", offering, wanted, step).await.map(drop)
            }
            Step::Update(_) | Step::Keep(_) | Step::Create | Step::Taken(_) => Ok(()),
        }
    }

    /// Does `step` in the collection at `path`; the guid is what `wanted` has then.
    async fn take(
        &self,
        path: &str,
        offering: &OfferingConfig,
        wanted: &Wanted,
        step: Step,
    ) -> Result<String, CloudControllerError> {
        let guid = match step {
            Step::Keep(guid) => return Ok(guid),
            Step::Taken(unique_id) => return Err(taken(offering, unique_id)),
            Step::Update(guid) => {
                let path = format!("{path}/{guid}");
                self.session.send(Method::PUT, &path, Some(&wanted.body)).await?;
                guid
            }
            Step::Create => {
                let creation = wanted.creation();
                let response = self.session.send(Method::POST, path, Some(&creation)).await?;
                let url = response.url().to_string();
                let body = read(&url, response).await?;
                let created: Created = serde_json::from_slice(&body)
                    .map_err(|source| CloudControllerError::Garbled { url, source })?;
                created.metadata.guid
            }
        };
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.insert(guid.clone(), wanted.body.clone());
        Ok(guid)
    }

    fn service_step(
        &self,
        offering: &OfferingConfig,
        wanted: &Wanted,
        services: &[Listed<Object>],
    ) -> Step {
        let derived = offering.derived_unique_id();
        catalog::service_step(wanted, &derived, services, |guid| self.sent(guid))
    }

    fn sent(&self, guid: &str) -> Option<Object> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).get(guid).cloned()
    }

    /// A list of the catalog. What cannot be read of it is told, and counted.
    async fn entries(
        &self,
        path: &str,
    ) -> Result<(Vec<Listed<Object>>, Odd), CloudControllerError> {
        let mut entries = Vec::new();
        let odd = self.session.list(path, |entry| entries.push(entry)).await?;
        self.remarks().tell(path, &odd);
        Ok((entries, odd))
    }

    /// The service that is looked for may be among those that cannot be read.
    fn unread_service(&self) -> CloudControllerError {
        let url = self.session.url("/v2/services");
        CloudControllerError::Incomplete { url, problem: "has entries that cannot be read" }
    }

    async fn bindings(&self, instance: String) -> Result<(Vec<Handle>, Odd), CloudControllerError> {
        let mut handles = Vec::new();
        let path = format!("/v2/service_bindings?q=service_instance_guid:{instance}");
        let take = |entry: Listed<BindingEntity>| handles.push(binding_handle(entry.entity));
        let odd = self.session.list(&path, take).await?;
        Ok((handles, odd))
    }
}

/// The same bound as on a list that comes in one piece.
fn bounded(fetched: &Fetched, url: String) -> Result<(), CloudControllerError> {
    if fetched.len() <= MAX_BODY { Ok(()) } else { Err(CloudControllerError::TooLong { url }) }
}

fn taken(offering: &OfferingConfig, unique_id: String) -> CloudControllerError {
    CloudControllerError::Taken {
        label: offering.label.clone(),
        provider: offering.provider.clone(),
        unique_id,
    }
}

/// `None` without a name: nobody could tell which instance it is.
fn instance_handle(entity: InstanceEntity) -> Option<Handle> {
    let name = entity.credentials.get("name").and_then(|name| name.as_str())?;
    Some(Handle {
        service_id: name.to_owned(),
        configuration: entity.gateway_data.unwrap_or_default(),
        credentials: entity.credentials,
    })
}

fn binding_handle(entity: BindingEntity) -> Handle {
    Handle {
        service_id: entity.gateway_name,
        configuration: entity.gateway_data.unwrap_or_default(),
        credentials: entity.credentials,
    }
}

#[cfg(test)]
mod tests;
