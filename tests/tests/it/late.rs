//! Answers that come too late, orders that arrive too late, and callers that do not wait.

use std::time::Duration;

use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use tenon_protocol::clock::Millis;
use tenon_protocol::fault::Code;
use tenon_protocol::message::{CredentialsReply, ProvisionRequest, ServiceResponse};
use tenon_protocol::subject::Operation;
use tenon_protocol::{Generation, InstanceId, OperationId, Order};
use tenon_tests::{HarnessError, Options, Platform, wait_until};

use crate::aftermath::{Promises, check_aftermath, come_to_rest};
use crate::bus::Bus;
use crate::crash::insist;

const DEADLINE: Duration = Duration::from_secs(30);

/// Stops the process of `child`, or lets it go on. What it is sent meanwhile waits for it.
fn signal(platform: &Platform, child: &str, signal: Signal) {
    let pid = platform.dev_file().unwrap().pids[child];
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn p02_p03_a_node_that_wakes_up_after_the_answer_leaves_nothing_behind() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let mut promises = Promises::default();
    let instance = classic.provision().await.unwrap();
    promises.instance(&instance);

    signal(&platform, "node-1", Signal::STOP);
    let late =
        [classic.provision().await.map(drop), classic.bind(&instance.service_id).await.map(drop)];
    signal(&platform, "node-1", Signal::CONT);

    for answer in late {
        let Err(HarnessError::Refused(refused)) = answer else {
            panic!("a stopped node answered");
        };
        assert_eq!((refused.status, refused.code), (504, 30700));
    }
    promises.binding(&insist(async || classic.bind(&instance.service_id).await).await.unwrap());
    check_aftermath(&platform, "files", &promises).await;
}

#[tokio::test]
async fn p03_an_order_that_arrives_after_its_deadline_is_not_carried_out() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let bus = Bus::open(&platform, "echo").await;
    let over = Millis::from_millis(Millis::now().as_millis() - 1);
    let (instance, operation) = (InstanceId::random(), OperationId::random());
    let order = Order::of(instance, operation, Generation::FIRST, over);
    let version = platform.classic("echo").unwrap().order()["version"].as_str().map(str::to_owned);
    let body = ProvisionRequest { plan: "free".to_owned(), credentials: None, version };
    let reply: CredentialsReply = bus.command(Operation::Provision, &order, &body).await.unwrap();
    let fault = reply.into_result().unwrap_err();
    assert!(fault.is(Code::GATEWAY_TIMEOUT), "{fault}");
    assert_eq!(bus.inventory().await.instances, []);

    let in_time = Order { deadline: Millis::now().after(DEADLINE), ..order };
    let reply: CredentialsReply = bus.command(Operation::Provision, &in_time, &body).await.unwrap();
    reply.into_result().unwrap();
    assert_eq!(bus.inventory().await.instances.len(), 1);
}

/// Orders an instance under the platform's own id for the request; `None` as long as the gateway
/// says that it works on it.
async fn provision_as(platform: &Platform, request: &str) -> Option<String> {
    let file = platform.dev_file().unwrap();
    let url = format!("{}/gateway/v1/configurations", file.gateway.url);
    let order = platform.classic("files").unwrap().order();
    let order = Client::builder().no_proxy().build().unwrap().post(url).json(&order);
    let order = order.header("X-VCAP-Request-ID", request);
    let order = order.header("X-VCAP-Service-Token", file.gateway.tokens["files"].reveal());
    let answer = order.send().await.unwrap();
    if answer.status() == 200 {
        return Some(answer.json::<ServiceResponse>().await.unwrap().service_id);
    }
    None
}

#[tokio::test]
async fn p01_p39_work_goes_on_when_the_caller_hangs_up_and_the_same_request_finds_it() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let records = platform.records().await.unwrap();
    signal(&platform, "node-1", Signal::STOP);
    let intent = async || records.instances().await.unwrap().into_keys().next();
    let begun = tokio::select! {
        answer = provision_as(&platform, "request-1") => panic!("a stopped node made {answer:?}"),
        begun = wait_until("the intent", DEADLINE, intent) => begun.unwrap(),
    };
    // The connection was closed with the request.
    signal(&platform, "node-1", Signal::CONT);

    let ask = async || provision_as(&platform, "request-1").await;
    let made = wait_until("the same request", DEADLINE, ask).await.unwrap();
    come_to_rest(&records).await;
    assert_eq!(records.living_instances().await.unwrap(), [made.as_str()]);
    assert!(begun.contains(&made), "{made} is not {begun}");
    check_aftermath(&platform, "files", &Promises::default()).await;
}
