//! The cloud controller's part about snapshots: asks our gateway for the jobs that it asked the
//! original for, and waits for the end of each. How often it looks in between is nobody's concern.

use std::time::Duration;

use serde_json::Value;
use tenon_tests::{HarnessError, wait_until};

use super::cloud_controller::CloudController;
use super::differences::{OF_SNAPSHOTS, value};
use super::gateway_client::GatewayClient;
use super::recording::{Caller, HttpExchange, Recording};
use super::replay::{Outcome, Replay};
use super::rig::{Peers, Rig};
use super::steps::{SNAPSHOTS, STOP};

/// Any job of the recording is done by then.
const JOB_DEADLINE: Duration = Duration::from_secs(60);
/// Where the recorder's cloud controller was: a package is fetched from there.
const RECORDED_CLOUD_CONTROLLER: &str = "http://127.0.0.1:19000";

#[tokio::test]
async fn a_cloud_controller_finds_our_snapshots_as_it_found_the_originals() {
    let mut rig = Rig::start().await;
    rig.start_node(Peers::Native).await;
    let cloud_controller = CloudController::start().await;
    let announced = rig.listen("MyaaS.announce.*").await;
    let gateway = rig.start_gateway(&cloud_controller.url, Peers::Native);
    let gateway = GatewayClient::of(gateway, &rig, announced).await;

    let mut replay = Replay::new(OF_SNAPSHOTS);
    replay.learned.is_called(RECORDED_CLOUD_CONTROLLER, &cloud_controller.url);
    let mut looks = Looks { gateway, replay };
    let part = Recording::Snapshots.part(SNAPSHOTS);
    for exchange in part.http_exchanges(Caller::CloudController) {
        match Look::of(&exchange) {
            Look::BeforeTheEnd => {}
            Look::AtTheEnd => looks.wait(&exchange).await,
            Look::Elsewhere => looks.ask(&exchange).await,
        }
    }
    rig.stop_gateway().await;
    let mut replay = looks.replay;
    let end = Recording::Snapshots.part(STOP).http_exchanges(Caller::Gateway);
    for said in [part.http_exchanges(Caller::Gateway), end] {
        replay.notices(&cloud_controller, &said).await;
    }
    replay.end(&rig.logs());
}

/// What the recorder saw.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// A job that goes on: ours may be faster.
    BeforeTheEnd,
    /// A job that ended.
    AtTheEnd,
    /// No job that was asked for, or none that is there.
    Elsewhere,
}

impl Look {
    fn of(exchange: &HttpExchange) -> Self {
        let is_poll = exchange.request.method == "GET" && exchange.request.path.contains("/jobs/");
        match is_over(&exchange.reply) {
            Some(true) if is_poll => Self::AtTheEnd,
            Some(false) if is_poll => Self::BeforeTheEnd,
            Some(true | false) | None => Self::Elsewhere,
        }
    }
}

/// Whether the job that is shown has ended; `None` when none is shown.
fn is_over(reply: &str) -> Option<bool> {
    let status = value(reply).get("status")?.as_str().map(str::to_owned)?;
    Some(matches!(&*status, "completed" | "failed" | "killed"))
}

/// A cloud controller that looks at jobs.
struct Looks {
    gateway: GatewayClient,
    replay: Replay,
}

impl Looks {
    async fn ask(&mut self, exchange: &HttpExchange) {
        // What is named so is called so from then on.
        let named = value(&exchange.request.body);
        if let Some(name) = named.get("name").and_then(Value::as_str) {
            self.replay.learned.is_called(name, name);
        }
        let request = self.of_ours(exchange);
        // A gateway that has yet to take in what its node announced asks to come again.
        let answered = wait_until("the gateway is ready", JOB_DEADLINE, async || {
            let ours = self.gateway.ask(&request, &self.replay.learned).await;
            (!ours.starts_with("503 ")).then_some(ours)
        });
        self.compare(exchange, answered.await);
    }

    /// Looks at the job until it has ended.
    async fn wait(&mut self, exchange: &HttpExchange) {
        let request = self.of_ours(exchange);
        let ended = wait_until("the job ends", JOB_DEADLINE, async || {
            let ours = self.gateway.ask(&request, &self.replay.learned).await;
            let (_, body) = ours.split_once(' ').unwrap_or_default();
            (is_over(body) != Some(false)).then_some(ours)
        });
        self.compare(exchange, ended.await);
    }

    /// The request with our numbers of snapshots in its path.
    fn of_ours(&self, exchange: &HttpExchange) -> HttpExchange {
        let mut exchange = exchange.clone();
        exchange.request.path = self.replay.learned.translate_path(&exchange.request.path);
        exchange
    }

    fn compare(&mut self, exchange: &HttpExchange, ours: Result<String, HarnessError>) {
        match ours {
            Ok(ours) => {
                let (Outcome::AsRecorded | Outcome::Otherwise) =
                    self.replay.answer(exchange, &ours);
            }
            Err(late) => self.replay.found(exchange, vec![late.to_string()]),
        }
    }
}
