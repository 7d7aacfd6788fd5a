//! What the gateway can be asked to do. Fronts translate and call these.
//!
//! One file for each operation. Every one of them writes down what it is about to do, does it, and
//! writes down that it is done; `reconcile.rs` finishes what was left in between.

pub(crate) mod adopt_handles;
pub(crate) mod advertise;
pub(crate) mod bind;
pub(crate) mod check_orphan;
mod clean;
pub(crate) mod create_serialized_url;
pub(crate) mod create_snapshot;
pub(crate) mod create_snapshot_v2;
pub(crate) mod delete_snapshot;
pub(crate) mod delete_upload;
pub(crate) mod download_snapshot;
pub(crate) mod download_upload;
mod error;
mod forget_snapshots;
pub(crate) mod get_serialized_url;
pub(crate) mod get_snapshot;
pub(crate) mod import_from_url;
pub(crate) mod list_snapshots;
pub(crate) mod list_snapshots_v2;
pub(crate) mod lost_nodes;
pub(crate) mod migrate;
pub(crate) mod migration_step;
mod moving;
mod order_job;
pub(crate) mod provision;
pub(crate) mod purge_orphan;
pub(crate) mod reconcile;
pub(crate) mod recover;
pub(crate) mod rename_snapshot;
pub(crate) mod restore;
pub(crate) mod rollback_snapshot;
pub(crate) mod show_job;
pub(crate) mod tend_orphans;
pub(crate) mod unbind;
pub(crate) mod unprovision;
pub(crate) mod update_handle;
pub(crate) mod upload_package;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tenon_protocol::message::{Configuration, Object};
use tenon_protocol::record::{InstanceRecord, Life, Phase};
use tenon_protocol::subject::{self, Operation};
use tenon_protocol::{
    BindingId, Code, Fault, InstanceId, NodeId, OperationId, Order, SealError, SealKey, ServiceName,
};
use tokio_util::task::TaskTracker;
use tracing::Span;

pub(crate) use error::{Blamed, OperationError};

use crate::adoptions::Adoptions;
use crate::bus::{Answer, Bus, Command};
use crate::cloud_controller::CloudController;
use crate::config::{Extension, OfferingConfig, Peers};
use crate::crash::Crash;
use crate::nodes::Nodes;
use crate::orphans::OrphanReports;
use crate::packages::Packages;
use crate::patience::Patience;
use crate::sender::Sender;
use crate::state::{Jobs, Records, StateError, Stored};
use crate::uploads::Uploads;

/// All that operations need.
pub(crate) struct Operations {
    /// What can be ordered.
    pub(crate) offerings: Vec<Arc<OfferingConfig>>,
    pub(crate) records: Records,
    pub(crate) jobs: Jobs,
    pub(crate) bus: Bus,
    pub(crate) nodes: Nodes,
    pub(crate) orphans: OrphanReports,
    pub(crate) cloud_controller: Option<CloudController>,
    pub(crate) adoptions: Adoptions,
    pub(crate) seal_key: SealKey,
    /// What users download; `None` when nothing can be.
    pub(crate) packages: Option<Packages>,
    /// A job that has not ended by then has failed.
    pub(crate) job_life: Duration,
    pub(crate) crash: Crash,
    /// Drained before the process ends.
    pub(crate) tasks: TaskTracker,
}

/// Who wrote an intent, which is what "nobody listens" proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This attempt: no command can have been sent before it.
    Own,
    /// Somebody whose work is gone on with: a command may have reached the node before it went.
    TakenOver,
}

impl Operations {
    /// The offering whose subjects begin with `service`; `None` when this gateway has none.
    pub(crate) fn offering(&self, service: &ServiceName) -> Option<&Arc<OfferingConfig>> {
        self.offerings.iter().find(|offering| offering.service == *service)
    }

