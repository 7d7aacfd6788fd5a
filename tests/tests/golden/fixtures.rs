//! The 225 examples of the original's messages: each is read, written again, and is the same.
//!
//! `null` and an absent field mean the same (reference, section 0.4). A fixture without a row here
//! fails, and so does a row without a fixture. Types that gateway and nodes use are those of
//! `tenon-protocol`; `contract.rs` has the others.

use std::collections::BTreeMap;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenon_protocol::fault::FaultText;
use tenon_protocol::job::JobView;
use tenon_protocol::message::{
    Announcement, BindHandleRequest, BindRequest, CredentialsReply, DiscoverRequest, Handle,
    HandleList, HandlePair, NodeHandlesReport, OfferingNotice, ProvisionRequest,
    ProvisionServiceRequest, PurgeOrphanRequest, Reply, RestoreRequest, ServiceResponse,
    SnapshotView, UnbindHandleRequest, UnbindRequest, UnprovisionRequest, UpdateReply,
};
use tenon_protocol::subject::{self, Operation};
use tenon_protocol::{NodeId, ServiceName};

use super::contract::broker::{BrokeredOffering, ProxiedServices};
use super::contract::cloud_controller as cc;
use super::contract::config::{GatewayFile, LocalRecord, NodeFile};
use super::contract::credentials::{Filesystem, FilesystemHandle, Server, SshFilesystem};
use super::contract::errors::{CatalogueRow, ErrorBody};
use super::contract::gateway as gw;
use super::contract::resque as redis;
use super::contract::serialization as sds;
use super::contract::varz::{Component, GatewayVarz, NodeVarz};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/fixtures");

/// Reads a message and writes it again.
type Codec = fn(&Value) -> Result<Value, serde_json::Error>;

