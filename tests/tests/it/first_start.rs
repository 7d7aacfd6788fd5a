//! A gateway whose store is empty, beside a cloud controller that has instances and is away: until
//! it has read them it can tell nobody what there is.

use std::time::Duration;

use tenon::dev::Api;
use tenon_protocol::message::{Handle, ServiceResponse};
use tenon_tests::{Availability, Control, HarnessError, Options, Platform, wait_until};

use crate::cloud_controller::{more, offered};
use crate::crash::insist;
use crate::outages::{refusal, unavailable};

const DEADLINE: Duration = Duration::from_secs(30);
/// Where JetStream keeps its streams, below D.
const STORE: &str = "nats/jetstream";

/// What a cloud controller writes down of an answer.
async fn remember(control: &Control, label: &str, made: &ServiceResponse) {
    let handle = Handle {
        service_id: made.service_id.clone(),
        configuration: made.configuration.clone(),
        credentials: made.credentials.clone(),
    };
    control.put_handle(label, &handle).await.unwrap();
}

fn check_unavailable<T>(answer: Result<T, HarnessError>) {
    match answer {
        Err(HarnessError::Refused(refused)) => {
            assert_eq!((refused.status, refused.code), (503, 30600));
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("done before anything was known"),
    }
}

/// What is away keeps the gateway from serving; `asked` is how it asks in vain.
async fn check_first_start(cc: Api, away: Away, asked: &str) {
    let options = Options { cc, ..Options::of(&["files"]) };
    let platform = Platform::start(options).await.unwrap();
    let (control, classic) = (platform.control().unwrap(), platform.classic("files").unwrap());
    offered(&control, "files-1.0", true).await;
    let instance = classic.provision().await.unwrap();
    let binding = classic.bind(&instance.service_id).await.unwrap();
    remember(&control, "files", &instance).await;
    remember(&control, "files", &binding).await;

    control.stop("gateway-1").await.unwrap();
    control.stop("nats").await.unwrap();
    platform.dir().unwrap().remove_dir_all(STORE).unwrap();
    control.start("nats", None).await.unwrap();
    away.set(&control, Availability::Away).await;
    let before = control.requests().await.unwrap().len();
    // Started, it is not said to be ready for a while.
    let (started, ()) = tokio::join!(control.start("gateway-1", None), async {
        platform.logs("gateway-1", "not served until").await.unwrap();
        let id = &instance.service_id;
        for _ in 0..2 {
            more(&control, asked, 1).await;
            // Not 404, which a cloud controller takes for gone.
            assert_eq!(refusal(&platform, "files").await, unavailable());
            check_unavailable(classic.unbind(id, &binding.service_id).await);
            check_unavailable(classic.bind(id).await);
            check_unavailable(classic.unprovision(id).await);
        }
        away.set(&control, Availability::Serving).await;
        insist(async || classic.bind(id).await).await.unwrap();
        classic.unbind(id, &binding.service_id).await.unwrap();
        classic.unprovision(id).await.unwrap();
    });
    started.unwrap();
    offered(&control, "files-1.0", true).await;

    let requests = control.requests().await.unwrap().split_off(before);
    let position = |wanted: &dyn Fn(&str) -> bool| {
        requests.iter().position(|line| wanted(line)).unwrap_or(usize::MAX)
    };
    let (read, told): (&str, [&str; 2]) = match cc {
        Api::V1 => ("/handles", ["POST /services/v1/offerings", ""]),
        Api::V2 => ("/v2/service_bindings?", ["PUT /v2/services/", "POST /v2/services"]),
    };
    let read = position(&|line| line.starts_with("GET") && line.contains(read));
    let told = position(&|line| told.iter().any(|t| !t.is_empty() && line.starts_with(t)));
    assert!(read < told && told < usize::MAX, "advertised before it was served: {requests:#?}");
}

#[derive(Clone, Copy)]
enum Away {
    CloudController,
    Uaa,
}

impl Away {
    async fn set(self, control: &Control, availability: Availability) {
        match self {
            Self::CloudController => control.set_cloud_controller(availability).await.unwrap(),
            Self::Uaa => control.set_uaa(availability).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn p04_p37_before_a_v1_cloud_controller_was_read_once_nothing_is_said_not_to_be_there() {
    let asked = "GET /services/v1/offerings/files-1.0/handles";
    check_first_start(Api::V1, Away::CloudController, asked).await;
}

#[tokio::test]
async fn p04_p37_before_a_v2_cloud_controller_was_read_once_nothing_is_said_not_to_be_there() {
    check_first_start(Api::V2, Away::CloudController, "GET /v2/services?").await;
}

#[tokio::test]
async fn p04_p37_before_a_uaa_gave_a_token_nothing_is_said_not_to_be_there() {
    check_first_start(Api::V2, Away::Uaa, "POST /uaa").await;
}

/// What one gateway has read another one serves.
#[tokio::test]
async fn p18_a_gateway_serves_what_another_one_has_read() {
    let options = Options { gateways: 2, ..Options::of(&["files"]) };
    let platform = Platform::start(options).await.unwrap();
    let control = platform.control().unwrap();
    control.stop("gateway-2").await.unwrap();
    control.set_cloud_controller(Availability::Away).await.unwrap();
    let told = platform.log("gateway-2").len();
    control.start("gateway-2", None).await.unwrap();
    let second = platform.classic_at(2, "files").unwrap();
    wait_until("a node is known", DEADLINE, async || second.provision().await.ok()).await.unwrap();
    let log = platform.log("gateway-2").split_off(told);
    assert!(log.contains("no handles yet") && !log.contains("not served until"), "{log}");
}
