//! One offering on this node: its configuration, plugin, grants, and what its operations share.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tenon_protocol::chain;
use tenon_protocol::clock::Millis;
use tenon_protocol::complaints::Complaints;
use tenon_protocol::message::Announcement;
use tenon_protocol::{Blame, Fault, InstanceId, NodeId, SealKey, ServiceName};
use tokio::sync::Notify;

use crate::backups::BackupStore;
use crate::config::{OfferingConfig, Peers};
use crate::crash::Crash;
use crate::credentials::Credentials;
use crate::duties::Duties;
use crate::guest::{CallFacts, Called, Grants, GuestCall, GuestFailure, Guests, Plugin, wit};
use crate::ledger::{InstanceEntry, InstancePhase, Ledger, LedgerError, Note};
use crate::locks::Locks;
use crate::quarantine::Quarantine;
use crate::quota::Figures;
use crate::rounds::Rounds;
use crate::snapshots::SnapshotStore;
use crate::steps::Steps;
use crate::store_guard::StoreGuard;

/// Instances looked at in one transaction when capacity is counted at start.
const PAGE: usize = 1_000;

/// One offering, shared by everything that serves it.
pub(crate) struct Offering {
    pub(crate) config: OfferingConfig,
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) guests: Guests,
    pub(crate) ledger: Ledger,
    /// Seals credentials in the ledger.
    pub(crate) key: SealKey,
    pub(crate) locks: Locks,
    pub(crate) steps: Steps,
    /// What was purged and is kept for some time yet.
    pub(crate) quarantine: Quarantine,
    /// Which records this node obeys.
    pub(crate) store: StoreGuard,
    /// What instances use.
    pub(crate) figures: Figures,
    pub(crate) snapshots: Option<SnapshotStore>,
    pub(crate) backups: Option<BackupStore>,
    /// An operator wants a backup of everything, now.
    pub(crate) backup_wanted: Notify,
    pub(crate) crash: Crash,
    /// Capacity or health changed: to be announced.
    pub(crate) changed: Notify,
    pub(crate) used: AtomicI64,
    /// A removal failed: something is left to be finished.
    pub(crate) left_over: AtomicBool,
    /// What the guest's last health check said.
    pub(crate) well: AtomicBool,
    /// The disabled file is there.
    pub(crate) disabled: AtomicBool,
    pub(crate) duties: Duties,
    /// Instances made since the start.
    pub(crate) provision_served: AtomicU64,
    /// Bindings made since the start.
    pub(crate) binding_served: AtomicU64,
    /// What is wrong with requests, and in the log already.
    pub(crate) complaints: Mutex<Complaints<(String, String)>>,
    /// A gateway asked for the classic report of everything that is here.
    pub(crate) report_wanted: Notify,
    /// Looks for what only the service itself has.
    pub(crate) strangers: Rounds<Result<Vec<String>, Fault>>,
}

impl Offering {
    pub(crate) fn service(&self) -> &ServiceName {
        &self.config.service
    }

    pub(crate) fn node(&self) -> &NodeId {
        &self.config.node_id
    }

    /// The word that the original put before "configuration ... not found".
    pub(crate) fn title(&self) -> String {
        let mut chars = self.config.label.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
    }

    /// `Mysql configuration X not found.`
    pub(crate) fn no_instance(&self, id: &InstanceId) -> Fault {
        Fault::node_no_instance(&self.title(), id.as_str())
    }

    /// Instances that still fit; below zero when over-provisioned.
    pub(crate) fn room(&self) -> i64 {
        i64::from(self.config.capacity) - self.used.load(Ordering::Relaxed)
    }

    /// Counts an instance in or out, as its entry changes.
    pub(crate) fn count(&self, before: Option<InstancePhase>, after: InstancePhase) {
        let took = before.is_some_and(InstancePhase::takes_room);
        let takes = after.takes_room();
        if took != takes {
            self.used.fetch_add(if takes { 1 } else { -1 }, Ordering::Relaxed);
            self.changed.notify_one();
        }
    }