/// Which fixtures are of which type: ids, or beginnings of ids that end in `*`. The first row that
/// fits counts.
const TYPES: &[(&str, Codec)] = &[
    // Errors.
    ("gw-1.00-error-body-2013-08.response", again::<ErrorBody>),
    ("gw-*.error-*", again::<FaultText>),
    ("cc-*.error-*", again::<FaultText>),
    ("cc-2.3.2-unauthorized.response", again::<FaultText>),
    ("errors-7-catalogue", again::<Vec<CatalogueRow>>),
    // A cloud controller, and an operator, to a gateway.
    ("gw-1.01-provision.request", again::<ProvisionServiceRequest>),
    ("gw-1.01-provision-legacy2012.request", again::<gw::ProvisionOf2012>),
    ("gw-1.01-provision.response", again::<ServiceResponse>),
    ("gw-1.02-unprovision.re*", again::<gw::Nothing>),
    ("gw-1.03-bind.request", again::<BindHandleRequest>),
    ("gw-1.03-bind-readonly.request", again::<BindHandleRequest>),
    ("gw-1.03-bind.response", again::<ServiceResponse>),
    ("gw-1.04-unbind.request", again::<UnbindHandleRequest>),
    ("gw-1.04-unbind.response", again::<gw::Nothing>),
    ("gw-1.05-create-snapshot.response", again::<JobView>),
    ("gw-1.06-get-snapshot.response", again::<SnapshotView>),
    ("gw-1.07-update-snapshot-name.request", again::<gw::Name>),
    ("gw-1.07-update-snapshot-name.response", again::<gw::Nothing>),
    ("gw-1.08-list-snapshots.response", again::<gw::Snapshots>),
    ("gw-1.09-rollback-snapshot.response", again::<JobView>),
    ("gw-1.10-delete-snapshot.response", again::<JobView>),
    ("gw-1.11-create-serialized-url.response", again::<JobView>),
    ("gw-1.12-get-serialized-url.response", again::<gw::Location>),
    ("gw-1.13-import-from-url.request", again::<gw::Location>),
    ("gw-1.13-import-from-url.response", again::<JobView>),
    ("gw-1.14-job-details.response-*", again::<JobView>),
    ("gw-1.15-restore.request", again::<RestoreRequest>),
    ("gw-1.15-restore.response", again::<gw::Nothing>),
    ("gw-1.16-recover.request", again::<RestoreRequest>),
    ("gw-1.16-recover.response", again::<gw::Nothing>),
    ("gw-1.17-check-orphan.re*", again::<gw::Nothing>),
    ("gw-1.18-purge-orphan.request", again::<gw::PurgeOrphan>),
    ("gw-1.18-purge-orphan.response", again::<gw::Nothing>),
    ("gw-1.19-migrate-*.request", again::<()>),
    ("gw-1.19-migrate-*.response", again::<bool>),
    ("gw-1.20-node-instances.response", again::<Vec<String>>),
    ("gw-1.21-create-snapshot-v2.request", again::<gw::Name>),
    ("gw-1.21-create-snapshot-v2.response", again::<gw::SnapshotV2>),
    ("gw-1.21-list-snapshots-v2.response", again::<gw::SnapshotsV2>),
    ("gw-1.22-import-from-data-2012.request", again::<gw::SerializedData>),
    ("gw-1.22-import-from-data-2012.response", again::<JobView>),
    ("gw-2.3.6-handles-v2-internal", again::<cc::Handles>),
    // What is asked without a word.
    ("gw-*.request", again::<gw::Nothing>),
    // A gateway, and others, to a cloud controller and its UAA.
    ("cc-2.2.1-heartbeat-v1-plan-details.request", again::<gw::DetailedNotice>),
    ("cc-2.2.1-heartbeat-v1.request", again::<OfferingNotice>),
    ("cc-2.2.2-deactivation-v1.request", again::<OfferingNotice>),
    ("cc-2.2.3-fetch-handles-v1.response", again::<HandleList>),
    ("cc-2.2.4-update-handle-v1.request", again::<Handle>),
    ("cc-2.2.5-proxied-list.response", again::<ProxiedServices>),
    ("cc-2.2.*.response", again::<gw::Nothing>),
    ("cc-2.3.1-service-auth-token.request", again::<cc::ServiceAuthToken>),
    ("cc-2.3.1-service-auth-token.response", again::<cc::Resource<cc::ServiceAuthToken>>),
    ("cc-2.3.3-list-plans.response", again::<cc::Page<cc::Plan>>),
    ("cc-2.3.3-list-services-*.response", again::<cc::Page<cc::Service>>),
    ("cc-2.3.5-*-plan.request", again::<cc::PlanOrder>),
    ("cc-2.3.5-*-plan.response", again::<cc::Resource<cc::Plan>>),
    ("cc-2.3.5-*-service.request", again::<cc::ServiceOrder>),
    ("cc-2.3.5-*-service.response", again::<cc::Resource<cc::Service>>),
    ("cc-2.3.6-list-bindings.response", again::<cc::Page<cc::Binding>>),
    ("cc-2.3.6-list-instances.response", again::<cc::Page<cc::Instance>>),
    ("cc-2.3.7-*.request", again::<cc::HandleUpdate>),
    ("cc-2.3.7-*.response", again::<gw::Nothing>),
    ("cc-2.4-create-service-instance.request", again::<cc::InstanceOrder>),
    ("cc-2.4-create-service-instance.response", again::<cc::Resource<cc::Instance>>),
    ("cc-*.request", again::<()>),
    ("dea-2.4-start-message-services", again::<cc::StartMessage>),
    ("uaa-2.3.2-token.request", again::<cc::TokenForm>),
    ("uaa-2.3.2-token.response", again::<()>),
    ("broker-1.24-offering.request", again::<BrokeredOffering>),
    ("broker-1.24-offering.response", again::<gw::Nothing>),
    // Between gateway and nodes.
    ("nats-3.1-discover", again::<String>),
    ("nats-3.1-discover-plan", again::<DiscoverRequest>),
    ("nats-3.1-handles.request", again::<String>),
    ("nats-3.1-handles.reply", again::<Vec<Handle>>),
    ("nats-3.1-update-service-handle.request", again::<Handle>),
    ("nats-3.1-update-service-handle.reply", again::<bool>),
    ("nats-3.2-provision*.request", again::<ProvisionRequest>),
    ("nats-3.2-provision*.reply-*", again::<CredentialsReply>),
    ("nats-3.2-unprovision.request", again::<UnprovisionRequest>),
    ("nats-3.2-bind*.request", again::<BindRequest>),
    ("nats-3.2-bind.reply-*", again::<CredentialsReply>),
    ("nats-3.2-unbind.request", again::<UnbindRequest>),
    ("nats-3.2-restore.request", again::<RestoreRequest>),
    ("nats-3.2-*.reply-*", again::<Reply>),
    ("nats-3.3-announce*", again::<Announcement>),
    ("nats-3.7-check-orphan", again::<String>),
    ("nats-3.7-node-handles*", again::<NodeHandlesReport>),
    ("nats-3.7-purge-orphan", again::<PurgeOrphanRequest>),
    ("nats-4.7-*.request", again::<HandlePair>),
    ("nats-4.7-update_instance.reply-*", again::<UpdateReply>),
    ("nats-4.7-*.reply-*", again::<Reply>),
    // Processes, of themselves.
    ("nats-4.5-component-discover.request", again::<String>),
    ("nats-4.5-component-*", again::<Component>),
    ("varz-4.5-gateway.request", again::<()>),
    ("varz-4.5-gateway.response", again::<GatewayVarz>),
    ("varz-5.9-node.response", again::<NodeVarz>),
    ("healthz-4.5.response", again::<String>),
    ("config-4.2-gateway-v2", again::<GatewayFile>),
    ("config-4.4-node", again::<NodeFile>),
    ("record-5.1-provisioned-service", again::<LocalRecord>),
    // Redis, packages, the serialization data server.
    ("redis-6.2-queue-entry*", again::<redis::QueueEntry>),
    ("redis-6.2-snapshot-v2-record", again::<gw::SnapshotV2>),
    ("redis-6.2-snapshot-record*", again::<redis::SnapshotRecord>),
    ("redis-6.2-status-*", again::<redis::JobStatus>),
    ("redis-6.3-lock", again::<redis::Expiry>),
    ("redis-6.7-purge-queue-entry", again::<sds::PurgeEntry>),
    ("redis-6.7-uploaded-file", again::<sds::UploadedFile>),
    ("file-6.5-package", again::<redis::Package>),
    ("nats-6.7-router-start", again::<sds::RouterStart>),
    ("nats-6.7-router-*", again::<sds::Registration>),
    ("sds-6.7-download.re*", again::<()>),
    ("sds-6.7-upload.request", again::<sds::Upload>),
    ("sds-6.7-upload.response", again::<gw::Location>),
    // Credentials of other services.
    ("credentials-9.1-filesystem-nfs", again::<FilesystemHandle>),
    ("credentials-9.1-filesystem-local", again::<Filesystem>),
    ("credentials-9.2-filesystem-stackato", again::<SshFilesystem>),
    ("credentials-*", again::<Server>),
];

