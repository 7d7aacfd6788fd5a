//! Moves of a tenant's instances: by an operator, by the tool of 2013, and out of a backup.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Object, ServiceResponse};
use tenon_protocol::record::MoveStep;
use tenon_tests::{Classic, HarnessError, wait_until};
use tokio::time::timeout;

use super::Tenant;
use crate::ask::End;
use crate::told::PASSING;

/// A move with deaths in it ends by then.
const MOVE: Duration = Duration::from_secs(150);
/// A node that lives has taken a backup by then.
const BACKUP: Duration = Duration::from_secs(8);
/// The rebalancing tool's steps, and where each is taken.
const STEPS: [(&str, Side); 5] = [
    ("disable", Side::From),
    ("import", Side::To),
    ("update", Side::To),
    ("unprovision", Side::From),
    ("cleanupnfs", Side::From),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    From,
    To,
}

impl Tenant<'_> {
    /// To any node, by an operator. Whatever comes of it, the same credentials or new ones open.
    pub(super) async fn relocate(&mut self, id: &str) {
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
        self.refresh(id).await;
    }

    /// Orders again what is there: the answer names it, as it is now.
    pub(super) async fn order_again(&mut self, id: &str) {
        let before = self.told.living[id].credentials.clone();
        self.refresh(id).await;
        if self.told.living[id].credentials != before {
            self.told.complains(format!("{id}, ordered again, has other credentials"));
        }
    }

    /// The credentials that the instance and its bindings have now.
    async fn refresh(&mut self, id: &str) {
        let request = self.told.living[id].request.clone();
        let again = self.client.asks(&request, async |classic| classic.provision().await).await;
        let Some(credentials) = self.same(&request, id, again) else { return };
        self.told.living.get_mut(id).unwrap().credentials = credentials;
        let bindings = self.told.living[id].bindings.clone();
        for (name, binding) in bindings {
            let call = async |classic: &Classic| classic.bind(id).await;
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

    fn same(&mut self, request: &str, id: &str, again: End<ServiceResponse>) -> Option<Object> {
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

    /// The tool of 2013 moves it, step by step, and now and then thinks better of it.
    pub(super) async fn relocate_by_tool(&mut self, id: &str) {
        let Some((from, to)) = self.way(id) else { return };
        let mut last = if self.dice.falls(25) { 2 } else { STEPS.len() };
        for (number, (action, side)) in STEPS[..last].iter().enumerate() {
            let node = if *side == Side::From { &from } else { &to };
            if !self.step(id, node, action).await {
                self.told.complains(format!("the tool cannot {action} {id} on {node}"));
                last = number;
                break;
            }
        }
        // Until the instance is on the other node the move can be called off.
        if last <= 2 {
            let back = [(&to, "unprovision"), (&from, "enable"), (&from, "cleanupnfs")];
            for (node, action) in back {
                if !self.step(id, node, action).await {
                    self.told.complains(format!("the tool cannot {action} {id} on {node}"));
                }
            }
        }
        self.refresh(id).await;
    }

    /// The node that has it, and another one; `None` for what does not move.
    fn way(&mut self, id: &str) -> Option<(String, String)> {
        let from = self.told.living[id].credentials.get("node_id")?.as_str()?.to_owned();
        let others = self.nodes.iter().filter(|node| **node != from);
        let others: Vec<&String> = others.collect();
        let to = (*self.dice.one_of(&others)).clone();
        (self.offering == "mysql").then_some((from, to))
    }

    async fn step(&mut self, id: &str, node: &str, action: &str) -> bool {
        let path = format!("/service/internal/v1/migration/{node}/{id}/{action}");
        let request = self.request();
        let call =
            async |classic: &Classic| classic.send::<bool>(Method::POST, &path, &json!({})).await;
        match self.client.asks(&request, call).await {
            End::Done(done) => done,
            other @ (End::Refused(..) | End::Unknown) => {
                eprintln!("{action} {id} on {node}: {}", other.shown());
                false
            }
        }
    }

    /// Its node is given up: it comes back on another one as its last backup has it.
    pub(super) async fn recover(&mut self, id: &str) {
        if self.offering != "mysql" {
            return;
        }
        let Some(saved) = self.read(id).await else { return };
        let Some(backup) = self.back_up(id).await else { return };
        // What is written after the backup is given up.
        self.write(id).await;
        let body = json!({ "instance_id": id, "backup_path": backup });
        let call = async |classic: &Classic| {
            classic.send::<Value>(Method::POST, "/service/internal/v1/recover", &body).await
        };
        let request = self.request();
        self.told.may_have_written(id, saved);
        let answer = self.client.asks(&request, call).await;
        self.stays(id).await;
        match answer {
            End::Done(_) => self.told.wrote(id, saved),
            // The other node could not: the instance is where it was.
            End::Refused(refusal, _) if PASSING.contains(&refusal.code) => {}
            other @ (End::Refused(..) | End::Unknown) => {
                let step = self.last_step(id).await;
                self.told.complains(format!("{id} did not recover: {}, {step:?}", other.shown()));
            }
        }
        self.refresh(id).await;
    }

    /// The path of a backup that begins now; `None` when its node takes none.
    async fn back_up(&mut self, id: &str) -> Option<String> {
        let now = Millis::now().as_millis() / 1_000;
        for node in &self.nodes {
            // It may be dead.
            self.platform.back_up(node).ok();
        }
        let newer = async || self.newest_backup(id).filter(|(epoch, _)| *epoch > now);
        let taken = wait_until("a backup", BACKUP, newer).await;
        taken.ok().map(|(_, path)| path)
    }

    fn newest_backup(&self, id: &str) -> Option<(u64, String)> {
        let part = |at: usize| id.get(at..at + 2).unwrap();
        let path = format!("backups/backups/MyaaS/{}/{}/{}/{id}", part(0), part(2), part(4));
        let entries = self.platform.dir().unwrap().read_dir(&path).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let newest = names.filter_map(|name| name.parse::<u64>().ok()).max()?;
        Some((newest, format!("{}/{path}/{newest}", self.platform.root().display())))
    }

    async fn last_step(&self, id: &str) -> Option<MoveStep> {
        for operator in &self.operators {
            if let Ok(step) = operator.move_step(id).await {
                return Some(step);
            }
        }
        None
    }
}
