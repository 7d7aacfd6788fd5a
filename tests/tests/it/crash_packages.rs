//! The node is killed at every step of the jobs that hand out, fetch, delete and forget snapshots.

use reqwest::{Client, Method};
use serde_json::json;
use tenon_protocol::job::JobView;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::{HarnessError, Options, Platform, wait_until};

use crate::crash::{dies_at, operation};
use crate::crash_node::points_of;
use crate::file_server::{FileServer, allow_this_machine};
use crate::letters::{letter, with_letter};
use crate::shelf::{PATIENCE, Shelf, text};

/// What is interrupted here.
pub(crate) const PACKAGES: [&str; 4] = ["delete", "package", "fetch", "forget"];

/// One tenant's order, in the middle of which the node died.
struct Ordered {
    point: &'static str,
    made: ServiceResponse,
    shelf: Shelf,
    /// `None` when the tenant is not told of the job.
    job: Option<JobView>,
}

#[tokio::test]
async fn a_package_that_a_dying_node_leaves_is_finished_when_it_is_back() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    allow_this_machine(&platform).await;
    let classic = platform.classic("files").unwrap();
    let first = crate::crash::insist(async || classic.provision().await).await.unwrap();
    crate::letters::directory(&first).write("letter", "dear all").unwrap();
    let source = Shelf::of(&classic, &first.service_id);
    // Fetched, as from another platform: a link of our own would lead to the store.
    let link = source.link(&source.take().await).await;
    let http = Client::builder().no_proxy().build().unwrap();
    let package = http.get(link).send().await.unwrap().bytes().await.unwrap();
    let server = FileServer::start(package.to_vec().leak()).await;
    let url = server.url("7.zip");

    let mut all = Vec::new();
    for point in points_of(&PACKAGES) {
        let made = with_letter(&classic, "dear all").await;
        let shelf = Shelf::of(&classic, &made.service_id);
        let job = order(&platform, point, &shelf, &url).await;
        all.push(Ordered { point, made, shelf, job });
    }
    for ordered in &all {
        check(&platform, ordered).await;
    }
}

async fn order(platform: &Platform, point: &str, shelf: &Shelf, url: &str) -> Option<JobView> {
    let told = |job: Result<JobView, HarnessError>| match job {
        Ok(job) => Some(job),
        Err(error) => panic!("{point}: {error}"),
    };
    let nothing = json!({});
    match operation(point) {
        "fetch" => {
            let body = json!({ "url": url });
            let asked = shelf.ask(Method::PUT, "serialized/url", &body);
            told(dies_at(platform, "node-1", point, asked).await)
        }
        "forget" => {
            shelf.take().await;
            let asked = shelf.classic.unprovision(&shelf.instance);
            dies_at(platform, "node-1", point, asked).await.unwrap();
            None
        }
        "delete" => {
            let path = format!("snapshots/{}", shelf.take().await);
            let asked = shelf.ask(Method::DELETE, &path, &nothing);
            told(dies_at(platform, "node-1", point, asked).await)
        }
        _package => {
            let path = format!("serialized/url/snapshots/{}", shelf.take().await);
            let asked = shelf.ask(Method::POST, &path, &nothing);
            told(dies_at(platform, "node-1", point, asked).await)
        }
    }
}

async fn check(platform: &Platform, ordered: &Ordered) {
    let Ordered { point, made, shelf, job } = ordered;
    let result = match job {
        None => None,
        Some(job) => {
            let done = shelf.classic.completed(&shelf.instance, job).await;
            done.unwrap_or_else(|error| panic!("{point}: {error}")).result
        }
    };
    let path = format!("snapshots/FilesystemaaS/{}", shelf.instance);
    let dir = platform.dir().unwrap();
    let files = || dir.read_dir(&path).map_or(0, |entries| entries.count());
    match operation(point) {
        "fetch" => {
            let number = text(&result.unwrap(), "snapshot_id");
            assert_eq!(shelf.numbers().await, std::slice::from_ref(&number), "{point}");
            assert_eq!(files(), 1, "{point}");
            crate::letters::directory(made).write("letter", "lost").unwrap();
            shelf.roll_back(&number).await;
            assert_eq!(letter(made), "dear all", "{point}");
        }
        "forget" => {
            let gone = async || (!dir.exists(&path)).then_some(());
            wait_until(point, PATIENCE, gone).await.unwrap();
        }
        "delete" => {
            assert_eq!(shelf.numbers().await, [""; 0], "{point}");
            assert_eq!(files(), 0, "{point}");
        }
        _package => {
            let http = Client::builder().no_proxy().build().unwrap();
            let package = http.get(text(&result.unwrap(), "url")).send().await.unwrap();
            assert_eq!(package.status(), 200, "{point}");
            assert!(package.bytes().await.unwrap().starts_with(b"PK"), "{point}");
            assert_eq!(files(), 2, "{point}");
        }
    }
}
