//! Links of our own gateways, imported: the node takes the package from the store, and nobody's
//! address has to be allowed.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tenon_tests::{Options, Platform, wait_until};

use crate::crash::insist;
use crate::downloads::noise;
use crate::letters::{directory, letter, with_letter};
use crate::settings;
use crate::shelf::{PATIENCE, Shelf, text};

const FORBIDDEN: (u16, u64) = (403, 30200);

fn of(url: &str) -> Value {
    json!({ "url": url })
}

async fn refused(shelf: &Shelf, url: &str) -> (u16, u64) {
    let (status, code, words) = shelf.refused(Method::PUT, "serialized/url", &of(url)).await;
    assert_eq!(words, "Forbidden");
    (status, code)
}

async fn check_no_package(shelf: &Shelf, url: &str) {
    let failed = shelf.failed(Method::PUT, "serialized/url", &of(url)).await;
    let shown = url.split('?').next().unwrap();
    assert_eq!(failed, (30803, format!("Invalid serialized data file from: {shown}")));
}

#[tokio::test]
async fn p33_a_link_of_our_own_is_imported_without_a_network() {
    let platform = Platform::start(Options::of(&["files", "mysql"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[[offerings.plans]]", "snapshot_quota = 4").await;
    let classic = platform.classic("files").unwrap();
    insist(async || classic.provision().await).await.unwrap();
    let source = with_letter(&classic, "dear all").await;
    let target = with_letter(&classic, "another").await;
    let (from, to) =
        (Shelf::of(&classic, &source.service_id), Shelf::of(&classic, &target.service_id));
    let snapshot = from.take().await;
    let url = from.link(&snapshot).await;
    // This machine is no public address, and no node was told that it may be reached. By another
    // name of a gateway, which this one does not know and no node finds:
    let gateway = platform.dev_file().unwrap().gateway.url;
    let elsewhere = url.replace(&gateway, "http://sibling.invalid:1/below");
    for url in [&url, &elsewhere] {
        let imported = to.import(url).await;
        directory(&target).write("letter", "written since").unwrap();
        to.roll_back(&imported).await;
        assert_eq!(letter(&target), "dear all");
    }

    // Forged, it is told as such where it leads to a gateway of ours, and else it is fetched.
    let own = format!("/{}/", source.service_id);
    for forged in [
        url.replace(&own, &format!("/{}/", target.service_id)),
        url.replace("token=", "token=9"),
        url.split('?').next().unwrap().to_owned(),
    ] {
        assert_eq!(refused(&to, &forged).await, FORBIDDEN, "{forged}");
        check_no_package(&to, &forged.replace(&gateway, "http://sibling.invalid:1")).await;
    }

    // A package is one of its service, wherever it lies.
    let mysql = platform.classic("mysql").unwrap();
    let database = insist(async || mysql.provision().await).await.unwrap();
    check_no_package(&Shelf::of(&mysql, &database.service_id), &url).await;

    // And there are no more snapshots than an instance may have.
    while to.numbers().await.len() < 4 {
        to.import(&url).await;
    }
    let (code, words) = to.failed(Method::PUT, "serialized/url", &of(&url)).await;
    assert_eq!(code, 30800, "{words}");

    from.done(Method::DELETE, &format!("snapshots/{snapshot}"), &json!({})).await;
    check_no_package(&from, &url).await;
    let token = url.split("token=").nth(1).unwrap();
    for log in ["gateway-1", "node-1", "node-2"] {
        assert!(!platform.log(log).contains(token), "{log}");
    }
}

#[tokio::test]
async fn a_link_of_our_own_leads_to_no_more_than_may_be_imported() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "node-1", "[snapshots]", "import_max_mib = 1").await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    directory(&made).write("letter", noise(2 << 20)).unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let url = shelf.link(&shelf.take().await).await;
    let (code, words) = shelf.failed(Method::PUT, "serialized/url", &of(&url)).await;
    assert_eq!(code, 30804, "{words}");
    assert_eq!(shelf.numbers().await.len(), 1);
}

#[tokio::test]
async fn p32_a_link_of_our_own_that_is_over_imports_nothing_new() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[snapshots]", "link_seconds = 8").await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let first = Shelf::of(&classic.asking_as("r::first"), &made.service_id);
    let snapshot = shelf.take().await;
    shelf.link(&snapshot).await;
    // Made anew, so that it is good for as long as it can be.
    let path = format!("serialized/url/snapshots/{snapshot}");
    let url = text(&shelf.ask(Method::GET, &path, &Value::Null).await.unwrap(), "url");
    let imported = first.import(&url).await;

    let http = Client::builder().no_proxy().build().unwrap();
    let over = wait_until("it expires", PATIENCE, async || {
        (http.get(&url).send().await.unwrap().status() == 403).then_some(())
    });
    over.await.unwrap();
    assert_eq!(refused(&shelf, &url).await, FORBIDDEN);
    let elsewhere = url.replace("127.0.0.1", "sibling.invalid");
    assert_eq!(refused(&shelf, &elsewhere).await, FORBIDDEN);
    // The request that was made in time is answered as it was then.
    assert_eq!(first.import(&url).await, imported);
    assert_eq!(shelf.numbers().await, [snapshot, imported]);
}