#[test]
fn every_message_of_the_original_is_read_and_written_as_it_was() {
    let mut problems = Vec::new();
    let mut used = vec![false; TYPES.len()];
    let all = fixtures();
    for fixture in &all {
        let Some((at, codec)) = codec_of(&fixture.id) else {
            problems.push(format!("{}: no type reads it", fixture.id));
            continue;
        };
        used.iter_mut().skip(at).take(1).for_each(|used| *used = true);
        let message = fixture.message();
        match codec(message) {
            Ok(written) if without_nulls(&written) == without_nulls(message) => {}
            Ok(written) => problems.push(format!("{}: {message} became {written}", fixture.id)),
            Err(error) => problems.push(format!("{}: {error}", fixture.id)),
        }
    }
    let unused = TYPES.iter().zip(used).filter(|(_, used)| !used);
    problems.extend(unused.map(|((pattern, _), _)| format!("{pattern}: no such fixture")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(all.len(), 225);
}

/// Subjects that neither gateway nor node of ours speaks on, and who does.
const FOREIGN: [(&str, &str); 3] = [
    ("router.", "router and serialization data server"),
    ("MyaaS.update_service_handle", "a migration tool of 2011"),
    ("MyaaS.handles", "the same"),
];

#[test]
fn every_subject_of_the_original_is_one_of_ours() {
    let mut problems = Vec::new();
    for fixture in fixtures() {
        let Some(subject) = &fixture.subject else { continue };
        let is_foreign = FOREIGN.iter().any(|(begin, _)| subject.starts_with(begin));
        if !is_foreign && !subject.starts_with("_INBOX.") && !is_ours(subject) {
            problems.push(format!("{}: nobody listens to {subject}", fixture.id));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whether `tenon-protocol` spells `subject` so.
fn is_ours(subject: &str) -> bool {
    let (service, rest) = subject.split_once('.').expect("two tokens");
    let name = ServiceName::new(service).expect("a service");
    let mut spelt = vec![
        subject::discover(&name),
        subject::announce_shared(&name),
        subject::check_orphan(&name),
        subject::node_handles_shared(&name),
    ];
    spelt.extend(["vcap.component.announce", "vcap.component.discover"].map(str::to_owned));
    if let Some((_, node)) = rest.split_once('.') {
        let node = NodeId::new(node).expect("a node");
        let of = |operation| subject::operation(&name, operation, &node);
        spelt.extend(Operation::ALL.into_iter().map(of));
    }
    spelt.iter().any(|one| one == subject)
}

#[test]
fn patterns_name_whole_ids() {
    assert!(fits("a-*.request", "a-b.c.request"));
    assert!(fits("a*", "a"));
    assert!(!fits("a.request", "a.request-2"));
    assert!(!fits("a-*-b", "a-b"));
    assert!(!fits("a*.b*", "a.c"));
}

/// One example.
#[derive(Deserialize)]
pub(crate) struct Fixture {
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Fixture {
    /// What is said: a body, a payload, a form, a value of a store.
    pub(crate) fn message(&self) -> &Value {
        let parts = ["body", "payload", "body_text", "payload_text", "form", "value", "entries"];
        let found = parts.into_iter().find_map(|part| self.rest.get(part));
        found.unwrap_or(&Value::Null)
    }
}

/// All that the index lists.
pub(crate) fn fixtures() -> Vec<Fixture> {
    #[derive(Deserialize)]
    struct Index {
        fixtures: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        file: String,
    }
    let dir = Dir::open_ambient_dir(DIR, ambient_authority()).expect("the fixtures are there");
    let index: Index = read(&dir, "index.json");
    let fixture = |entry: Entry| {
        let fixture: Fixture = read(&dir, &entry.file);
        assert_eq!(fixture.id, entry.id, "{}", entry.file);
        fixture
    };
    index.fixtures.into_iter().map(fixture).collect()
}

fn read<T: DeserializeOwned>(dir: &Dir, file: &str) -> T {
    let text = dir.read_to_string(file).expect("it is in the index");
    serde_json::from_str(&text).expect("it is JSON of this shape")
}

/// What reads and writes the fixture `id`, and its row.
fn codec_of(id: &str) -> Option<(usize, Codec)> {
    let at = TYPES.iter().position(|(pattern, _)| fits(pattern, id))?;
    TYPES.get(at).map(|(_, codec)| (at, *codec))
}

/// Reads a message as the type of the fixture `id`, and writes it.
pub(crate) fn read_as(id: &str, message: &Value) -> Result<Value, serde_json::Error> {
    let (_, codec) = codec_of(id).expect("every fixture has a type");
    codec(message)
}

/// Reads `message` as a `T` and writes it.
fn again<T: serde::Serialize + DeserializeOwned>(
    message: &Value,
) -> Result<Value, serde_json::Error> {
    serde_json::to_value(T::deserialize(message)?)
}

/// Whether `id` is one of `pattern`, in which `*` stands for anything.
pub(crate) fn fits(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == id,
        Some((begin, rest)) => id.strip_prefix(begin).is_some_and(|id| {
            (0..=id.len()).any(|at| id.get(at..).is_some_and(|id| fits(rest, id)))
        }),
    }
}

/// A field that is null is not there.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
