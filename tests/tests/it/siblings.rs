//! Several gateways of one offering, and one of them stops: the platform offers it on.

use std::time::Duration;

use tenon::dev::Api;
use tenon_tests::{Control, Options, Platform, wait_until};

use crate::settings;

const DEADLINE: Duration = Duration::from_secs(30);
const GATEWAYS: [&str; 2] = ["gateway-1", "gateway-2"];

async fn two_gateways(cc: Api) -> Platform {
    let options = Options { cc, gateways: 2, ..Options::of(&["echo"]) };
    let platform = Platform::start(options).await.unwrap();
    for gateway in GATEWAYS {
        offers(&platform, gateway, 1).await;
    }
    platform
}

/// Waits until `gateway` has begun to offer what it serves, at its start number `start`.
async fn offers(platform: &Platform, gateway: &str, start: usize) {
    wait_until(&format!("{gateway} offers"), DEADLINE, async || {
        let begun = platform.log(gateway).matches("offered from now on").count();
        (begun >= start).then_some(())
    })
    .await
    .unwrap();
}

fn url_of(platform: &Platform, gateway: usize) -> String {
    platform.dev_file().unwrap().gateways[gateway].url.clone()
}

/// Where the cloud controller sends orders; `None` while it takes none.
async fn offered_at(control: &Control) -> Option<String> {
    let offerings = control.offerings().await.unwrap();
    let offering = offerings.into_iter().find(|notice| notice.label == "echo-1.0")?;
    (offering.active == Some(true)).then_some(offering.url)
}

async fn wait_until_offered_at(control: &Control, url: &str) {
    wait_until("the offering is where it is served", DEADLINE, async || {
        (offered_at(control).await.as_deref() == Some(url)).then_some(())
    })
    .await
    .unwrap();
}

async fn check_only_the_last_one_withdraws(cc: Api) {
    let platform = two_gateways(cc).await;
    let control = platform.control().unwrap();
    let url = url_of(&platform, 1);
    let public_url = format!("public_url = \"{url}\"");
    for gateway in GATEWAYS {
        // Restarts it, while the other one serves.
        settings::set(&platform, gateway, "[http]", &public_url).await;
        offers(&platform, gateway, 2).await;
    }
    wait_until_offered_at(&control, &url).await;

    let classic = platform.classic_at(2, "echo").unwrap();
    let orders = async {
        for _ in 0..10 {
            classic.provision().await.unwrap();
        }
    };
    let (stopped, ()) = tokio::join!(control.stop("gateway-1"), orders);
    stopped.unwrap();
    assert_eq!(control.withdrawals("echo").await.unwrap(), 0);
    assert_eq!(offered_at(&control).await.as_deref(), Some(&*url));

    control.stop("gateway-2").await.unwrap();
    assert_eq!(control.withdrawals("echo").await.unwrap(), 1);
    assert_eq!(offered_at(&control).await, None);
}

#[tokio::test]
async fn p18_only_the_last_gateway_withdraws_an_offering_of_version_1() {
    check_only_the_last_one_withdraws(Api::V1).await;
}

#[tokio::test]
async fn p18_only_the_last_gateway_withdraws_an_offering_of_version_2() {
    check_only_the_last_one_withdraws(Api::V2).await;
}

#[tokio::test]
async fn p18_a_gateway_that_was_killed_keeps_nothing_on_offer() {
    let platform = two_gateways(Api::V1).await;
    let control = platform.control().unwrap();
    platform.kill("gateway-2").await.unwrap();
    control.stop("gateway-1").await.unwrap();
    assert_eq!(control.withdrawals("echo").await.unwrap(), 1);
    assert_eq!(offered_at(&control).await, None);
}

/// The next heartbeat is a minute away: the one that stays hears that the other one left.
#[tokio::test]
async fn p18_what_a_gateway_leaves_is_offered_by_the_other_at_once() {
    for cc in [Api::V1, Api::V2] {
        let platform = two_gateways(cc).await;
        let control = platform.control().unwrap();
        let urls = [url_of(&platform, 0), url_of(&platform, 1)];
        let offered = async || offered_at(&control).await;
        let at = wait_until("the platform was told", DEADLINE, offered).await.unwrap();
        let leaving = urls.iter().position(|url| *url == at).unwrap();
        control.stop(GATEWAYS[leaving]).await.unwrap();
        wait_until_offered_at(&control, &urls[1 - leaving]).await;
        assert_eq!(control.withdrawals("echo").await.unwrap(), 0);
    }
}
