//! Somebody with a few instances, who does one thing after the other.

#[path = "tenant/moves.rs"]
mod moves;
#[path = "tenant/snapshots.rs"]
mod snapshots;

use std::time::Duration;

use futures_util::future::join;
use tenon_protocol::message::{Handle, Object, ServiceResponse};
use tenon_tests::{Classic, Control, Operator, Platform};
use tokio::time::{Instant, timeout};

use super::ask::{Attempt, Client, End};
use super::data::{self, Trouble};
use super::dice::Dice;
use super::told::Told;

/// Instances of one tenant.
const MOST: usize = 4;
/// "This request made it before, and it was removed": it is not there, for certain.
const REMOVED: u64 = 30301;
const NOT_FOUND: u64 = 30300;

/// A tenant of one offering.
pub(crate) struct Tenant<'a> {
    platform: &'a Platform,
    /// Of the cloud controller, which keeps what the tenant is given.
    control: Control,
    name: String,
    offering: &'static str,
    nodes: Vec<String>,
    operators: Vec<Operator>,
    client: Client,
    second: Client,
    dice: Dice,
    number: u64,
    told: Told,
}

impl<'a> Tenant<'a> {
    pub(crate) fn new(
        platform: &'a Platform,
        (name, offering): (String, &'static str),
        mut dice: Dice,
    ) -> Self {
        let file = platform.dev_file().unwrap();
        let numbers = 1..=file.gateways.len();
        let gateways: Vec<_> =
            numbers.clone().map(|n| platform.classic_at(n, offering).unwrap()).collect();
        let nodes = file.nodes.iter().filter(|node| node.offering == offering);
        Self {
            platform,
            control: platform.control().unwrap(),
            name,
            offering,
            nodes: nodes.map(|node| node.id.clone()).collect(),
            operators: numbers.map(|number| platform.operator(number).unwrap()).collect(),
            client: Client::new(gateways.clone(), dice.apart()),
            second: Client::new(gateways, dice.apart()),
            dice,
            number: 0,
            told: Told::default(),
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
        match self.dice.below(100) {
            0..=11 if living.len() < MOST => self.provision().await,
            0..=14 => self.order_and_go().await,
            15..=25 => self.bind(&id).await,
            26..=33 => self.unbind(&id).await,
            34..=38 => self.unprovision(&id).await,
            39..=53 => self.write(&id).await,
            54..=59 => drop(self.read(&id).await),
            60..=65 => self.take_snapshot(&id).await,
            66..=68 => self.take_snapshot_v2(&id).await,
            69..=76 => self.roll_back(&id).await,
            77..=79 => self.name_snapshot(&id).await,
            80..=82 => self.delete_snapshot(&id).await,
            83..=85 => self.hand_over(&id).await,
            86..=88 => self.order_again(&id).await,
            89..=92 => self.relocate(&id).await,
            93..=96 => self.relocate_by_tool(&id).await,
            _ => self.recover(&id).await,
        }
    }

    fn request(&mut self) -> String {
        self.number += 1;
        format!("{}-{}", self.name, self.number)
    }

    /// Now and then two ask for the same at once.
    async fn provision(&mut self) {
        let request = self.request();
        let call = async |classic: &Classic| classic.provision().await;
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
            (End::Done(made), _) => self.made(&request, &made).await,
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
            self.made(&request, &made).await;
        }
    }

    async fn made(&mut self, request: &str, made: &ServiceResponse) {
        self.told.made(self.offering, request, made);
        self.keep(made).await;
    }

    /// What a cloud controller does with an answer.
    async fn keep(&self, made: &ServiceResponse) {
        let ServiceResponse { service_id, configuration, credentials, .. } = made.clone();
        let handle = Handle { service_id, configuration, credentials };
        self.control.put_handle(self.offering, &handle).await.unwrap();
    }

    async fn forget(&self, id: &str) {
        self.control.remove_handle(self.offering, id).await.unwrap();
    }

    /// What its cloud controller would still name, when nobody knows whether it is there.
    async fn forget_all(&self, id: &str) {
        let bindings = self.told.living[id].bindings.keys();
        for id in bindings.map(String::as_str).chain([id]) {
            self.forget(id).await;
        }
    }

    async fn bind(&mut self, id: &str) {
        let request = self.request();
        match self.client.asks(&request, async |classic| classic.bind(id).await).await {
            End::Done(made) => {
                self.told.bound(id, &request, &made);
                self.keep(&made).await;
            }
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
        let call = async |classic: &Classic| classic.unbind(id, &binding).await;
        let request = self.request();
        self.forget(&binding).await;
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
        self.forget_all(id).await;
        match self.client.asks(&request, async |classic| classic.unprovision(id).await).await {
            End::Done(()) => self.told.removed(id),
            End::Refused(refusal, attempt) => {
                self.expect_gone(&request, &refusal, attempt);
                self.told.removed(id);
            }
            End::Unknown => self.told.lost_sight_of(id),
        }
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
}
