//! Packages: a snapshot is handed out by a link, fetched, and imported elsewhere.

use reqwest::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tenon_protocol::job::JobStatus;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::{Classic, Login, Options, Platform};

use crate::crash::insist;
use crate::file_server::{FileServer, allow_this_machine};
use crate::letters::{directory, letter, with_letter};
use crate::settings;
use crate::shelf::{PATIENCE, Shelf, text};

/// Made as the original's tools made it in 2013, by its description.
const ORIGINAL: &[u8] = include_bytes!("testdata/original-package.zip");
/// Names another database, and would drop its tables.
const HOSTILE: &[u8] = include_bytes!("testdata/hostile-package.zip");

/// A platform whose node may fetch from this machine, and an instance on it.
struct Stage {
    platform: Platform,
    classic: Classic,
    made: ServiceResponse,
    shelf: Shelf,
}

impl Stage {
    async fn of(offering: &str) -> Self {
        let platform = Platform::start(Options::of(&[offering])).await.unwrap();
        allow_this_machine(&platform).await;
        let classic = platform.classic(offering).unwrap();
        let made = insist(async || classic.provision().await).await.unwrap();
        let shelf = Shelf::of(&classic, &made.service_id);
        Self { platform, classic, made, shelf }
    }
}

/// The package of a new snapshot.
async fn package(shelf: &Shelf) -> Vec<u8> {
    let url = shelf.link(&shelf.take().await).await;
    let http = Client::builder().no_proxy().build().unwrap();
    http.get(url).send().await.unwrap().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn p32_a_link_opens_one_snapshot_and_expires() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[snapshots]", "link_seconds = 8").await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    directory(&made).write("letter", "dear all").unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let (first, second) = (shelf.take().await, shelf.take().await);
    let path = format!("serialized/url/snapshots/{first}");
    let id = &shelf.instance;
    let expected = format!("Download url for service_id={id}, snapshot={first} not found");
    assert_eq!(shelf.refused(Method::GET, &path, &Value::Null).await, (404, 30300, expected));

    let url = shelf.link(&first).await;
    let http = Client::builder().no_proxy().build().unwrap();
    let status = async |url: &str| http.get(url).send().await.unwrap().status().as_u16();
    let refused = async |url: &str| -> Value {
        let response = http.get(url).send().await.unwrap();
        assert_eq!(response.status(), 403, "{url}");
        response.json().await.unwrap()
    };
    let forbidden = json!({"code": 30200, "description": "Forbidden"});
    assert_eq!(status(&url).await, 200);
    let other = url.replace(&format!("/snapshots/{first}?"), &format!("/snapshots/{second}?"));
    for forged in [&other, url.split('?').next().unwrap(), &url.replace('-', "-0")] {
        assert_eq!(refused(forged).await, forbidden, "{forged}");
    }

    let expired = tenon_tests::wait_until("it expires", PATIENCE, async || {
        (status(&url).await == 403).then_some(())
    });
    expired.await.unwrap();
    assert_eq!(refused(&url).await, forbidden);
    let answer: Value = shelf.ask(Method::GET, &path, &Value::Null).await.unwrap();
    assert_eq!(status(&text(&answer, "url")).await, 200);
    for log in ["gateway-1", "node-1"] {
        let token = url.split("token=").nth(1).unwrap();
        assert!(!platform.log(log).contains(token), "{log}");
    }
}

