//! An operator who looks for orphans, and removes what he finds: some are made on purpose.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::InstanceId;
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Handle, ServiceResponse};
use tenon_tests::{Classic, HarnessError, Operator, Platform, wait_until};
use tokio::time::{Instant, sleep};

use super::ask::{Client, End};
use super::dice::Dice;
use super::told::Told;

/// Longest rest between two rounds, in milliseconds.
const REST: usize = 4_000;
/// A report is there by then, and a record can be lost.
const REPORT: Duration = Duration::from_secs(120);
/// "It was ordered": it is no orphan.
const ORDERED: u64 = 30301;
/// The list names a node that is away.
const NOT_THERE: u64 = 30300;

/// One offering, as its operator sees it.
pub(crate) struct Warden<'a> {
    platform: &'a Platform,
    offering: &'static str,
    service: String,
    operators: Vec<Operator>,
    client: Client,
    dice: Dice,
    number: u64,
    told: Told,
    /// Never an orphan.
    kept: Option<(String, String)>,
}

impl<'a> Warden<'a> {
    pub(crate) fn new(platform: &'a Platform, offering: &'static str, mut dice: Dice) -> Self {
        let file = platform.dev_file().unwrap();
        let node = file.nodes.iter().find(|node| node.offering == offering).unwrap();
        let numbers = 1..=file.gateways.len();
        let gateways = numbers.clone().map(|n| platform.classic_at(n, offering).unwrap());
        Self {
            platform,
            offering,
            service: node.service.clone(),
            client: Client::new(gateways.collect(), dice.apart()),
            operators: numbers.map(|number| platform.operator(number).unwrap()).collect(),
            dice,
            number: 0,
            told: Told::default(),
            kept: None,
        }
    }

    /// Looks and removes until `end`, and finishes what it began.
    pub(crate) async fn live(mut self, end: Instant) -> Told {
        if let Some(kept) = self.order().await {
            self.kept = Some((kept.service_id.clone(), node_of(&kept)));
            let ServiceResponse { service_id, configuration, credentials, .. } = kept;
            let handle = Handle { service_id, configuration, credentials };
            let control = self.platform.control().unwrap();
            control.put_handle(self.offering, &handle).await.unwrap();
        }
        while Instant::now() < end {
            self.round().await;
            sleep(Duration::from_millis(self.dice.below(REST) as u64)).await;
        }
        self.told.complaints.extend(self.client.complaints);
        self.told.answers += self.client.answers;
        self.told
    }

    fn request(&mut self) -> String {
        self.number += 1;
        format!("warden-{}-{}", self.offering, self.number)
    }

    async fn order(&mut self) -> Option<ServiceResponse> {
        let request = self.request();
        match self.client.asks(&request, async |classic| classic.provision().await).await {
            End::Done(made) => {
                self.told.made(self.offering, &request, &made);
                Some(made)
            }
            End::Refused(..) | End::Unknown => None,
        }
    }

    /// Something is ordered and its record lost: it is found, and removed, and nothing else is.
    async fn round(&mut self) {
        let Some(made) = self.order().await else { return };
        let id = made.service_id.clone();
        if let Err(error) = self.lose(&id).await {
            return self.told.complains(format!("the record of {id} is not lost: {error}"));
        }
        self.told.lost.insert(id.clone());
        loop {
            match self.found(&id).await {
                Ok(orphans) if self.purge(&made, &orphans).await => return,
                // A node of the report is away by now.
                Ok(_) => {}
                Err(error) => {
                    self.told.lost_sight_of(&id);
                    return self.told.complains(format!("{id} is not found: {error}"));
                }
            }
        }
    }

    async fn lose(&self, id: &str) -> Result<(), HarnessError> {
        let id = InstanceId::new(id).unwrap();
        wait_until("a record is lost", REPORT, async || {
            let records = self.platform.records().await.ok()?;
            records.lose(&id).await.ok()
        })
        .await
    }

    /// The orphans of a report that has `id`: node by node.
    async fn found(&self, id: &str) -> Result<Value, HarnessError> {
        let begun = Millis::now().as_millis();
        wait_until("an orphan is found", REPORT, async || {
            for (classic, operator) in self.client.gateways.iter().zip(&self.operators) {
                let path = "/service/internal/v1/check_orphan";
                let check = classic.send::<Value>(Method::POST, path, &json!({})).await;
                // That gateway is not there, or its bus.
                if check.is_err() {
                    continue;
                }
                let Ok(reports) = operator.ask(Method::GET, "/orphans", &Value::Null).await else {
                    continue;
                };
                let report = &reports[&self.service];
                let orphans = &report["orphan_instances"];
                let is_new = report["begun"].as_u64().is_some_and(|at| at >= begun);
                if is_new && orphans.to_string().contains(id) {
                    return Some(orphans.clone());
                }
            }
            sleep(Duration::from_millis(100)).await;
            None
        })
        .await
    }

    /// Whatever the report names goes. `false` when there is another report to be asked for.
    async fn purge(&mut self, made: &ServiceResponse, orphans: &Value) -> bool {
        self.try_to_purge_what_lives(orphans).await;
        let body = json!({ "orphan_instances": orphans, "orphan_bindings": {} });
        let request = self.request();
        let purge = async |classic: &Classic| {
            let path = "/service/internal/v1/purge_orphan";
            classic.send::<Value>(Method::DELETE, path, &body).await
        };
        match self.client.asks(&request, purge).await {
            End::Done(_) => self.told.removed(&made.service_id),
            End::Refused(refusal, _) if refusal.code == NOT_THERE => return false,
            other @ (End::Refused(..) | End::Unknown) => {
                let id = &made.service_id;
                self.told.complains(format!("{id} is not purged: {}", other.shown()));
                self.told.lost_sight_of(id);
            }
        }
        self.told.purged.insert(made.service_id.clone());
        true
    }

    /// A list that is mistaken is refused as a whole.
    async fn try_to_purge_what_lives(&mut self, orphans: &Value) {
        let Some((kept, node)) = self.kept.clone() else { return };
        if !self.dice.falls(40) {
            return;
        }
        let mut mistaken = orphans.clone();
        let list = &mut mistaken[&node];
        match list.as_array_mut() {
            Some(list) => list.push(kept.clone().into()),
            None => *list = json!([kept]),
        }
        let body = json!({ "orphan_instances": mistaken, "orphan_bindings": {} });
        let operators = self.operators.clone();
        let request = self.request();
        let operator = self.dice.one_of(&operators);
        let path = format!("/orphans/purge?service={}", self.service);
        let purge = async |_: &Classic| operator.ask(Method::POST, &path, &body).await;
        match self.client.asks(&request, purge).await {
            End::Refused(refusal, _) if [ORDERED, NOT_THERE].contains(&refusal.code) => {}
            other @ (End::Done(_) | End::Refused(..) | End::Unknown) => {
                let other = other.shown();
                self.told.complains(format!("a purge of {kept}, which lives: {other}"));
            }
        }
    }
}

/// Where it is.
fn node_of(made: &ServiceResponse) -> String {
    made.credentials.get("node_id").and_then(Value::as_str).unwrap_or_default().to_owned()
}