    /// The packages of snapshots.
    ///
    /// # Errors
    ///
    /// [`OperationError::NoExtension`] when this gateway has none.
    fn packages(&self) -> Result<&Packages, OperationError> {
        self.packages.as_ref().ok_or(OperationError::NoExtension(Extension::Serialization))
    }

    /// What users upload.
    ///
    /// # Errors
    ///
    /// [`OperationError::NoExtension`] when this gateway takes none.
    fn uploads(&self) -> Result<&Arc<Uploads>, OperationError> {
        let uploads = self.packages()?.uploads.as_ref();
        uploads.ok_or(OperationError::NoExtension(Extension::Serialization))
    }

    /// Refuses at once what could not be carried out.
    fn check_up(&self) -> Result<(), OperationError> {
        if self.bus.is_up() { Ok(()) } else { Err(OperationError::Away) }
    }

    /// The record of an instance of `offering` that is `Ready`.
    ///
    /// # Errors
    ///
    /// [`OperationError::NotFound`], with the words of `missing`, when there is none.
    pub(crate) async fn ready_instance(
        &self,
        offering: &OfferingConfig,
        id: &str,
        missing: impl Fn(&str) -> String,
    ) -> Result<Stored<InstanceRecord>, OperationError> {
        let found = self.instance(offering, id).await?;
        let missing = || OperationError::NotFound(missing(&shown(id)));
        let found = found.ok_or_else(missing)?;
        match found.record.life.phase {
            Phase::Ready => Ok(found),
            Phase::Moving => Err(OperationError::Busy(found.record.id)),
            Phase::Intent | Phase::Deleting | Phase::Tomb => Err(missing()),
        }
    }

    /// [`Self::ready_instance`], if its plan has `extension`.
    ///
    /// # Errors
    ///
    /// [`OperationError::NoExtension`] after [`OperationError::NotFound`], as in the original.
    async fn extended_instance(
        &self,
        offering: &OfferingConfig,
        id: &str,
        extension: Extension,
    ) -> Result<InstanceRecord, OperationError> {
        let found = self.ready_instance(offering, id, bare).await?.record;
        Span::current().record("instance", found.id.as_str());
        Span::current().record("node", found.life.node.as_str());
        let plan = offering.plans.iter().find(|plan| plan.name == found.plan);
        if plan.is_some_and(|plan| plan.extensions.contains(&extension)) {
            Ok(found)
        } else {
            Err(OperationError::NoExtension(extension))
        }
    }

    /// The record of an instance of `offering`; `None` when there is none, or it is another's.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn instance(
        &self,
        offering: &OfferingConfig,
        id: &str,
    ) -> Result<Option<Stored<InstanceRecord>>, StateError> {
        let Ok(id) = InstanceId::new(id) else {
            return Ok(None);
        };
        let found = self.records.instance(&id).await?;
        Ok(found.filter(|stored| stored.record.service == offering.service))
    }
}

/// A text of the caller's as it is shown again in an error: its beginning, without control
/// characters.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    text.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// All of a request's body that has a meaning, for the id that is derived from it: what differs in
/// anything is another order.
fn whole<T: Serialize>(request: &T) -> String {
    serde_json::to_string(request).expect("what was read from JSON can be written as JSON")
}

/// `X`, as in "X not found".
pub(crate) fn bare(id: &str) -> String {
    shown(id)
}

/// `instance_id X`, as in "`instance_id` X not found".
pub(crate) fn instance_id(id: &str) -> String {
    format!("instance_id {}", shown(id))
}

/// `binding_id X`, as in "`binding_id` X not found".
pub(crate) fn binding_id(id: &str) -> String {
    format!("binding_id {}", shown(id))
}

/// The order that goes with a command about an object.
fn order(
    life: &Life,
    instance: &InstanceId,
    binding: Option<&BindingId>,
    patience: Patience,
) -> Order {
    let operation = life.operation.clone();
    Order {
        binding: binding.cloned(),
        traceparent: traceparent(&operation),
        request: Sender::current().request,
        ..Order::of(instance.clone(), operation, life.generation, patience.deadline())
    }
}

