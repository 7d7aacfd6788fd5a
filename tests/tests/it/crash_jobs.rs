//! The node is killed after the work of a job, before its end was recorded: what was done once is
//! not done again over what came after it.

use std::future::Future;

use reqwest::Method;
use serde_json::json;
use tenon_protocol::job::JobView;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::{HarnessError, Login, Options, Platform, wait_until};

use crate::crash::insist;
use crate::file_server::{FileServer, allow_this_machine};
use crate::letters::{directory, letter, with_letter};
use crate::settings;
use crate::shelf::{PATIENCE, Shelf, text};

const COUNT: &str = "SELECT COUNT(*) FROM letters";

/// Has the node die at `point` in the middle of the job that `ordered` orders; it stays away.
async fn dies_in(
    platform: &Platform,
    point: &str,
    ordered: impl Future<Output = Result<JobView, HarnessError>>,
) -> JobView {
    let control = platform.control().unwrap();
    control.stop("node-1").await.unwrap();
    control.start("node-1", Some(point)).await.unwrap();
    let job = ordered.await.unwrap();
    platform.is_gone("node-1").await.unwrap();
    job
}

/// The node dies at `point` of a rollback of a database, whose data is replaced by then.
async fn check_rollback(point: &str) {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    let classic = platform.classic("mysql").unwrap();
    let made = classic.provision().await.unwrap();
    let (shelf, owner) =
        (Shelf::of(&classic, &made.service_id), Login::read(&made.credentials).unwrap());
    owner.execute("CREATE TABLE letters (id INT PRIMARY KEY)").await.unwrap();
    owner.execute("INSERT INTO letters VALUES (1)").await.unwrap();
    let snapshot = shelf.take().await;
    owner.execute("INSERT INTO letters VALUES (2), (3)").await.unwrap();

    let path = format!("snapshots/{snapshot}");
    let nothing = json!({});
    let ordered = shelf.ask(Method::PUT, &path, &nothing);
    let job = dies_in(&platform, point, ordered).await;
    assert_eq!(owner.number(COUNT).await.unwrap(), Some(1));
    // Written to what was rolled back, while nobody knows that it was.
    owner.execute("INSERT INTO letters VALUES (4), (5), (6)").await.unwrap();
    platform.control().unwrap().start("node-1", None).await.unwrap();
    let ended = classic.completed(&shelf.instance, &job).await.unwrap();
    assert_eq!(ended.result, Some(json!({"result": "ok"})));
    assert_eq!(owner.number(COUNT).await.unwrap(), Some(4));
    // Another order is another one.
    shelf.roll_back(&snapshot).await;
    assert_eq!(owner.number(COUNT).await.unwrap(), Some(1));
}

#[tokio::test]
async fn p31_a_rollback_that_a_dying_node_had_done_runs_once() {
    check_rollback("restore.called").await;
}

#[tokio::test]
async fn p31_a_rollback_that_a_dying_node_had_not_written_down_runs_once() {
    check_rollback("restore.replaced").await;
}

#[tokio::test]
async fn p31_a_rollback_of_files_that_a_dying_node_had_not_written_down_runs_once() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let made = with_letter(&classic, "first").await;
    let shelf = Shelf::of(&classic, &made.service_id);
    let snapshot = shelf.take().await;
    write_letter(&made, "second");

    let (path, nothing) = (format!("snapshots/{snapshot}"), json!({}));
    let ordered = shelf.ask(Method::PUT, &path, &nothing);
    let job = dies_in(&platform, "restore.replaced", ordered).await;
    assert_eq!(letter(&made), "first");
    write_letter(&made, "third");
    platform.control().unwrap().start("node-1", None).await.unwrap();
    let ended = classic.completed(&shelf.instance, &job).await.unwrap();
    assert_eq!(ended.result, Some(json!({"result": "ok"})));
    assert_eq!(letter(&made), "third");
    shelf.roll_back(&snapshot).await;
    assert_eq!(letter(&made), "first");
}

#[tokio::test]
async fn p31_a_snapshot_that_a_dying_node_kept_goes_when_its_job_is_ended() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[state]", "job_life_seconds = 10").await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let ordered = classic.take_snapshot(&shelf.instance);
    let job = dies_in(&platform, "snapshot.noted", ordered).await;
    let path = format!("snapshots/FilesystemaaS/{}", shelf.instance);
    let dir = platform.dir().unwrap();
    let files = || dir.read_dir(&path).map_or(0, |entries| entries.count());
    assert_eq!(files(), 1);
    let ended = classic.ended(&shelf.instance, &job).await.unwrap();
    assert_eq!(ended.result.unwrap()["code"], 30802);
    platform.control().unwrap().start("node-1", None).await.unwrap();
    let gone = async || (files() == 0).then_some(());
    wait_until("what nobody lists is gone", PATIENCE, gone).await.unwrap();
    assert_eq!(shelf.numbers().await, [""; 0]);
}

fn write_letter(made: &ServiceResponse, text: &str) {
    directory(made).write("letter", text).unwrap();
}

#[tokio::test]
async fn p31_an_import_that_a_dying_node_had_fetched_runs_once() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    allow_this_machine(&platform).await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    write_letter(&made, "dear all");
    let source = Shelf::of(&classic, &made.service_id);
    let url = source.link(&source.take().await).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let package = http.get(url).send().await.unwrap().bytes().await.unwrap();
    let server = FileServer::start(package.to_vec().leak()).await;

    let made = with_letter(&classic, "another").await;
    let shelf = Shelf::of(&classic, &made.service_id);
    let body = json!({ "url": server.url("1.zip?token=once") });
    let ordered = shelf.ask(Method::PUT, "serialized/url", &body);
    let job = dies_in(&platform, "fetch.noted", ordered).await;
    assert_eq!(server.asked(), 1);
    platform.control().unwrap().start("node-1", None).await.unwrap();
    let ended = classic.completed(&shelf.instance, &job).await.unwrap();
    let number = text(&ended.result.unwrap(), "snapshot_id");
    assert_eq!(server.asked(), 1);
    shelf.roll_back(&number).await;
    assert_eq!(letter(&made), "dear all");
}

#[tokio::test]
async fn p31_what_a_job_that_was_ended_from_outside_had_written_goes() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[state]", "job_life_seconds = 10").await;
    allow_this_machine(&platform).await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let server = FileServer::start_slow().await;
    let body = json!({ "url": server.url("1.zip") });
    let job = shelf.order(Method::PUT, "serialized/url", &body).await;
    let path = format!("snapshots/FilesystemaaS/{}", shelf.instance);
    let dir = platform.dir().unwrap();
    let files = || dir.read_dir(&path).map_or(0, |entries| entries.count());
    let begun = async || (files() == 1).then_some(());
    wait_until("the fetch has begun", PATIENCE, begun).await.unwrap();
    let ended = classic.ended(&shelf.instance, &job).await.unwrap();
    assert_eq!(ended.result.unwrap()["code"], 30802);
    let gone = async || (files() == 0).then_some(());
    wait_until("what was fetched is gone", PATIENCE, gone).await.unwrap();
}
