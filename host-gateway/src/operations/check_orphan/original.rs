//! Two looks at original nodes, and the reports that they send. Reference, section 3.7.

use std::time::{Duration, Instant};

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use tenon_protocol::chain;
use tenon_protocol::complaints::{Complaints, shown};
use tenon_protocol::message::NodeHandlesReport;
use tenon_protocol::subject;

use super::listed;
use crate::config::OfferingConfig;
use crate::jitter::jittered;
use crate::operations::Operations;
use crate::orphans::{Report, Stage, Verdicts};

/// Pause before a broken subscription is made again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often what was reported long ago is forgotten.
const TIDY: Duration = Duration::from_secs(600);

/// What neither look lists, of what was reported until the second one. When a look is not whole
/// there are no orphans, and what was reported waits for the next check (P8).
pub(super) async fn check(ops: &Operations, offering: &OfferingConfig) -> Report {
    let mut report = Report::begin();
    match looks(ops, offering).await {
        Ok(verdicts) => {
            let text = "original nodes cannot say that a report is complete";
            report.problems.push(text.to_owned());
            if verdicts.dropped > 0 {
                let text = format!("{} reported items were more than is kept", verdicts.dropped);
                report.problems.push(text);
            }
            report.orphan_instances = verdicts.instances;
            report.orphan_bindings = verdicts.bindings;
        }
        Err(problem) => report.problems.push(problem),
    }
    report
}

async fn looks(ops: &Operations, offering: &OfferingConfig) -> Result<Verdicts, String> {
    let first = listed(ops, offering).await.map_err(|error| chain(&error).to_string())?;
    ops.orphans.with_stage(&offering.service, |stage| stage.begin());
    let question = bytes::Bytes::from_static(b"Send Me Handles");
    let asked = ops.bus.tell(subject::check_orphan(&offering.service), question).await;
    asked.map_err(|error| format!("nodes were not asked what they have: {}", chain(&error)))?;
    tokio::time::sleep(jittered(offering.double_check_orphan_interval)).await;
    let second = listed(ops, offering).await.map_err(|error| chain(&error).to_string())?;
    Ok(ops.orphans.with_stage(&offering.service, |stage| stage.finish(&first, &second)))
}

/// Takes down what original nodes of `offering` report, whenever it comes (P24). Does not end.
pub(crate) async fn listen(ops: &Operations, offering: &OfferingConfig) {
    let client = &ops.bus.connection().client;
    let mut desk = Desk { ops, offering, complaints: Complaints::default() };
    loop {
        let reports = client.subscribe(subject::node_handles_shared(&offering.service)).await;
        match reports {
            Ok(mut reports) => desk.take_all(&mut reports).await,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "cannot listen to reports of nodes")
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where reports arrive.
struct Desk<'a> {
    ops: &'a Operations,
    offering: &'a OfferingConfig,
    complaints: Complaints<(String, String)>,
}

impl Desk<'_> {
    /// Takes reports down until the subscription ends.
    async fn take_all(&mut self, reports: &mut Subscriber) {
        let mut tidy = tokio::time::interval(TIDY);
        loop {
            tokio::select! {
                report = reports.next() => match report {
                    Some(message) => self.take(&message),
                    None => return,
                },
                _ = tidy.tick() => {
                    self.ops.orphans.with_stage(&self.offering.service, Stage::forget_old);
                }
            }
        }
    }

    fn take(&mut self, message: &Message) {
        let report = match serde_json::from_slice::<NodeHandlesReport>(&message.payload) {
            Ok(report) => report,
            Err(error) => {
                // The class of the error only: its text may show a part of somebody's credentials.
                let class = error.classify();
                let wrong = format!("it cannot be read: {class:?}");
                return self.complain(message, &claimed_sender(&message.payload), &wrong);
            }
        };
        let (service, node) = (&self.offering.service, report.node_id.clone());
        // Whoever may publish may also announce; but of nodes there is a bounded number.
        if !self.ops.nodes.knows(service, &node) {
            let wrong = "it is of a node that is not announced, and is ignored";
            return self.complain(message, node.as_str(), wrong);
        }
        let odd = self.ops.orphans.with_stage(service, |stage| stage.take(report));
        if odd.nameless > 0 {
            self.complain(message, node.as_str(), "some of its bindings name no user");
        }
        if odd.dropped > 0 {
            self.complain(message, node.as_str(), "some of its items are more than is kept");
        }
    }

    /// Tells once what is wrong with a report, and who says that it is his.
    fn complain(&mut self, message: &Message, node: &str, wrong: &str) {
        let (subject, node) = (shown(&message.subject), shown(node));
        if self.complaints.is_due((node.clone(), wrong.to_owned()), Instant::now()) {
            let service = &self.offering.service;
            tracing::warn!(%service, subject, node, wrong, "odd: what a node reports that it has");
        }
    }
}

/// Who sent what cannot be read: its body may still say so.
fn claimed_sender(payload: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let id = body.get("node_id").and_then(|id| id.as_str());
    id.unwrap_or("no node_id").to_owned()
}