/// A W3C trace context whose trace is the operation: all attempts at it are one trace.
fn traceparent(operation: &OperationId) -> String {
    let trace: String = operation.as_str().chars().filter(char::is_ascii_hexdigit).collect();
    let parent = rand::random_range(1..=u64::MAX);
    format!("00-{trace:0>32}-{parent:016x}-01")
}

/// A command to a node of `offering`.
fn command<'a, B>(
    offering: &OfferingConfig,
    operation: Operation,
    node: &NodeId,
    body: &'a B,
    order: &'a Order,
) -> Command<'a, B> {
    let subject = subject::operation(&offering.service, operation, node);
    Command { subject, body, order, peers: offering.peers }
}

/// `answer` of a node about `instance`, which credentials name: classic platforms find an instance
/// by either. An original node names its instances itself.
///
/// Source: reference, sections 1.1 and 3.8.
fn about(peers: Peers, instance: &InstanceId, answer: Answer<Object>) -> Answer<Object> {
    match answer {
        Answer::Done(credentials)
            if peers == Peers::Native && !is_named(&credentials, instance) =>
        {
            let text = "The credentials are those of another instance";
            Answer::Refused(Fault::new(Code::GUEST_FAILED, text))
        }
        Answer::Done(_) | Answer::Refused(_) | Answer::Nobody | Answer::Silent => answer,
    }
}

fn is_named(credentials: &Object, instance: &InstanceId) -> bool {
    credentials.get("name").and_then(|name| name.as_str()) == Some(instance.as_str())
}

/// The credentials in `life`, which stands at `place`; empty when there are none.
fn credentials(seal_key: &SealKey, place: &str, life: &Life) -> Result<Object, SealError> {
    match &life.credentials {
        Some(sealed) => seal_key.open(place, sealed),
        None => Ok(Object::new()),
    }
}

/// What a platform keeps of an instance, beside its credentials.
pub(crate) fn configuration(record: &InstanceRecord) -> Configuration {
    Configuration {
        plan: Some(record.plan.clone()),
        version: Some(record.version.clone()),
        data: None,
    }
}

/// What it keeps of a binding of that instance, made with `options`.
pub(crate) fn with_options(instance: Configuration, options: impl Into<Value>) -> Configuration {
    let data = Object::from_iter([("binding_options".to_owned(), options.into())]);
    Configuration { data: Some(data), ..instance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_after_its_operation() {
        let operation = OperationId::new("fbf7d327-5219-44c3-a83c-a19f24622eba").unwrap();
        let text = traceparent(&operation);
        assert!(text.starts_with("00-fbf7d327521944c3a83ca19f24622eba-"), "{text}");
        assert_eq!(text.len(), 55);
    }

    #[test]
    fn only_credentials_of_the_instance_are_taken() {
        let instance = InstanceId::new("d1").unwrap();
        let answered = |peers, text: &str| {
            let credentials = serde_json::from_str(text).unwrap();
            match about(peers, &instance, Answer::Done(credentials)) {
                Answer::Done(_) => 0,
                Answer::Refused(fault) => fault.msg.code,
                Answer::Nobody | Answer::Silent => panic!("there was an answer"),
            }
        };
        assert_eq!(answered(Peers::Native, r#"{"name":"d1"}"#), 0);
        for wrong in ["{}", r#"{"name":"d2"}"#, r#"{"name":["d1"]}"#] {
            assert_eq!(answered(Peers::Native, wrong), 30512, "{wrong}");
            assert_eq!(answered(Peers::Original, wrong), 0, "{wrong}");
        }
    }

    #[test]
    fn a_long_name_is_shown_in_part() {
        assert_eq!(shown(&"x".repeat(500)).len(), 80);
    }
}