    /// Takes room for one more instance before it is known whether it is needed, so that many at
    /// once cannot take the same. `None` when the node is full.
    pub(crate) fn reserve(&self) -> Option<Room<'_>> {
        let before = self.used.fetch_add(1, Ordering::Relaxed);
        let room = Room(self);
        let fits = before < i64::from(self.config.capacity) || self.config.allow_over_provisioning;
        fits.then_some(room)
    }

    /// Counts what the ledger has.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be read.
    pub(crate) fn count_from_ledger(&self) -> Result<(), LedgerError> {
        let mut used = 0;
        self.for_each_instance(|entry| used += i64::from(entry.phase.takes_room()))?;
        self.used.store(used, Ordering::Relaxed);
        Ok(())
    }

    /// Visits every instance of the ledger, page by page.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be read.
    pub(crate) fn for_each_instance(
        &self,
        mut visit: impl FnMut(&InstanceEntry),
    ) -> Result<(), LedgerError> {
        let mut after = None;
        loop {
            let page =
                self.ledger.read(|view| view.instances(self.service(), after.as_ref(), PAGE))?;
            page.iter().for_each(&mut visit);
            after = page.last().map(|last| last.id.clone());
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// What gateways are told; `None` while nothing should be placed here.
    pub(crate) fn announcement(&self) -> Option<Announcement> {
        let disabled = self.disabled.load(Ordering::Relaxed);
        (self.is_well() && !disabled).then(|| Announcement {
            available_capacity: self.room(),
            max_capacity: Some(self.config.capacity.into()),
            capacity_unit: 1,
            id: self.config.node_id.clone(),
            plan: self.config.plan.clone(),
            supported_versions: self.config.versions.clone(),
            snapshots: self.takes_snapshots(),
            closing: false,
        })
    }

    /// Whether requests can be carried out.
    pub(crate) fn is_well(&self) -> bool {
        self.plugin.current().is_some() && self.well.load(Ordering::Relaxed)
    }

    /// What gateways of ours are told once nothing should be placed here any more.
    pub(crate) fn farewell(&self) -> Announcement {
        Announcement {
            available_capacity: 0,
            max_capacity: Some(self.config.capacity.into()),
            capacity_unit: 1,
            id: self.config.node_id.clone(),
            plan: self.config.plan.clone(),
            supported_versions: Vec::new(),
            closing: true,
            snapshots: None,
        }
    }

    /// Whether its guest can take snapshots, and there is a store for them; `None` for gateways
    /// that would not know the word.
    fn takes_snapshots(&self) -> Option<bool> {
        match self.config.peers {
            Peers::Original => None,
            Peers::Native => {
                let current = self.plugin.current();
                let offers = current.is_some_and(|generation| generation.offers_snapshots());
                Some(offers && self.snapshots.is_some())
            }
        }
    }

    /// Calls the guest.
    ///
    /// # Errors
    ///
    /// [`GuestFailure`], which is in the log already, at the level of its blame.
    pub(crate) async fn call<C: GuestCall>(
        &self,
        facts: &CallFacts,
        call: C,
    ) -> Result<Called<C::Output>, GuestFailure> {
        let result = self.guests.call(&self.plugin, &self.grants, facts, call).await;
        if let Err(failure) = &result {
            self.log_failure(C::NAME, &facts.subject, failure);
        }
        result
    }

    fn log_failure(&self, operation: &str, subject: &str, failure: &GuestFailure) {
        let (offering, blame) = (&self.config.label, failure.blame());
        match blame {
            Blame::Caller => {
                tracing::debug!(offering, operation, subject, ?blame, %failure, "refused");
            }
            Blame::Guest | Blame::Platform => {
                tracing::warn!(offering, operation, subject, ?blame, %failure, "failed");
            }
            Blame::Host => {
                tracing::error!(offering, operation, subject, ?blame, %failure, "failed");
            }
        }
    }

    /// Writes an intent.
    ///
    /// For a gateway of ours it need not be durable before the deed: its own record is, and it
    /// asks this node again, or to remove, whatever the node remembers. For others it must be.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it will not be written; nothing may be begun then.
    pub(crate) async fn intend(&self, recorded: bool, note: Note) -> Result<(), LedgerError> {
        if recorded { self.ledger.note(note).await } else { self.ledger.put(note).await }
    }

    /// How an instance is named to the guest.
    pub(crate) fn instance_ref(&self, entry: &InstanceEntry) -> wit::InstanceRef {
        wit::InstanceRef {
            id: entry.id.to_string(),
            plan: entry.plan.clone(),
            version: entry.version.clone(),
        }
    }

    /// Opens sealed credentials of the ledger.
    ///
    /// # Errors
    ///
    /// `Internal Error`, with the cause in the log: the key was changed, or the ledger damaged.
    pub(crate) fn open(
        &self,
        place: &str,
        sealed: Option<&tenon_protocol::Sealed>,
    ) -> Result<Credentials, Fault> {
        let sealed = sealed.ok_or_else(Fault::internal)?;
        self.key.open(place, sealed).map_err(|error| {
            tracing::error!(place, error = %chain(&error), "credentials of the ledger cannot be opened");
            Fault::internal()
        })
    }
}

/// Room for one instance. Dropped, it is free again.
pub(crate) struct Room<'a>(&'a Offering);

impl Room<'_> {
    /// The instance is there now.
    pub(crate) fn keep(self) {
        self.0.changed.notify_one();
        std::mem::forget(self);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the ledger's error becomes outside: writes fail closed, and the platform may retry.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(crate) fn ledger_fault(error: LedgerError) -> Fault {
    tracing::error!(error = %chain(&error), "the ledger failed");
    Fault::unavailable()
}

/// Facts of a call that an order asks for.
pub(crate) fn facts(order: &tenon_protocol::Order) -> CallFacts {
    let deadline: Option<Millis> = Some(order.deadline);
    CallFacts {
        operation: order.operation.clone(),
        deadline,
        traceparent: order.traceparent.clone(),
        ..CallFacts::internal(order.instance.as_str())
    }
}
