//! Plans that come and go in the configuration, before a version 1 cloud controller, which removes
//! what it is not told of.

use std::time::Duration;

use serde_json::{Value, json};
use tenon_protocol::message::Handle;
use tenon_tests::{Control, HarnessError, Options, Platform, wait_until};

use crate::cloud_controller::more;
use crate::settings;

const DEADLINE: Duration = Duration::from_secs(30);
const HEARTBEAT: &str = "POST /services/v1/offerings";
const HURRY: &str = "[cloud_controller]\nheartbeat_interval_seconds = 1";

/// Changes the file of a gateway, and starts it anew.
async fn change(platform: &Platform, gateway: &str, changes: &[(&str, &str)]) {
    let mut text = settings::read(platform, gateway);
    for (from, to) in changes {
        assert!(text.contains(from), "{gateway} has no {from}");
        text = text.replace(from, to);
    }
    platform.dir().unwrap().write(format!("{gateway}.toml"), text).unwrap();
    let control = platform.control().unwrap();
    control.stop(gateway).await.unwrap();
    control.start(gateway, None).await.unwrap();
}

/// Waits until the cloud controller can order these plans.
async fn told(control: &Control, plans: &[&str]) {
    wait_until("the plans are told", DEADLINE, async || {
        let offering = control.offerings().await.unwrap().pop()?;
        let known = offering.plans.unwrap_or_default();
        (offering.active == Some(true) && known == plans).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn p34_a_plan_taken_out_of_the_configuration_is_told_of_while_it_has_instances() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let (control, classic) = (platform.control().unwrap(), platform.classic("echo").unwrap());
    let made = classic.provision().await.unwrap();
    let handle = Handle {
        service_id: made.service_id.clone(),
        configuration: made.configuration.clone(),
        credentials: made.credentials.clone(),
    };
    control.put_handle("echo", &handle).await.unwrap();

    let renamed = [("\"free\"", "\"gold\""), ("core_echo_free", "core_echo_gold")];
    change(&platform, "gateway-1", &[&renamed[..], &[("[cloud_controller]", HURRY)]].concat())
        .await;
    told(&control, &["gold", "free"]).await;
    more(&control, HEARTBEAT, 2).await;
    assert!(control.handles().await.unwrap()["echo"][&made.service_id].is_object());
    let Err(HarnessError::Refused(refused)) = classic.provision().await else {
        panic!("a plan that is not configured can be ordered");
    };
    assert_eq!((refused.status, refused.code), (400, 30002));
    platform.logs("gateway-1", "told of plans that are not configured").await.unwrap();
    let bound = classic.bind(&made.service_id).await.unwrap();
    classic.unbind(&made.service_id, &bound.service_id).await.unwrap();
    classic.unprovision(&made.service_id).await.unwrap();

    // Its notice at a stop takes nothing away either.
    control.stop("gateway-1").await.unwrap();
    assert!(control.handles().await.unwrap()["echo"][&made.service_id].is_object());
}

#[tokio::test]
async fn p34_gateways_with_other_plans_take_none_from_each_other() {
    let options = Options { gateways: 2, ..Options::of(&["echo"]) };
    let platform = Platform::start(options).await.unwrap();
    let control = platform.control().unwrap();
    let two = "[[offerings.plans]]\nname = \"gold\"\nunique_id = \"core_echo_gold\"\n\n\
               [[offerings.plans]]";
    let hurry = ("[cloud_controller]", HURRY);
    change(&platform, "gateway-1", &[hurry, ("[[offerings.plans]]", two)]).await;
    change(&platform, "gateway-2", &[hurry]).await;
    told(&control, &["free", "gold"]).await;
    // A cloud controller writes it down a moment after the gateway answered.
    let handle: Value = json!({
        "service_id": "dgold", "credentials": { "name": "dgold" },
        "configuration": { "plan": "gold", "version": "1.0" },
    });
    control.put_handle("echo", &serde_json::from_value(handle).unwrap()).await.unwrap();
    more(&control, HEARTBEAT, 6).await;
    assert!(control.handles().await.unwrap()["echo"]["dgold"].is_object());
}
