//! Two looks at original nodes, and the reports that they send. Reference, section 3.7.

use std::time::Duration;

use futures_util::StreamExt;
use tenon_protocol::chain;
use tenon_protocol::message::NodeHandlesReport;
use tenon_protocol::subject;

use super::listed;
use crate::config::OfferingConfig;
use crate::jitter::jittered;
use crate::operations::Operations;
use crate::orphans::{Report, Verdicts};

/// Pause before a broken subscription is made again.
const PAUSE: Duration = Duration::from_secs(1);

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
    loop {
        let reports = client.subscribe(subject::node_handles_shared(&offering.service)).await;
        match reports {
            Ok(mut reports) => {
                while let Some(message) = reports.next().await {
                    match serde_json::from_slice::<NodeHandlesReport>(&message.payload) {
                        Ok(report) => {
                            ops.orphans.with_stage(&offering.service, |stage| stage.take(report));
                        }
                        Err(error) => {
                            tracing::debug!(error = %chain(&error), "a report cannot be read")
                        }
                    }
                }
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "cannot listen to reports of nodes")
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