#[tokio::test]
async fn a_download_can_be_gone_on_with() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let made = with_letter(&classic, &"dear all ".repeat(1_000)).await;
    let shelf = Shelf::of(&classic, &made.service_id);
    let snapshot = shelf.take().await;
    let url = shelf.link(&snapshot).await;
    let http = Client::builder().no_proxy().build().unwrap();

    let whole = http.get(&url).send().await.unwrap();
    assert_eq!(whole.headers()[ACCEPT_RANGES], "bytes");
    let tag = whole.headers()[ETAG].clone();
    let whole = whole.bytes().await.unwrap();
    assert!(whole.starts_with(b"PK"));

    let head = http.head(&url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], whole.len().to_string().as_str());
    assert!(head.bytes().await.unwrap().is_empty());

    let rest = http.get(&url).header(RANGE, "bytes=100-").header(IF_RANGE, &tag);
    let rest = rest.send().await.unwrap();
    assert_eq!(rest.status(), 206);
    let range = format!("bytes 100-{}/{}", whole.len() - 1, whole.len());
    assert_eq!(rest.headers()[CONTENT_RANGE], range.as_str());
    assert_eq!(rest.bytes().await.unwrap(), whole.slice(100..));

    let changed = http.get(&url).header(RANGE, "bytes=100-").header(IF_RANGE, "\"other\"");
    assert_eq!(changed.send().await.unwrap().bytes().await.unwrap(), whole);
    let behind = http.get(&url).header(RANGE, "bytes=999999999-").send().await.unwrap();
    assert_eq!(behind.status(), 416);

    // Made anew it is the same, so that a download goes on.
    let again = shelf.link(&snapshot).await;
    assert_eq!(http.get(&again).send().await.unwrap().headers()[ETAG], tag);
}

#[tokio::test]
async fn p34_files_are_imported_into_another_instance_under_a_name() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let source = with_letter(&classic, "dear all").await;
    let target = with_letter(&classic, "another").await;
    let shelf = Shelf::of(&classic, &source.service_id);
    let server = FileServer::start(package(&shelf).await.leak()).await;
    let url = server.url("7.zip?token=hunter2");

    let to = Shelf::of(&classic, &target.service_id);
    let body = json!({ "url": url });
    // P33: nobody allowed this machine's own address yet.
    let failed = to.failed(Method::PUT, "serialized/url", &body).await;
    let shown = url.split('?').next().unwrap();
    assert_eq!(failed, (30803, format!("Invalid serialized data file from: {shown}")));

    allow_this_machine(&platform).await;
    let imported = to.import(&url).await;
    let one: Value = to.ask(Method::GET, &format!("snapshots/{imported}"), &body).await.unwrap();
    assert_eq!(text(&one, "name"), format!("Snapshot {}", text(&one, "date")));
    assert_eq!(letter(&target), "another");
    to.roll_back(&imported).await;
    assert_eq!(letter(&target), "dear all");
}

#[tokio::test]
async fn a_package_of_the_original_becomes_a_database_and_ours_another() {
    let Stage { platform: _platform, classic, made, shelf } = Stage::of("mysql").await;
    let server = FileServer::start(ORIGINAL).await;
    let imported = shelf.import(&server.url("7.zip?token=Zk3LmQ9aX0bT")).await;
    shelf.roll_back(&imported).await;
    let owner = Login::read(&made.credentials).unwrap();
    let count = "SELECT COUNT(*) FROM letters";
    assert_eq!(owner.number(count).await.unwrap(), Some(2));
    assert_eq!(owner.number("SELECT COUNT(*) FROM short").await.unwrap(), Some(2));
    owner.execute("INSERT INTO letters (text) VALUES ('hello')").await.unwrap();
    let signed = "SELECT COUNT(*) FROM letters WHERE text = 'hello!'";
    assert_eq!(owner.number(signed).await.unwrap(), Some(1));

    let server = FileServer::start(package(&shelf).await.leak()).await;
    let url = server.url("8.zip");
    let other = classic.provision().await.unwrap();
    let to = Shelf::of(&classic, &other.service_id);
    to.roll_back(&to.import(&url).await).await;
    let owner = Login::read(&other.credentials).unwrap();
    assert_eq!(owner.number(count).await.unwrap(), Some(3));
}

