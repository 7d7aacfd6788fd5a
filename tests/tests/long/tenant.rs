//! Somebody with a few instances, who does one thing after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join;
use tenon_protocol::SnapshotId;
use tenon_protocol::job::{JobStatus, JobView};
use tenon_protocol::message::Object;
use tenon_tests::{HarnessError, Operator, Platform, wait_until};
use tokio::time::{Instant, timeout};

use super::ask::{Attempt, Client, End};
use super::data::{self, Trouble};
use super::dice::Dice;
use super::told::Told;

/// Instances of one tenant.
const MOST: usize = 4;
/// A move with deaths in it ends by then.
const MOVE: Duration = Duration::from_secs(150);
/// "This request made it before, and it was removed": it is not there, for certain.
const REMOVED: u64 = 30301;
const NOT_FOUND: u64 = 30300;

/// A tenant of one offering.
pub(crate) struct Tenant {
    name: String,
    offering: &'static str,
    nodes: Vec<String>,
    operators: Vec<Operator>,
    client: Client,
    second: Client,
    dice: Dice,
    number: u64,
    told: Told,
    /// Of an instance: what stood in it.
    snapshots: BTreeMap<String, Vec<(SnapshotId, u64)>>,
}

impl Tenant {
    pub(crate) fn new(
        platform: &Platform,
        (name, offering): (String, &'static str),
        mut dice: Dice,
    ) -> Self {
        let file = platform.dev_file().unwrap();
        let numbers = 1..=file.gateways.len();
        let gateways: Vec<_> =
            numbers.clone().map(|n| platform.classic_at(n, offering).unwrap()).collect();
        let nodes = file.nodes.iter().filter(|node| node.offering == offering);
        Self {
            name,
            offering,
            nodes: nodes.map(|node| node.id.clone()).collect(),
            operators: numbers.map(|number| platform.operator(number).unwrap()).collect(),
            client: Client::new(gateways.clone(), dice.apart()),
            second: Client::new(gateways, dice.apart()),
            dice,
            number: 0,
            told: Told::default(),
            snapshots: BTreeMap::new(),
        }
    }

    /// Does things until `end`, and finishes what it began.
    pub(crate) async fn live(mut self, end: Instant) -> Told {
        while Instant::now() < end {
            self.act().await;
        }
        for client in [self.client, self.second] {
            self.told.complaints.extend(client.complaints);
            self.told.answers += client.answers;
        }
        self.told
    }

    async fn act(&mut self) {
        let living: Vec<String> = self.told.living.keys().cloned().collect();
        if living.is_empty() {
            return self.provision().await;
        }
        let id = self.dice.one_of(&living).clone();
        match self.dice.below(22) {
            0..=2 if living.len() < MOST => self.provision().await,
            0..=3 => self.order_and_go().await,
            4..=6 => self.bind(&id).await,
            7 | 8 => self.unbind(&id).await,
            9 => self.unprovision(&id).await,
            10..=13 => self.write(&id).await,
            14 | 15 => drop(self.read(&id).await),
            16 | 17 => self.take_snapshot(&id).await,
            18 | 19 => self.roll_back(&id).await,
            _ => self.relocate(&id).await,
        }
    }

    fn request(&mut self) -> String {
        self.number += 1;
        format!("{}-{}", self.name, self.number)
    }

    /// Now and then two ask for the same at once.
    async fn provision(&mut self) {
        let request = self.request();
        let call = async |classic: &tenon_tests::Classic| classic.provision().await;
        let first = self.client.asks(&request, call);
        let (first, second) = if self.dice.falls(20) {
            let (first, second) = join(first, self.second.asks(&request, call)).await;
            (first, Some(second))
        } else {
            (first.await, None)
        };
        if let (End::Done(first), Some(End::Done(second))) = (&first, &second)
            && (&first.service_id, &first.credentials) != (&second.service_id, &second.credentials)
        {
            self.told.complains(format!("{request}: two answers"));
        }
        match (first, second) {
            (End::Done(made), _) => self.told.made(self.offering, &request, &made),
            (End::Refused(refusal, _), None | Some(End::Refused(..)))
                if refusal.code == REMOVED => {}
            (End::Unknown, _) => {}
            (other, second) => {
                let (first, second) = (other.shown(), second.map(|second| second.shown()));
                self.told.complains(format!("{request}: {first}, and its double: {second:?}"));
            }
        }
    }

    /// An order of somebody who does not wait for the answer.
    async fn order_and_go(&mut self) {
        let request = self.request();
        let classic = self.dice.one_of(&self.client.gateways).asking_as(&request);
        let patience = Duration::from_millis(self.dice.below(200) as u64);
        if let Ok(Ok(made)) = timeout(patience, classic.provision()).await {
            self.told.made(self.offering, &request, &made);
        }
    }

    async fn bind(&mut self, id: &str) {
        let request = self.request();
        match self.client.asks(&request, async |classic| classic.bind(id).await).await {
            End::Done(made) => self.told.bound(id, &request, &made),
            End::Refused(refusal, _) if refusal.code == REMOVED => {}
            End::Refused(refusal, _) => {
                self.told.complains(format!("{request} of {id}: {refusal}"))
            }
            End::Unknown => {}
        }
    }

    async fn unbind(&mut self, id: &str) {
        let bindings: Vec<String> = self.told.living[id].bindings.keys().cloned().collect();
        if bindings.is_empty() {
            return;
        }
        let binding = self.dice.one_of(&bindings).clone();
        let call = async |classic: &tenon_tests::Classic| classic.unbind(id, &binding).await;
        let request = self.request();
        match self.client.asks(&request, call).await {
            End::Done(()) => self.told.unbound(id, &binding),
            End::Refused(refusal, attempt) => {
                self.expect_gone(&request, &refusal, attempt);
                self.told.unbound(id, &binding);
            }
            End::Unknown => self.told.lost_sight_of_binding(id, &binding),
        }
    }

    async fn unprovision(&mut self, id: &str) {
        let request = self.request();
        match self.client.asks(&request, async |classic| classic.unprovision(id).await).await {
            End::Done(()) => self.told.removed(id),
            End::Refused(refusal, attempt) => {
                self.expect_gone(&request, &refusal, attempt);
                self.told.removed(id);
            }
            End::Unknown => self.told.lost_sight_of(id),
        }
        self.snapshots.remove(id);
    }

    fn expect_gone(&mut self, request: &str, refusal: &tenon_tests::Refusal, attempt: Attempt) {
        if refusal.code != NOT_FOUND || attempt == Attempt::First {
            self.told.complains(format!("{request}: {refusal} ({attempt:?})"));
        }
    }

    /// One of the ways in: the owner's or an application's.
    fn way_in(&mut self, id: &str) -> Object {
        let instance = &self.told.living[id];
        let bindings = instance.bindings.values().map(|binding| &binding.credentials);
        let ways: Vec<&Object> = std::iter::once(&instance.credentials).chain(bindings).collect();
        (*self.dice.one_of(&ways)).clone()
    }

    async fn write(&mut self, id: &str) {
        self.number += 1;
        let (value, way) = (self.number, self.way_in(id));
        match data::write(self.offering, &way, value).await {
            Ok(()) => self.told.wrote(id, value),
            Err(Trouble::Away(_)) => self.told.may_have_written(id, value),
            Err(Trouble::ShutOut(why)) => {
                self.told.complains(format!("{id} cannot be written: {why}"));
            }
        }
    }

    async fn read(&mut self, id: &str) -> Option<u64> {
        let way = self.way_in(id);
        match data::read(self.offering, &way).await {
            Ok(value) => {
                self.told.read(id, value);
                Some(value)
            }
            Err(Trouble::Away(_)) => None,
            Err(Trouble::ShutOut(why)) => {
                self.told.complains(format!("{id} cannot be read: {why}"));
                None
            }
        }
    }

    async fn take_snapshot(&mut self, id: &str) {
        let Some(value) = self.read(id).await else { return };
        let request = self.request();
        let call = async |classic: &tenon_tests::Classic| classic.take_snapshot(id).await;
        let begun = self.client.asks(&request, call).await;
        if let Some(view) = self.job(id, &request, begun).await {
            let result = view.result.unwrap_or_default();
            let snapshot = result["snapshot_id"].as_str().and_then(|id| SnapshotId::new(id).ok());
            match snapshot {
                Some(snapshot) => {
                    self.snapshots.entry(id.to_owned()).or_default().push((snapshot, value));
                }
                None => self.told.complains(format!("{request}: a snapshot has no id: {result}")),
            }
        }
    }

    async fn roll_back(&mut self, id: &str) {
        let Some(known) = self.snapshots.get(id).filter(|known| !known.is_empty()) else { return };
        let (snapshot, value) = self.dice.one_of(known).clone();
        let request = self.request();
        self.told.may_have_written(id, value);
        let call = async |classic: &tenon_tests::Classic| classic.roll_back(id, &snapshot).await;
        let begun = self.client.asks(&request, call).await;
        if self.job(id, &request, begun).await.is_some() {
            self.told.wrote(id, value);
        }
    }

    /// The job when it was completed.
    async fn job(&mut self, id: &str, request: &str, begun: End<JobView>) -> Option<JobView> {
        let begun = match begun {
            End::Done(view) => view,
            End::Refused(refusal, _) => {
                self.told.complains(format!("{request} of {id}: {refusal}"));
                return None;
            }
            End::Unknown => return None,
        };
        let view = self.client.ended(id, &begun).await?;
        if view.status != JobStatus::Completed {
            eprintln!("job {} of {id} ended as {:?}: {:?}", view.job_id, view.status, view.result);
            return None;
        }
        Some(view)
    }

    /// To any node, by an operator. Whatever comes of it, the same credentials or new ones open.
    async fn relocate(&mut self, id: &str) {
        if self.offering != "mysql" {
            return;
        }
        let (operator, node) = (self.dice.one_of(&self.operators), self.dice.one_of(&self.nodes));
        match timeout(Duration::from_secs(30), operator.begin_move(id, node)).await {
            Ok(Ok(_) | Err(HarnessError::Http(_))) => {}
            Ok(Err(error)) => eprintln!("no move of {id}: {error}"),
            Err(_late) => self.told.complains(format!("no answer to the move of {id}")),
        }
        self.stays(id).await;
        let request = self.told.living[id].request.clone();
        let again = self.client.asks(&request, async |classic| classic.provision().await).await;
        let Some(credentials) = self.same(&request, id, again) else { return };
        self.told.living.get_mut(id).unwrap().credentials = credentials;
        let bindings = self.told.living[id].bindings.clone();
        for (name, binding) in bindings {
            let call = async |classic: &tenon_tests::Classic| classic.bind(id).await;
            let again = self.client.asks(&binding.request, call).await;
            if let Some(credentials) = self.same(&binding.request, &name, again) {
                let instance = self.told.living.get_mut(id).unwrap();
                instance.bindings.get_mut(&name).unwrap().credentials = credentials;
            }
        }
    }

    /// Waits until the instance does not move: before, its record may not say yet that it does.
    async fn stays(&mut self, id: &str) {
        let over = wait_until("the end of a move", MOVE, async || {
            for operator in &self.operators {
                match operator.move_step(id).await {
                    Ok(step) => return step.is_final().then_some(()),
                    Err(HarnessError::Refused(refusal)) if refusal.status == 404 => return Some(()),
                    // That gateway is not there, or its bus.
                    Err(_) => {}
                }
            }
            None
        });
        if let Err(error) = over.await {
            self.told.complains(format!("{id}: {error}"));
        }
    }

    fn same(
        &mut self,
        request: &str,
        id: &str,
        again: End<tenon_protocol::message::ServiceResponse>,
    ) -> Option<Object> {
        match again {
            End::Done(made) if made.service_id == id => {
                self.told.sees(&made.credentials);
                Some(made.credentials)
            }
            End::Unknown => None,
            other @ (End::Done(_) | End::Refused(..)) => {
                let other = other.shown();
                self.told.complains(format!("{request}, made again, is not {id}: {other}"));
                None
            }
        }
    }
}
