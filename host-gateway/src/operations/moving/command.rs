//! Commands of a move to nodes.

use tenon_protocol::message::{
    BindRequest, CredentialsReply, Handle, Object, ProvisionRequest, Reply, RestoreRequest,
    UpdateReply,
};
use tenon_protocol::record::{InstanceRecord, MoveKind, MoveRecord};
use tenon_protocol::subject::Operation;
use tenon_protocol::{BindingId, NodeId};

use super::asking::{Asking, Outcome};
use super::handles::instance_handle;
use super::switch::follow_all;
use super::{Handles, Held, handles, pair};
use crate::config::{OfferingConfig, Peers};
use crate::operations::{OperationError, Operations};

/// What a node does with all of an instance, and answers with yes or no.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    /// The old node revokes all access, and writes the data into the snapshot store.
    Disable,
    /// The target makes the instance from that data.
    Import,
    /// The old node gives access back.
    Enable,
}

impl Deed {
    /// The command, the node that is given it, and the point at which the process may die over it.
    fn order(self, MoveRecord { from, to, .. }: &MoveRecord) -> (Operation, NodeId, &'static str) {
        match self {
            Self::Disable => (Operation::DisableInstance, from.clone(), "move.away-asking"),
            Self::Import => (Operation::ImportInstance, to.clone(), "move.load-asking"),
            Self::Enable => (Operation::EnableInstance, from.clone(), "move.return-asking"),
        }
    }
}

/// Has `deed` done.
pub(super) async fn have_done(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
    deed: Deed,
) -> Result<Outcome<()>, OperationError> {
    let (operation, node, crash) = deed.order(held.record());
    let pair = pair(ops, offering, record).await?;
    let asking = Asking::of(ops, offering, record, operation, &node);
    asking.within_step::<_, Reply>(&pair, held, crash).await
}

/// The target makes the instance with the credentials that it had, and loads a backup.
pub(super) async fn rebuild(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
    backup_path: String,
) -> Result<Outcome<()>, OperationError> {
    let to = held.record().to.clone();
    // An original node that makes an instance twice destroys it.
    if held.record().credentials.is_none() {
        let body = ProvisionRequest {
            plan: record.plan.clone(),
            credentials: Some(instance_handle(ops, record)?.credentials),
            version: Some(record.version.clone()),
        };
        let asking = Asking::of(ops, offering, record, Operation::Provision, &to);
        let made = asking.within_step::<_, CredentialsReply>(&body, held, "move.load-asking");
        match made.await? {
            Outcome::Done(credentials) => held.learn(ops, &credentials).await?,
            Outcome::Failed(fault) => return Ok(Outcome::Failed(fault)),
        }
    }
    let body = RestoreRequest { instance_id: record.id.to_string(), backup_path };
    let asking = Asking::of(ops, offering, record, Operation::Restore, &to);
    asking.within_step::<_, Reply>(&body, held, "move.load-asking").await
}

/// The target makes the accounts of all bindings; all handles as they are then.
pub(super) async fn update(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<Outcome<Vec<Handle>>, OperationError> {
    let to = held.record().to.clone();
    if offering.peers == Peers::Original && held.record().kind != MoveKind::Migrate {
        return rebind(ops, offering, record, held).await;
    }
    let asking = Asking::of(ops, offering, record, Operation::UpdateInstance, &to);
    each_page(&asking, held, "move.adopt-asking").await
}

/// Tells a node of all bindings, page by page. One of ours takes the instance as complete with the
/// last page, which comes after it has answered the others.
async fn each_page(
    asking: &Asking<'_>,
    held: &mut Held,
    crash: &str,
) -> Result<Outcome<Vec<Handle>>, OperationError> {
    let mut all = Vec::new();
    for page in asking.pages().await? {
        match asking.within_step::<_, UpdateReply>(&page, held, crash).await? {
            // Each page begins with the instance.
            Outcome::Done(handles) if all.is_empty() => all = handles,
            Outcome::Done(handles) => all.extend(handles.into_iter().skip(1)),
            Outcome::Failed(fault) => return Ok(Outcome::Failed(fault)),
        }
        held.renew(asking.ops).await?;
    }
    Ok(Outcome::Done(all))
}

/// The bindings whose records name the target already are the old node's again: only it can tell
/// where they reach it.
///
/// # Errors
///
/// [`OperationError`]; it is repeated whole.
pub(super) async fn stay(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<(), OperationError> {
    let home = record.life.node.clone();
    let bindings = ops.records.bindings(&record.id).await?;
    if bindings.iter().all(|binding| binding.record.life.node == home) {
        return Ok(());
    }
    let asking = Asking::of(ops, offering, record, Operation::UpdateInstance, &home);
    match each_page(&asking, held, "move.return-asking").await? {
        Outcome::Done(handles) => {
            let bindings = Handles::of(handles)?.bindings;
            held.during(ops, follow_all(ops, &record.id, &home, bindings)).await
        }
        Outcome::Failed(fault) => Err(OperationError::Node { node: home, fault }),
    }
}

/// An original node that recovers an instance is told of each binding by itself.
async fn rebind(
    ops: &Operations,
    offering: &OfferingConfig,
    record: &InstanceRecord,
    held: &mut Held,
) -> Result<Outcome<Vec<Handle>>, OperationError> {
    let to = held.record().to.clone();
    let Handles { instance, bindings } = handles(ops, record).await?;
    let credentials = held.learnt(ops)?;
    let mut handles = vec![Handle { credentials, ..instance }];
    for handle in bindings {
        let body = BindRequest {
            name: record.id.to_string(),
            bind_opts: options_of(&handle),
            credentials: Some(handle.credentials.clone()),
        };
        let mut asking = Asking::of(ops, offering, record, Operation::Bind, &to);
        asking.binding = BindingId::new(handle.service_id.as_str()).ok();
        match asking.within_step::<_, CredentialsReply>(&body, held, "move.adopt-asking").await? {
            Outcome::Done(credentials) => handles.push(Handle { credentials, ..handle }),
            Outcome::Failed(fault) => return Ok(Outcome::Failed(fault)),
        }
    }
    Ok(Outcome::Done(handles))
}

fn options_of(handle: &Handle) -> Option<Object> {
    let data = handle.configuration.data.as_ref()?;
    data.get("binding_options")?.as_object().cloned()
}