#[tokio::test]
async fn p28_a_rollback_that_cannot_be_loaded_leaves_the_data_as_it_was() {
    let Stage { platform, made, shelf, .. } = Stage::of("mysql").await;
    let server = FileServer::start(ORIGINAL).await;
    let good = shelf.import(&server.url("7.zip")).await;
    shelf.roll_back(&good).await;
    let owner = Login::read(&made.credentials).unwrap();
    let count = async || owner.number("SELECT COUNT(*) FROM letters").await.unwrap();
    owner.execute("INSERT INTO letters (text) VALUES ('written since')").await.unwrap();
    assert_eq!(count().await, Some(3));

    // A dump that reaches for another database fails in the middle of the load.
    let server = FileServer::start(HOSTILE).await;
    let broken = shelf.import(&server.url("7.zip")).await;
    let path = format!("snapshots/{broken}");
    let (code, _) = shelf.failed(Method::PUT, &path, &Value::Null).await;
    assert_eq!(code, 30806);
    assert_eq!(count().await, Some(3));
    owner.execute("INSERT INTO letters (text) VALUES ('and after')").await.unwrap();
    assert_eq!(count().await, Some(4));

    // Nor does one whose bytes have rotted in the store replace anything.
    let data = format!("snapshots/MyaaS/{}/{good}.data", shelf.instance);
    platform.dir().unwrap().write(data, b"rot").unwrap();
    let (code, _) = shelf.failed(Method::PUT, &format!("snapshots/{good}"), &Value::Null).await;
    assert_eq!(code, 30806);
    assert_eq!(count().await, Some(4));
}

#[tokio::test]
async fn what_is_no_package_is_refused_and_leaves_nothing() {
    let Stage { platform, shelf, .. } = Stage::of("files").await;
    let large: &'static [u8] = vec![0; (10 << 20) + 1].leak();
    for (file, code) in [(ORIGINAL, 30803), (&b"<html>"[..], 30803), (large, 30804)] {
        let server = FileServer::start(file).await;
        let body = json!({ "url": server.url("7.zip") });
        assert_eq!(shelf.failed(Method::PUT, "serialized/url", &body).await.0, code);
    }
    let server = FileServer::start_leading_on().await;
    let body = json!({ "url": server.url("7.zip?token=hunter2") });
    let failed = shelf.failed(Method::PUT, "serialized/url", &body).await;
    let shown = server.url("7.zip");
    let expected = format!("Too many redirects from url:{shown}, max redirects allowed is 5");
    assert_eq!(failed, (30805, expected));
    for url in ["ftp://x", "file:///etc/passwd", ""] {
        let refusal = shelf.refused(Method::PUT, "serialized/url", &json!({ "url": url })).await;
        assert_eq!((refusal.0, refusal.1), (400, 30001), "{url}");
    }
    assert_eq!(shelf.numbers().await, [""; 0]);
    let dir = platform.dir().unwrap();
    let left = dir.read_dir(format!("snapshots/FilesystemaaS/{}", shelf.instance)).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_job_beyond_its_ttl_has_failed_with_the_original_s_number() {
    let Stage { platform, classic, shelf, .. } = Stage::of("files").await;
    settings::set(&platform, "node-1", "[guests]", "job_timeout_seconds = 2").await;
    // It takes the connection, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let body = json!({ "url": format!("http://{}/7.zip", silent.local_addr().unwrap()) });
    let job = shelf.order(Method::PUT, "serialized/url", &body).await;
    let view = classic.ended(&shelf.instance, &job).await.unwrap();
    // Not `killed`: that was said of jobs that somebody had asked to stop.
    assert_eq!(view.status, JobStatus::Failed);
    assert!(view.complete_time.is_some());
    let words = "Job is killed since it runs longer than ttl: 2 seconds.";
    assert_eq!(view.result, Some(json!({"code": 30802, "description": words})));
    // The next one is not kept waiting by what the first left.
    assert_eq!(shelf.numbers().await, [""; 0]);
    shelf.take().await;
}
