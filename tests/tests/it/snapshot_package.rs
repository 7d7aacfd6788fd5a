//! Packages: a snapshot is handed out by a link, fetched, and imported elsewhere.

use reqwest::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tenon_tests::{Login, Options, Platform};

use crate::crash::insist;
use crate::file_server::FileServer;
use crate::letters::{directory, letter, with_letter};
use crate::settings;
use crate::shelf::{PATIENCE, Shelf, text};

/// Made as the original's tools made it in 2013, by its description.
const ORIGINAL: &[u8] = include_bytes!("testdata/original-package.zip");
/// Names another database, and would drop its tables.
const HOSTILE: &[u8] = include_bytes!("testdata/hostile-package.zip");

/// Lets the node fetch from this machine.
async fn allow_this_machine(platform: &Platform) {
    let line = "import_networks = [\"127.0.0.0/8\"]";
    settings::set(platform, "node-1", "[snapshots]", line).await;
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
    assert_eq!(status(&url).await, 200);
    let other = url.replace(&format!("/snapshots/{first}?"), &format!("/snapshots/{second}?"));
    assert_eq!(status(&other).await, 403);
    assert_eq!(status(url.split('?').next().unwrap()).await, 403);
    assert_eq!(status(&url.replace("-", "-0")).await, 403);

    let expired = tenon_tests::wait_until("it expires", PATIENCE, async || {
        (status(&url).await == 403).then_some(())
    });
    expired.await.unwrap();
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
    let url = shelf.link(&shelf.take().await).await;

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
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    allow_this_machine(&platform).await;
    let classic = platform.classic("mysql").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
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

    let url = shelf.link(&shelf.take().await).await;
    let other = classic.provision().await.unwrap();
    let to = Shelf::of(&classic, &other.service_id);
    to.roll_back(&to.import(&url).await).await;
    let owner = Login::read(&other.credentials).unwrap();
    assert_eq!(owner.number(count).await.unwrap(), Some(3));

    // P28: a dump that reaches for another database changes nothing, here or there.
    let server = FileServer::start(HOSTILE).await;
    let imported = to.import(&server.url("7.zip")).await;
    let path = format!("snapshots/{imported}");
    let (code, _) = to.failed(Method::PUT, &path, &Value::Null).await;
    assert_eq!(code, 30806);
    assert_eq!(owner.number(count).await.unwrap(), Some(3));
}

#[tokio::test]
async fn what_is_no_package_is_refused_and_leaves_nothing() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    allow_this_machine(&platform).await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let large: &'static [u8] = vec![0; (10 << 20) + 1].leak();
    for (file, code) in [(ORIGINAL, 30803), (&b"<html>"[..], 30803), (large, 30804)] {
        let server = FileServer::start(file).await;
        let body = json!({ "url": server.url("7.zip") });
        assert_eq!(shelf.failed(Method::PUT, "serialized/url", &body).await.0, code);
    }
    for url in ["ftp://x", "file:///etc/passwd", ""] {
        let refusal = shelf.refused(Method::PUT, "serialized/url", &json!({ "url": url })).await;
        assert_eq!((refusal.0, refusal.1), (400, 30001), "{url}");
    }
    assert_eq!(shelf.numbers().await, [""; 0]);
    let dir = platform.dir().unwrap();
    let left = dir.read_dir(format!("snapshots/FilesystemaaS/{}", shelf.instance)).unwrap();
    assert_eq!(left.count(), 0);
}
